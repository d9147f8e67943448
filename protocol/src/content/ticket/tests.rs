use alloc::vec;

use super::*;

/// The text of a ticket of a later version with a body of so many bytes.
fn newer(len: usize) -> String {
    let mut body = vec![0; len];
    body[0] = 9;
    armour::close(SCHEME, body)
}

#[test]
fn a_text_of_just_the_longest_length_is_looked_at() {
    let longest = newer(7670);
    assert_eq!(longest.len(), TICKET_MAX);
    assert_eq!(Ticket::parse(&longest), Err(BadTicket::Version(9)));
    assert_eq!(Ticket::parse(&newer(7671)), Err(BadTicket::Damaged));
}
