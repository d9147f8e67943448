//! Peers that do not play by the rules: wrong keys, no keys, garbage, floods.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use truecopy_protocol::NodeId;
use truecopy_sim::stream::{Direction, Random, Shape, pair};
use truecopy_transport::channel::buffers::Pool;
use truecopy_transport::channel::tls::{Tls, TlsConfig, provider};
use truecopy_transport::channel::{Channel, ChannelError, ChannelEvent};
use truecopy_transport::keys::KeyPair;
use truecopy_transport::pump::{Breakage, Flow, Pump, ReadState, Received};
use truecopy_transport::stream::Stream;

use crate::foreign::{AnyKey, NoKey, raw_key};
use crate::tls::{keys, tls_pair};
use crate::toy::{Closing, End, Heard, Last, Toy, run};

fn meet<A: Channel, B: Channel>(a: A, b: B) -> (Heard, Heard) {
    let (left, right) = pair(0, Direction::smooth(), Direction::smooth());
    let mut a = End::new(a, left, (1, 10), 2, Closing::AfterHearing(10));
    let mut b = End::new(b, right, (2, 10), 1, Closing::AfterHearing(10));
    run(0, &mut a, &mut b);
    (a.heard, b.heard)
}

fn broken(error: ChannelError) -> Option<Last> {
    Some(Last::Broken(Breakage::Channel(error)))
}

#[test]
fn another_key_than_the_expected_is_refused_by_both_names() {
    let [(_, a), (_, b), (other, _)] = keys();
    let (a, b) = meet(a.connect(Some(*other)).unwrap(), b.accept().unwrap());
    assert_eq!((a.peer, a.last), (None, broken(ChannelError::WrongKey)));
    assert_eq!((b.peer, b.last), (None, broken(ChannelError::Refused)), "and our key was not shown");
}

#[test]
fn any_key_is_accepted_when_none_is_expected() {
    let [(_, a), (b_id, b), _] = keys();
    let (a, _) = meet(a.connect(None).unwrap(), b.accept().unwrap());
    assert_eq!(a.peer, Some(*b_id));
}

/// A plain rustls client with the given settings against our server; what our server hears.
fn against_server(config: rustls::ClientConfig) -> Heard {
    let name = rustls::pki_types::ServerName::try_from("peer.invalid").unwrap();
    let client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    against_buffered(client.into())
}

fn against_buffered(mut client: rustls::Connection) -> Heard {
    let (mut left, right) = pair(0, Direction::smooth(), Direction::smooth());
    let mut server = End::new(keys()[1].1.accept().unwrap(), right, (2, 10), 1, Closing::AfterHearing(10));
    for _ in 0..100 {
        let mut out = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut out).unwrap();
        }
        if !out.is_empty() {
            assert_eq!(left.write(&out).unwrap_or(out.len()), out.len());
        }
        server.turn();
        let mut buf = [0; 20_000];
        if let Ok(len @ 1..) = left.read(&mut buf) {
            client.read_tls(&mut &buf[..len]).unwrap();
            let _ = client.process_new_packets();
        }
        if server.heard.last.is_some() {
            break;
        }
    }
    server.heard
}

/// What any client of ours does, without the parts that the tests leave out.
fn client_builder(
    provider: CryptoProvider,
) -> rustls::ConfigBuilder<rustls::ClientConfig, rustls::WantsVerifier> {
    rustls::ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
}

#[test]
fn a_peer_without_a_key_is_refused() {
    let mut config = client_builder(provider())
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyKey))
        .with_client_cert_resolver(Arc::new(NoKey));
    config.alpn_protocols = vec![b"truecopy/1".to_vec()];
    let heard = against_server(config);
    assert_eq!((heard.peer, heard.last), (None, broken(ChannelError::Refused)));
}

#[test]
fn a_peer_with_certificates_only_is_refused() {
    let config = client_builder(provider())
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyKey))
        .with_no_client_auth();
    let heard = against_server(config);
    assert_eq!((heard.peer, heard.last), (None, broken(ChannelError::Refused)));
}

