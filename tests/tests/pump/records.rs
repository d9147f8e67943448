//! What is put into one record, and what is asked of a source.

use std::cell::Cell;

use truecopy_sim::stream::{Direction, pair};
use truecopy_transport::channel::tls::{Tls, provider};
use truecopy_transport::channel::{Channel, ChannelEvent};
use truecopy_transport::pump::{Pump, Source, WriteState};

use crate::tls::tls_pair;

const RECORD: usize = 16 * 1024;
/// Tag and content type.
const SEAL: usize = 17;

/// Carries bytes both ways until both ends have nothing to say.
fn shake(a: &mut Tls, b: &mut Tls) {
    for _ in 0..20 {
        carry(a, b);
        carry(b, a);
    }
}

fn carry(from: &mut Tls, to: &mut Tls) {
    while !matches!(from.next_event(&mut |_| {}).unwrap(), ChannelEvent::Starved) {}
    let len = from.outgoing().len();
    to.space()[..len].copy_from_slice(from.outgoing());
    to.filled(len);
    from.taken(len);
    while !matches!(to.next_event(&mut |_| {}).unwrap(), ChannelEvent::Starved) {}
}

fn open() -> Tls {
    let (mut a, mut b) = tls_pair();
    shake(&mut a, &mut b);
    assert!(a.room() > 0 && a.outgoing().is_empty());
    a
}

/// The lengths of the records that wait to go out, without their seals.
fn records(channel: &Tls) -> Vec<usize> {
    let (mut rest, mut found) = (channel.outgoing(), Vec::new());
    while let [_, _, _, high, low, tail @ ..] = rest {
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        found.push(len - SEAL);
        rest = &tail[len..];
    }
    assert!(rest.is_empty());
    found
}

#[test]
fn short_runs_are_gathered_into_full_records_and_long_ones_are_not_held_back() {
    let mut a = open();
    for _ in 0..8 {
        a.seal(&[7; RECORD / 4]);
    }
    a.flush();
    assert_eq!(records(&a), [RECORD, RECORD]);

    let mut a = open();
    for len in [5000, 5000, 5000, 5000, 1] {
        a.seal(&vec![7; len]);
    }
    a.flush();
    // A run is not torn over two records.
    assert_eq!(records(&a), [15_000, 5001]);

    let mut a = open();
    a.seal(&[7; 8 * 1024 - 1]);
    assert!(records(&a).is_empty());
    a.seal(&[7; 8 * 1024]);
    assert_eq!(records(&a), [8 * 1024 - 1, 8 * 1024]);
}

#[test]
fn a_long_run_is_cut_into_full_records() {
    let mut a = open();
    a.seal(&vec![7; 3 * RECORD + 1]);
    assert_eq!(records(&a), [RECORD, RECORD, RECORD, 1]);
}

#[test]
fn nothing_older_and_nothing_else_than_what_we_speak_is_offered() {
    let provider = provider();
    let suites: Vec<String> =
        provider.cipher_suites.iter().map(|suite| format!("{:?}", suite.suite())).collect();
    assert_eq!(suites.len(), 2, "{suites:?}");
    for suite in ["TLS13_AES_128_GCM_SHA256", "TLS13_CHACHA20_POLY1305_SHA256"] {
        assert!(suites.iter().any(|found| found == suite), "{suites:?}");
    }
    let groups: Vec<String> = provider.kx_groups.iter().map(|group| format!("{:?}", group.name())).collect();
    assert_eq!(groups, ["X25519"]);
}

/// Has nothing, and wants to hear of nothing.
struct Empty<'a> {
    visits: &'a Cell<u32>,
}

impl Source for Empty<'_> {
    fn visit(&self, _: usize, _: &mut dyn FnMut(&[u8])) {
        self.visits.set(self.visits.get() + 1);
    }

    fn sent(&mut self, len: usize) {
        panic!("{len} bytes of nothing were sent");
    }
}

#[test]
fn a_source_that_has_nothing_is_not_told_that_it_was_sent() {
    let (mut stream, _other) = pair(0, Direction::smooth(), Direction::smooth());
    let visits = Cell::new(0);
    let mut pump = Pump::new(open());
    assert_eq!(pump.transmit(&mut stream, &mut Empty { visits: &visits }, 1 << 20), WriteState::Idle);
    assert!(visits.get() > 0);
}
