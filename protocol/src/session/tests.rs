use alloc::vec::Vec;

use super::*;
use crate::content::geometry::{BLOCK, SPAN};
use crate::job::SpanBuf;
use crate::{AccessSecret, ContentId};

fn ends(role: Role) -> Ends {
    let (local, peer) = match role {
        Role::Initiator => (NodeId([1; 32]), NodeId([2; 32])),
        Role::Responder => (NodeId([2; 32]), NodeId([1; 32])),
    };
    Ends { role, local, peer, path: Path::Memory }
}

fn key() -> ShareKey {
    ShareKey::new(ContentId([4; 32]), AccessSecret([5; 32]))
}

fn pair() -> (Session, Session) {
    let initiator = Session::new(ends(Role::Initiator), Some(key()), Nonce([6; 32]), Now::ZERO);
    let responder = Session::new(ends(Role::Responder), None, Nonce([7; 32]), Now::ZERO);
    (initiator, responder)
}

/// Moves all that waits; what it meant to the other side, in words.
fn carry(from: &mut Session, to: &mut Session) -> Vec<alloc::string::String> {
    let bytes = from.outbox.sendable(usize::MAX).concat();
    from.sent(Now::ZERO, bytes.len());
    let (mut rest, mut heard) = (&bytes[..], Vec::new());
    while let Some(incoming) = to.receive(Now::ZERO, &mut rest).unwrap() {
        if let Incoming::Asked(prove) = &incoming
            && to.proves(prove, &key())
        {
            to.admit(&key());
        }
        heard.push(alloc::format!("{incoming:?}"));
    }
    heard
}

fn span() -> Payload {
    let mut buf = SpanBuf::new();
    buf.set_filled(SPAN as usize);
    Payload::Pooled(buf)
}

const PIECE: Piece = Piece { blob: 1, block: 0, len: SPAN as usize };

#[test]
fn two_sessions_greet_prove_and_open() {
    let (mut initiator, mut responder) = pair();
    carry(&mut initiator, &mut responder);
    carry(&mut responder, &mut initiator);
    carry(&mut initiator, &mut responder);
    assert!(responder.is_open() && !initiator.is_open());
    assert_eq!(carry(&mut responder, &mut initiator), ["Opened"]);
    assert!(initiator.is_open());
    assert_eq!(initiator.peer_nonce(), responder.our_nonce());
}

#[test]
fn nothing_is_heard_or_said_after_a_goodbye() {
    let (mut initiator, mut responder) = pair();
    initiator.farewell(Reason::Leaving);
    initiator.send(&Message::Paused);
    assert_eq!(carry(&mut initiator, &mut responder), ["Farewell(Leaving)"]);
    assert!(responder.is_closing());
    assert!(carry(&mut responder, &mut initiator).is_empty());
}

#[test]
fn control_goes_before_payload_but_not_into_a_frame() {
    let mut outbox = Outbox::default();
    outbox.lend(span(), &[PIECE]);
    let begun = 1000;
    assert!(outbox.sent(begun).is_empty());
    outbox.push(&Message::Paused);
    let runs = outbox.sendable(usize::MAX);
    let frame = 4 * BLOCK as usize + 14;
    assert_eq!(runs[0].len(), frame - begun);
    assert_eq!(runs[1], [0, 0, 0, 0, 5, 0]);
    assert_eq!(outbox.sendable(10).concat().len(), 10);
}

#[test]
fn sent_in_any_portions_gives_every_byte_once_and_the_buffer_back() {
    for portion in [1, 5, 14, 15, 65_536, 65_550, 1 << 20] {
        let mut outbox = Outbox::default();
        outbox.push(&Message::Ping(5));
        outbox.lend(span(), &[PIECE]);
        let whole = outbox.sendable(usize::MAX).concat();
        let (mut sent, mut freed) = (Vec::new(), 0);
        while !outbox.is_empty() {
            let run = outbox.sendable(portion).concat();
            sent.extend_from_slice(&run);
            freed += outbox.sent(run.len()).len();
        }
        assert!(sent == whole);
        assert_eq!((freed, outbox.loans(), outbox.payload_sent()), (1, 0, SPAN));
    }
}

#[test]
fn a_cut_keeps_the_frame_that_has_begun_and_frees_the_rest() {
    let mut outbox = Outbox::default();
    outbox.lend(span(), &[PIECE]);
    outbox.lend(span(), &[PIECE]);
    outbox.sent(20);
    assert_eq!(outbox.cut().len(), 1);
    outbox.push(&Message::Goodbye(Reason::Leaving));
    let rest = outbox.sendable(usize::MAX).concat();
    assert_eq!(rest.len(), 4 * BLOCK as usize + 14 - 20 + 7);
    assert_eq!(outbox.sent(rest.len()).len(), 1);
    outbox.lend(span(), &[PIECE]);
    assert_eq!(outbox.cut().len(), 1);
    assert!(outbox.is_empty());
}

#[test]
fn silence_is_asked_about_and_then_given_up() {
    let (mut initiator, _) = pair();
    let config = Config::default();
    let len = initiator.outbox.sendable(usize::MAX).concat().len();
    initiator.sent(Now::ZERO, len);
    let at = |seconds| Now::ZERO + Duration::from_secs(seconds);
    assert_eq!(initiator.look(at(4), &config), Liveness::Fine(at(10)));
    assert_eq!(initiator.look(at(10), &config), Liveness::Ping(at(35)));
    assert_eq!(initiator.look(at(15), &config), Liveness::Pong(at(25)), "we have been quiet as well");
    assert_eq!(initiator.look(at(20), &config), Liveness::Fine(at(35)));
    assert_eq!(initiator.look(at(35), &config), Liveness::Dead);
}

#[test]
fn who_hears_much_and_says_nothing_gives_a_sign_of_life() {
    let (mut initiator, _) = pair();
    let config = Config::default();
    let len = initiator.outbox.sendable(usize::MAX).concat().len();
    initiator.sent(Now::ZERO, len);
    let at = |seconds| Now::ZERO + Duration::from_secs(seconds);
    for second in 1..10 {
        initiator.unpaused(at(second));
        assert!(matches!(initiator.look(at(second), &config), Liveness::Fine(_)));
    }
    assert_eq!(initiator.look(at(10), &config), Liveness::Pong(at(20)));
    initiator.sent(at(14), 0);
    initiator.unpaused(at(21));
    assert!(matches!(initiator.look(at(21), &config), Liveness::Fine(_)), "it has just been sent something");
    initiator.send(&Message::Paused);
    assert!(
        matches!(initiator.look(at(30), &config), Liveness::Fine(_)),
        "what waits already is sign enough"
    );
}

#[test]
fn a_peer_that_takes_nothing_is_unread() {
    let (mut initiator, _) = pair();
    let config = Config { silence_max: Duration::from_secs(600), ..Config::default() };
    let at = |seconds| Now::ZERO + Duration::from_secs(seconds);
    initiator.look(at(1), &config);
    assert_ne!(initiator.look(at(60), &config), Liveness::Unread);
    assert_eq!(initiator.look(at(61), &config), Liveness::Unread);
}