#[test]
fn another_application_protocol_is_refused_even_with_a_good_key() {
    for protocols in [vec![], vec![b"h2".to_vec()]] {
        let key = KeyPair::from_seed([9; 32].into());
        let certified = raw_key(&key);
        let mut config = client_builder(provider())
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyKey))
            .with_client_cert_resolver(Arc::new(rustls::client::AlwaysResolvesClientRawPublicKeys::new(
                certified,
            )));
        config.alpn_protocols = protocols;
        let heard = against_server(config);
        assert_eq!((heard.peer, heard.last), (None, broken(ChannelError::Refused)));
    }
}

/// Feeds `bytes` to a pump; what it heard, and its greatest memory.
fn feed(channel: Tls, bytes: &[u8]) -> (Option<Last>, usize) {
    let mut pump = Pump::new(channel);
    let (mut left, mut right) =
        pair(0, Shape { window: 1 << 20, ..Shape::SMOOTH }.into(), Direction::smooth());
    let (mut last, mut peak) = (None, 0);
    for part in bytes.chunks(3000) {
        if left.write(part).is_err() {
            break;
        }
        let state = pump.receive(&mut right, usize::MAX, &mut |received| {
            match received {
                Received::Broken(why) => last = Some(Last::Broken(why)),
                other => panic!("garbage became {other:?}"),
            }
            Flow::Continue
        });
        pump.transmit(&mut right, &mut Toy::new(0, 0), usize::MAX);
        peak = peak.max(pump.memory());
        if state == ReadState::Ended {
            break;
        }
    }
    (last, peak)
}

#[test]
fn garbage_instead_of_a_handshake_is_damage_in_bounded_memory() {
    for seed in 0..200 {
        let mut random = Random::new(seed, "garbage");
        let mut garbage: Vec<u8> = (0..1 + random.below(100_000)).map(|_| random.draw() as u8).collect();
        // Some that looks like records.
        if seed % 2 == 0 && garbage.len() > 5 {
            garbage[..5].copy_from_slice(&[0x16, 3, 1, 0x40, 0]);
        }
        let [(_, a), (_, b), _] = keys();
        let channel = if seed % 3 == 0 { a.connect(None) } else { b.accept() }.unwrap();
        let (last, peak) = feed(channel, &garbage);
        let short = garbage.len() < 16_400;
        assert!(short || matches!(last, Some(Last::Broken(_))), "seed {seed}");
        assert!(peak < 100 * 1024, "seed {seed}: {peak} bytes");
    }
}

#[test]
fn a_channel_that_failed_with_a_full_buffer_can_still_be_drained() {
    let mut channel = keys()[1].1.accept().unwrap();
    let len = channel.space().len();
    channel.space().fill(0x55);
    channel.filled(len);
    assert!(channel.next_event(&mut |_| ()).is_err());
    assert!(!channel.space().is_empty());
}

#[test]
fn a_handshake_that_never_ends_is_cut_off_at_its_limit() {
    // One handshake message of just under 64 KiB, in records of one byte each.
    let mut flood = Vec::new();
    for byte in [1, 0, 0xff, 0xf0].into_iter().chain(std::iter::repeat_n(0, 20_000)) {
        flood.extend_from_slice(&[0x16, 3, 1, 0, 1, byte]);
    }
    let (last, peak) = feed(keys()[1].1.accept().unwrap(), &flood);
    assert_eq!(last, broken(ChannelError::Damaged));
    assert!(peak < 400 * 1024, "{peak} bytes");
}

#[test]
fn an_idle_connection_holds_no_big_buffer() {
    let (left, right) = pair(0, Direction::smooth(), Direction::smooth());
    let (a, b) = tls_pair();
    let mut a = End::new(a, left, (1, 1_000_000), 2, Closing::Never);
    let mut b = End::new(b, right, (2, 1_000_000), 1, Closing::Never);
    for _ in 0..100 {
        a.turn();
        b.turn();
    }
    assert_eq!((a.heard.len, b.heard.len), (1_000_000, 1_000_000));
    assert!(a.memory_peak > 256 * 1024);
    assert!(a.pump.memory() < 10 * 1024 && b.pump.memory() < 10 * 1024);
    // A look at the stream that finds nothing leaves nothing behind either.
    a.pump.receive(a.stream.as_mut().unwrap(), usize::MAX, &mut |_| panic!("nothing was sent"));
    assert!(a.pump.memory() < 10 * 1024);
}

