//! Links: one text, read however it is typed, and never a mistyped one.

use proptest::prelude::*;
use truecopy_protocol::content::link::{BadLink, LINK_MAX, Link};
use truecopy_protocol::content::ticket::{BadTicket, Ticket};
use truecopy_protocol::{AccessSecret, ContentId, NodeId, Trackers};

use crate::trackers;

proptest! {
    #[test]
    fn a_link_survives_its_text_however_it_is_typed(link in link()) {
        let text = link.text();
        prop_assert!(text.len() <= LINK_MAX);
        prop_assert_eq!(Link::parse(&text).unwrap(), link.clone());
        prop_assert_eq!(Link::parse(&format!(" \n{}\t", text.to_uppercase())).unwrap(), link);
        prop_assert_eq!(Ticket::parse(&text), Err(BadTicket::NotATicket));
    }

    #[test]
    fn a_mistyped_or_cut_link_is_damaged(
        link in link(), at in any::<prop::sample::Index>(), typed in "[a-z2-7]",
    ) {
        let text = link.text();
        let at = 14 + at.index(text.len() - 14);
        let mut wrong = text.clone();
        wrong.replace_range(at..=at, &typed);
        prop_assert!(wrong == text || Link::parse(&wrong) == Err(BadLink::Damaged));
        prop_assert_eq!(Link::parse(&text[..at]), Err(BadLink::Damaged));
    }
}

fn link() -> impl Strategy<Value = Link> {
    let secret = prop_oneof![Just([0; 32]), any::<[u8; 32]>()];
    (any::<[u8; 32]>(), secret, trackers()).prop_map(|(content, secret, trackers)| Link {
        content: ContentId(content),
        secret: AccessSecret(secret),
        trackers,
    })
}

#[test]
fn a_text_that_is_no_link_and_one_of_a_newer_version_are_told_apart() {
    for text in ["", "truecopy-link", "truecopy:aaaa", "http://x", "truecopy link:aa"] {
        assert_eq!(Link::parse(text), Err(BadLink::NotALink), "{text}");
    }
    for text in ["truecopy-link:", "truecopy-link:a", "truecopy-link:aaaaaaaa", "truecopy-link:!"] {
        assert_eq!(Link::parse(text), Err(BadLink::Damaged), "{text}");
    }
    // Body `02`, checksum db c1 b4 c9.
    assert_eq!(Link::parse("truecopy-link:aln4dngj"), Err(BadLink::Version(2)));
}

#[test]
fn a_link_of_a_public_share_is_shorter_and_a_ticket_becomes_one() {
    let ticket = Ticket {
        content: ContentId([1; 32]),
        secret: AccessSecret([7; 32]),
        node: NodeId([2; 32]),
        addresses: vec!["192.0.2.1:9".parse().unwrap()],
        trackers: Trackers::from_iter(["https://tracker.example".parse().unwrap()]),
    };
    let link = Link::from(ticket.clone());
    assert_eq!((link.content, &link.trackers), (ticket.content, &ticket.trackers));
    assert!(!format!("{link:?}").contains('7'), "the secret is not shown");
    let public = Link { secret: AccessSecret::PUBLIC, ..link.clone() };
    assert!(link.text().len() - public.text().len() > 50);
    assert_eq!(Link::parse(&public.text()).unwrap().secret, AccessSecret::PUBLIC);
}
