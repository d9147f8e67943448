//! Tickets, links, codes of rooms and addresses: text and value stand for each other.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use sha2::{Digest, Sha256};

use crate::content::link::{LINK_MAX, Link};
use crate::content::room::{ROOM_CODE_MAX, RoomCode};
use crate::content::ticket::{ADDRESSES_MAX, TICKET_MAX, Ticket};
use crate::{Candidate, HostName, TrackerUrl, Trackers};

/// Any bytes as text, and as the body of a ticket whose checksum is right.
pub fn ticket(bytes: &[u8]) {
    if let Ok(text) = core::str::from_utf8(bytes) {
        parsed(text);
        address(text);
    }
    let text = armoured("truecopy:", bytes);
    if parsed(&text) {
        assert!(bytes.len() > 97, "version, ContentId, secret, NodeId and a count are there");
        assert!(!parsed(&text[..text.len() - 1]), "a digit less is no ticket");
        assert!(parsed(&alloc::format!(" \n{}\t", text.to_ascii_uppercase())));
    }
}

/// Any bytes as text, and as the body of a link, and of a room's code, whose checksum is right.
pub fn link(bytes: &[u8]) {
    if let Ok(text) = core::str::from_utf8(bytes) {
        parsed_link(text);
        parsed_room(text);
        tracker(text);
    }
    if parsed_room(&armoured("truecopy-room:", bytes)) {
        assert_eq!(bytes.len(), 33, "version and secret are there, and nothing else");
    }
    let text = armoured("truecopy-link:", bytes);
    if parsed_link(&text) {
        assert!(bytes.len() > 34, "version, ContentId, and two counts are there");
        assert!(!parsed_link(&text[..text.len() - 1]), "a digit less is no link");
        assert!(parsed_link(&alloc::format!(" \n{}\t", text.to_ascii_uppercase())));
        assert!(Ticket::parse(&text).is_err(), "a link is no ticket");
    }
}

/// A body behind its scheme, with the checksum that it should have.
fn armoured(scheme: &str, body: &[u8]) -> String {
    let mut bytes = body.to_vec();
    bytes.extend_from_slice(&Sha256::digest(body)[..4]);
    alloc::format!("{scheme}{}", base32(&bytes))
}

/// Whether it is a link. If so, it is the text of what it means.
fn parsed_link(text: &str) -> bool {
    let Ok(link) = Link::parse(text) else { return false };
    assert_eq!(link.text(), text.trim().to_ascii_lowercase(), "there is one text");
    assert_eq!(Link::parse(&link.text()).as_ref(), Ok(&link));
    assert!(link.text().len() <= LINK_MAX);
    trackers(&link.trackers);
    true
}

/// Whether it is the code of a room. If so, it is the text of what it means.
fn parsed_room(text: &str) -> bool {
    let Ok(code) = RoomCode::parse(text) else { return false };
    assert_eq!(code.text(), text.trim().to_ascii_lowercase(), "there is one text");
    assert!(code.text().len() <= ROOM_CODE_MAX);
    true
}

/// Few, each once, and each in its one form.
fn trackers(list: &Trackers) {
    assert!(list.len() <= Trackers::MAX);
    for (place, url) in list.iter().enumerate() {
        assert!(!list[..place].contains(url));
        tracker(url.as_str());
    }
}

/// A tracker means the same as its own text, which is an origin.
fn tracker(text: &str) {
    let Ok(url) = TrackerUrl::new(text) else { return };
    assert_eq!(TrackerUrl::new(url.as_str()).as_ref(), Ok(&url));
    assert!(url.as_str().len() <= TrackerUrl::LEN_MAX);
    let rest = url.as_str().strip_prefix("https://").or_else(|| url.as_str().strip_prefix("http://"));
    assert!(rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(['/', '@', '?', '#', ' '])));
}

/// Whether it is a ticket. If so, it is the text of what it means.
fn parsed(text: &str) -> bool {
    let Ok(ticket) = Ticket::parse(text) else { return false };
    assert_eq!(ticket.text(), text.trim().to_ascii_lowercase(), "there is one text");
    assert_eq!(Ticket::parse(&ticket.text()).as_ref(), Ok(&ticket));
    assert!(ticket.addresses.len() <= ADDRESSES_MAX && ticket.text().len() <= TICKET_MAX);
    trackers(&ticket.trackers);
    assert!(ticket.addresses.iter().all(|address| address.port() != 0));
    for candidate in &ticket.addresses {
        address(&candidate.to_string());
    }
    true
}

/// An address means the same as its own text.
fn address(text: &str) {
    if let Ok(candidate) = text.parse::<Candidate>() {
        assert_eq!(candidate.to_string().parse::<Candidate>().as_ref(), Ok(&candidate));
        assert_ne!(candidate.port(), 0);
        if let Candidate::Host { name, .. } = &candidate {
            assert!(name.as_str().len() <= HostName::LEN_MAX);
            assert!(
                name.as_str()
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b))
            );
            assert!(name.as_str().parse::<core::net::IpAddr>().is_err());
        }
    }
    if let Ok(name) = HostName::new(text) {
        assert_eq!(HostName::new(name.as_str()), Ok(name));
    }
}

/// Base 32, bit by bit: a second opinion.
fn base32(bytes: &[u8]) -> String {
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let digit = |bits: &[u8]| {
        let value = (0..5).fold(0, |value, at| value * 2 + bits.get(at).copied().unwrap_or(0));
        char::from(if value < 26 { b'a' + value } else { b'2' + value - 26 })
    };
    bits.chunks(5).map(digit).collect()
}