/// Keys that may encrypt only a few records, so that they are renewed all the time.
#[test]
fn keys_are_renewed_without_notice() {
    let mut few = provider();
    let suites = few.cipher_suites.iter();
    let suite = suites.filter_map(|suite| suite.tls13()).next().unwrap();
    let common = rustls::crypto::CipherSuiteCommon {
        confidentiality_limit: 5,
        suite: suite.common.suite,
        hash_provider: suite.common.hash_provider,
    };
    let limited: &'static _ = Box::leak(Box::new(rustls::Tls13CipherSuite {
        common,
        hkdf_provider: suite.hkdf_provider,
        aead_alg: suite.aead_alg,
        quic: suite.quic,
    }));
    few.cipher_suites = vec![rustls::SupportedCipherSuite::Tls13(limited)];
    let few = Arc::new(few);
    let config = |byte: u8| {
        let key = KeyPair::from_seed([byte; 32].into());
        TlsConfig::with(&key, few.clone(), Pool::default()).unwrap()
    };
    for seed in 0..40 {
        let channels = (config(1).connect(None).unwrap(), config(2).accept().unwrap());
        let shapes = (Shape::seeded(seed), Shape::seeded(seed + 77));
        crate::legal::exchange(seed, channels, shapes, (300_000, 200_000));
    }
}

#[test]
fn the_node_ids_in_the_clear_channel_are_judged_too() {
    let [a, b, c] = [1, 2, 3].map(|byte| NodeId([byte; 32]));
    let pool = Pool::default();
    let (heard, _) = meet(
        truecopy_sim::clear::Clear::new(a, Some(c), pool.clone()),
        truecopy_sim::clear::Clear::new(b, None, pool),
    );
    assert_eq!(heard.last, broken(ChannelError::WrongKey));
}

/// A server that sends tickets that nobody asked for, in records of a few bytes, so that half a handshake message is
/// pending most of the time. Our side speaks after every single byte that it hears.
#[test]
fn speaking_is_possible_while_half_a_handshake_message_is_pending() {
    let builder = rustls::ServerConfig::builder_with_provider(Arc::new(provider()));
    let mut config = builder
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(Arc::new(AnyKey))
        .with_cert_resolver(Arc::new(rustls::server::AlwaysResolvesServerRawPublicKeys::new(raw_key(
            &KeyPair::from_seed([9; 32].into()),
        ))));
    config.alpn_protocols = vec![b"truecopy/1".to_vec()];
    config.max_fragment_size = Some(40);
    config.send_tls13_tickets = 4;
    let mut server = rustls::ServerConnection::new(Arc::new(config)).unwrap();
    let mut ours = keys()[0].1.connect(None).unwrap();
    let (mut said, mut heard, mut incoming) = (Vec::new(), Vec::new(), Vec::new());
    let mut greeted = false;
    for _ in 0..20_000 {
        let outgoing = ours.outgoing().to_vec();
        if !outgoing.is_empty() {
            ours.taken(outgoing.len());
            server.read_tls(&mut &outgoing[..]).unwrap();
            server.process_new_packets().unwrap();
            let _ = std::io::Read::read_to_end(&mut server.reader(), &mut heard);
        }
        if !server.is_handshaking() && !greeted {
            greeted = true;
            std::io::Write::write_all(&mut server.writer(), b"welcome").unwrap();
        }
        while server.wants_write() {
            server.write_tls(&mut incoming).unwrap();
        }
        if !incoming.is_empty() {
            ours.space()[0] = incoming.remove(0);
            ours.filled(1);
            if incoming.len() % 7 == 0 {
                ours.rest();
            }
        }
        let mut welcome = 0;
        while ours.next_event(&mut |bytes| welcome += bytes.len()).unwrap() != ChannelEvent::Starved {}
        if welcome > 0 || incoming.is_empty() && greeted {
            assert!(welcome == 0 || welcome == 7);
        }
        if ours.room() > 0 && said.len() < 2000 {
            said.push(said.len() as u8);
            ours.seal(&said[said.len() - 1..]);
            ours.flush();
        }
    }
    assert_eq!(said.len(), 2000);
    assert_eq!(heard, said);
}
