//! A network that harms bytes, and strangers: a correct copy or a clear error, in bounded time.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::common::{World, sample};
use crate::process::{Sender, assert_same, get, write_random};
use crate::proxy::{Harm, Proxy};

const HARMS: [Harm; 7] =
    [Harm::Flip, Harm::Drop, Harm::Duplicate, Harm::Cut, Harm::Stall, Harm::Reset, Harm::OneByOne];

#[test]
fn whatever_happens_to_the_bytes_the_copy_is_correct() {
    let world = World::new();
    let top = sample(&world);
    write_random(&top.join("large"), 3 << 20, 4);
    let sender = Sender::start(&world, &["share"]);
    // In the handshake, at its end, in the list of files, in the data.
    let places = [40, 700, 1800, 1_234_567];
    let mut seed = 1_u64;
    for (at, place) in places.into_iter().enumerate() {
        let runs: Vec<_> = HARMS
            .iter()
            .enumerate()
            .map(|(n, harm)| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let proxy = Proxy::start(sender.address).harm(&[(place + (seed >> 60), *harm)]);
                let there = format!("there{at}-{n}");
                let ticket = sender.ticket_at(proxy.address);
                (*harm, there.clone(), get(&world, &ticket, &["-o", &there, "--timeout", "4s"]), proxy)
            })
            .collect();
        for (harm, there, run, proxy) in runs {
            let ended = run.ends();
            assert_eq!(ended.status.code(), Some(0), "{harm:?} at {place}: {}\n{}", ended.out, ended.err);
            assert_same(&top, &world.path(&there).join("share"));
            let again = harm != Harm::OneByOne;
            assert_eq!(proxy.connections() > 1, again, "{harm:?} at {place}: {}", ended.out);
        }
    }
}

#[test]
fn a_link_that_harms_every_connection_ends_with_a_clear_error() {
    let world = World::new();
    sample(&world);
    let sender = Sender::start(&world, &["share"]);
    for harm in [Harm::Flip, Harm::Cut, Harm::Stall] {
        let proxy = Proxy::start(sender.address).harm(&[(300, harm); 100]);
        let there = format!("there-{harm:?}");
        let got = get(&world, &sender.ticket_at(proxy.address), &["-o", &there, "--timeout", "3s"]).exits(5);
        assert!(got.err.contains("was not reached"), "{}", got.err);
        assert_eq!(got.event("error")["retryable"], true);
        assert_eq!(std::fs::read_dir(world.path(&there)).unwrap().count(), 0);
    }
}

#[test]
fn strangers_do_not_disturb_a_sender() {
    let world = World::new();
    let top = sample(&world);
    let sender = Sender::start(&world, &["share"]);
    let mut strangers = Vec::new();
    for n in 0..30_u8 {
        let mut stranger = TcpStream::connect(sender.address).unwrap();
        stranger.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // Whoever is thrown out already has had its answer.
        let _ = match n % 3 {
            0 => Ok(()),
            1 => stranger.write_all(b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"),
            _ => stranger.write_all(&[n.wrapping_mul(37); 3000]),
        };
        strangers.push(stranger);
    }
    get(&world, &sender.ticket, &["-o", "there"]).exits(0);
    assert_same(&top, &world.path("there/share"));
    // Whoever spoke nonsense is hung up on.
    let mut rest = Vec::new();
    let ended = strangers[1].read_to_end(&mut rest);
    assert!(ended.is_ok() || ended.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset));
    get(&world, &sender.ticket, &["-o", "there2"]).exits(0);
}

#[test]
fn who_is_not_there_or_is_someone_else_is_told_apart() {
    let world = World::new();
    sample(&world);
    let sender = Sender::start(&world, &["share"]);
    std::fs::write(world.path("alone"), b"other").unwrap();
    let other = Sender::from_home(&world, "other", &["alone"]);
    let got = get(&world, &sender.ticket_at(other.address), &["-o", "there", "--timeout", "1s"]).exits(5);
    assert!(got.err.contains("someone else answers there"), "{}", got.err);
    let ticket = sender.ticket.clone();
    drop(sender);
    let got = get(&world, &ticket, &["-o", "there", "--timeout", "1s"]).exits(5);
    assert!(got.err.contains("nothing listens there"), "{}", got.err);
    let cut = get(&world, &ticket[..ticket.len() - 3], &["-o", "there"]).exits(2);
    assert!(cut.err.contains("copy it again"), "{}", cut.err);
}
