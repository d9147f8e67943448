//! Tickets: one text, read however it is typed, and never a mistyped one.

use std::net::SocketAddr;

use proptest::collection::btree_set;
use proptest::prelude::*;
use truecopy_protocol::content::ticket::{BadTicket, Ticket};
use truecopy_protocol::{AccessSecret, Candidate, ContentId, HostName, NodeId, Trackers};

use crate::trackers;

proptest! {

    #[test]
    fn a_ticket_survives_its_text_however_it_is_typed(ticket in ticket()) {
        let text = ticket.text();
        prop_assert_eq!(Ticket::parse(&text).unwrap(), ticket.clone());
        prop_assert_eq!(Ticket::parse(&format!(" \n{}\t", text.to_uppercase())).unwrap(), ticket);
    }

    #[test]
    fn a_mistyped_or_cut_ticket_is_damaged(
        ticket in ticket(), at in any::<prop::sample::Index>(), typed in "[a-z2-7]",
    ) {
        let text = ticket.text();
        let at = 9 + at.index(text.len() - 9);
        let mut wrong = text.clone();
        wrong.replace_range(at..=at, &typed);
        prop_assert!(wrong == text || Ticket::parse(&wrong) == Err(BadTicket::Damaged));
        prop_assert_eq!(Ticket::parse(&text[..at]), Err(BadTicket::Damaged));
    }
}

fn ticket() -> impl Strategy<Value = Ticket> {
    let address = prop_oneof![
        (any::<[u8; 4]>(), 1..=u16::MAX).prop_map(|(ip, port)| Candidate::Tcp(SocketAddr::from((ip, port)))),
        (any::<[u8; 16]>(), 1..=u16::MAX).prop_map(|(ip, port)| Candidate::Tcp(SocketAddr::from((ip, port)))),
        ("[a-z][a-z0-9]{0,9}(\\.[a-z]{2,9}){0,3}", 1..=u16::MAX)
            .prop_map(|(name, port)| Candidate::Host { name: HostName::new(&name).unwrap(), port }),
    ];
    let hash = any::<[u8; 32]>;
    (hash(), hash(), hash(), btree_set(address, 0..=16), trackers()).prop_map(
        |(content, secret, node, addresses, trackers)| Ticket {
            content: ContentId(content),
            secret: AccessSecret(secret),
            node: NodeId(node),
            addresses: addresses.into_iter().collect(),
            trackers,
        },
    )
}

#[test]
fn a_text_that_is_no_ticket_and_one_of_a_newer_version_are_told_apart() {
    for text in ["", "truecop", "truecopy", "http://x", "é:", "true copy:aa"] {
        assert_eq!(Ticket::parse(text), Err(BadTicket::NotATicket), "{text}");
    }
    for text in ["truecopy:", "truecopy:a", "truecopy:aaaaaaaa", "truecopy:!", "truecopy: aa"] {
        assert_eq!(Ticket::parse(text), Err(BadTicket::Damaged), "{text}");
    }
    // Body `03`, checksum 08 4f ed 08; body `02`, checksum db c1 b4 c9: its rest is missing.
    assert_eq!(Ticket::parse("truecopy:amee73ii"), Err(BadTicket::Version(3)));
    assert_eq!(Ticket::parse("truecopy:aln4dngj"), Err(BadTicket::Damaged));
}

#[test]
fn debug_text_of_a_ticket_hides_the_secret_and_only_sixteen_addresses_are_written() {
    let address: Candidate = "192.0.2.1:9".parse().unwrap();
    let ticket = Ticket {
        content: ContentId([1; 32]),
        secret: AccessSecret([0xab; 32]),
        node: NodeId([2; 32]),
        addresses: vec![address; 20],
        trackers: Trackers::default(),
    };
    let debug = format!("{ticket:?}");
    assert!(!debug.contains("abab") && !debug.contains("171"), "{debug}");
    assert_eq!(Ticket::parse(&ticket.text()).unwrap().addresses.len(), 16);
}

#[test]
fn a_ticket_without_trackers_is_still_of_the_first_version() {
    let mut ticket = Ticket {
        content: ContentId([1; 32]),
        secret: AccessSecret([2; 32]),
        node: NodeId([3; 32]),
        addresses: Vec::new(),
        trackers: Trackers::default(),
    };
    // The first digit holds five bits of the version, the second its last three.
    assert!(ticket.text().starts_with("truecopy:ae"), "{}", ticket.text());
    ticket.trackers.add("https://tracker.example".parse().unwrap());
    assert!(ticket.text().starts_with("truecopy:ai"), "{}", ticket.text());
}
