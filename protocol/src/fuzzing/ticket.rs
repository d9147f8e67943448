//! Tickets and addresses: text and value stand for each other.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use sha2::{Digest, Sha256};

use crate::content::ticket::{ADDRESSES_MAX, TICKET_MAX, Ticket};
use crate::{Candidate, HostName};

/// Any bytes as text, and as the body of a ticket whose checksum is right.
pub fn ticket(bytes: &[u8]) {
    if let Ok(text) = core::str::from_utf8(bytes) {
        parsed(text);
        address(text);
    }
    let mut body = bytes.to_vec();
    body.extend_from_slice(&Sha256::digest(bytes)[..4]);
    let text = alloc::format!("truecopy:{}", base32(&body));
    if parsed(&text) {
        assert!(bytes.len() > 97, "version, ContentId, secret, NodeId and a count are there");
        assert!(!parsed(&text[..text.len() - 1]), "a digit less is no ticket");
        assert!(parsed(&alloc::format!(" \n{}\t", text.to_ascii_uppercase())));
    }
}

/// Whether it is a ticket. If so, it is the text of what it means.
fn parsed(text: &str) -> bool {
    let Ok(ticket) = Ticket::parse(text) else { return false };
    assert_eq!(ticket.text(), text.trim().to_ascii_lowercase(), "there is one text");
    assert_eq!(Ticket::parse(&ticket.text()).as_ref(), Ok(&ticket));
    assert!(ticket.addresses.len() <= ADDRESSES_MAX && ticket.text().len() <= TICKET_MAX);
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
