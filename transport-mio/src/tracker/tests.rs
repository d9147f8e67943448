//! Against the real server, and against what is none.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;
use std::time::Duration;

use truecopy_protocol::job::AnnounceEvent;
use truecopy_protocol::{DiscoveryKey, NodeId, TrackerUrl, UnixTime};

use super::client::Ports;
use super::*;
use server::Tracker;

#[path = "../../tests/common/tracker.rs"]
mod server;

const SHARE: DiscoveryKey = DiscoveryKey([7; 32]);

/// What answers one connection with these bytes, whatever it is asked; returns what it was asked.
fn answering(bytes: Vec<u8>) -> (TrackerUrl, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let thread = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = Vec::new();
        // A request ends with the only closing brace of its body.
        while !asked.ends_with(b"}") {
            let mut some = [0; 1024];
            let len = stream.read(&mut some).unwrap();
            assert!(len > 0);
            asked.extend_from_slice(&some[..len]);
        }
        // Whoever has read enough hangs up.
        let _ = stream.write_all(&bytes);
        String::from_utf8(asked).unwrap()
    });
    (url, thread)
}

fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn client(port: u16) -> Client {
    let client = Client::new(KeyPair::generate().unwrap());
    client.ports.listening(&[SocketAddr::from(([0, 0, 0, 0], port))]);
    client
}

fn started(tracker: &TrackerUrl) -> Word<'_> {
    Word { tracker, discovery: SHARE, left: 5, event: AnnounceEvent::Started }
}

#[test]
fn nodes_that_announce_themselves_hear_of_each_other_and_not_of_those_that_left() {
    let tracker = Tracker::start();
    let (first, second) = (client(7001), client(7002));
    let reply = first.announce(&started(&tracker.url)).unwrap();
    assert_eq!((reply.peers.len(), reply.leechers), (0, 1));
    assert_eq!(reply.interval, Duration::from_secs(1800));
    assert_eq!(reply.min_interval, Duration::from_secs(60));
    assert!(reply.from.is_loopback());

    let reply = second.announce(&started(&tracker.url)).unwrap();
    assert_eq!(reply.peers.len(), 1);
    assert_eq!(reply.peers[0].node, first.node());
    assert_eq!(reply.peers[0].address, "127.0.0.1:7001".parse().unwrap());

    let word = Word { left: 0, event: AnnounceEvent::Completed, ..started(&tracker.url) };
    let reply = second.announce(&word).unwrap();
    assert_eq!((reply.seeders, reply.leechers), (1, 1));
    let reply = second.announce(&Word { event: AnnounceEvent::Stopped, ..word }).unwrap();
    assert_eq!((reply.seeders, reply.leechers), (0, 1));
    // One that only says that it is still there would be too early.
    let early = first.announce(&Word { event: AnnounceEvent::None, ..started(&tracker.url) });
    assert!(
        matches!(early, Err(AnnounceError::Busy { pause }) if pause <= Duration::from_secs(60)),
        "{early:?}"
    );
    let reply = first.announce(&started(&tracker.url)).unwrap();
    assert_eq!(reply.peers, []);
}

#[test]
fn a_token_stands_in_for_the_signature_until_the_tracker_no_longer_knows_it() {
    let mut tracker = Tracker::start();
    let mut client = client(7001);
    client.announce(&started(&tracker.url)).unwrap();
    // With this clock a signature would be refused.
    client.clock = || UnixTime(1_000_000);
    let url = tracker.url.clone();
    let word = started(&url);
    client.announce(&word).unwrap();
    client.announce(&word).unwrap();

    // One that starts anew has other tokens.
    tracker.end();
    let _again = Tracker::at(vec![tracker.address], None);
    assert_eq!(client.announce(&word).unwrap_err(), AnnounceError::WrongTime);
    // Its statements must be from after its start, to the second.
    client.clock = || UnixTime(crate::clock::civil().0 + 1);
    client.announce(&word).unwrap();
}

#[test]
fn a_tracker_that_is_called_by_another_name_refuses() {
    let tracker =
        Tracker::at(vec!["127.0.0.1:0".parse().unwrap()], Some("https://tracker.example".to_owned()));
    let url: TrackerUrl = format!("http://{}", tracker.address).parse().unwrap();
    assert_eq!(client(7001).announce(&started(&url)).unwrap_err(), AnnounceError::Refused);
}

#[test]
fn a_tracker_with_both_families_hears_over_both() {
    let Ok(six) = TcpListener::bind("[::1]:0") else { return println!("skipped: there is no IPv6 here") };
    let port = six.local_addr().unwrap().port();
    drop(six);
    let both = std::net::ToSocketAddrs::to_socket_addrs(&("localhost", port)).unwrap();
    if both.map(|address| address.is_ipv6()).collect::<std::collections::BTreeSet<_>>().len() < 2 {
        return println!("skipped: localhost has one address here");
    }
    let listen = vec![SocketAddr::from(([127, 0, 0, 1], port)), format!("[::1]:{port}").parse().unwrap()];
    let tracker = Tracker::at(listen, Some(format!("http://localhost:{port}")));
    let (first, second) = (client(7001), client(7002));
    first.ports.listening(&["[::]:7003".parse().unwrap()]);
    first.announce(&started(&tracker.url)).unwrap();
    let reply = second.announce(&started(&tracker.url)).unwrap();
    let mut addresses: Vec<String> = reply.peers.iter().map(|peer| peer.address.to_string()).collect();
    addresses.sort();
    assert_eq!(addresses, ["127.0.0.1:7001", "[::1]:7003"]);
}

#[test]
fn nobody_is_led_elsewhere() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let to = format!("Location: http://{}/announce\r\n", elsewhere.local_addr().unwrap());
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let (url, asked) = answering(answer(status, &to, ""));
        assert_eq!(client(7001).announce(&started(&url)).unwrap_err(), AnnounceError::BadReply, "{status}");
        asked.join().unwrap();
    }
    assert!(elsewhere.accept().is_err(), "nobody came");
}

#[test]
fn a_request_names_the_tracker_and_holds_what_it_must() {
    let (url, asked) = answering(answer("200 OK", "", "{}"));
    assert_eq!(client(7001).announce(&started(&url)).unwrap_err(), AnnounceError::BadReply);
    let asked = asked.join().unwrap();
    let host = url.as_str().strip_prefix("http://").unwrap();
    assert!(asked.starts_with("POST /announce HTTP/1.1\r\n"), "{asked}");
    assert!(asked.to_ascii_lowercase().contains(&format!("host: {host}\r\n")), "{asked}");
    assert!(asked.to_ascii_lowercase().contains("content-type: application/json\r\n"), "{asked}");
    let body: serde_json::Value = serde_json::from_str(&asked[asked.find('{').unwrap()..]).unwrap();
    assert_eq!(body["port"], 7001);
    assert_eq!(body["event"], "started");
    assert_eq!(body["discovery"], SHARE.to_hex());
    assert!(body.get("token").is_none() && body["signature"].as_str().unwrap().len() == 128);
}

#[test]
fn answers_that_are_none_are_told_apart() {
    let good =
        r#"{"interval":60,"min_interval":60,"seeders":0,"leechers":1,"completed":0,"token":"ab","peers":[]}"#;
    let huge = good.replace("\"ab\"", &format!("\"{}\"", "ab".repeat(1 << 17)));
    let busy = |seconds| AnnounceError::Busy { pause: Duration::from_secs(seconds) };
    let cases: Vec<(Vec<u8>, AnnounceError)> = vec![
        (answer("200 OK", "", &good.replace("\"ab\"", "\"not hexadecimal\"")), AnnounceError::BadReply),
        (
            answer("200 OK", "", &good.replace("[]", r#"[{"node":"ab","address":"1.1.1.1:1"}]"#)),
            AnnounceError::BadReply,
        ),
        (answer("200 OK", "", "<html>"), AnnounceError::BadReply),
        (answer("200 OK", "", &huge), AnnounceError::BadReply),
        (answer("404 Not Found", "", ""), AnnounceError::BadReply),
        (b"SSH-2.0-OpenSSH_9.6\r\n".to_vec(), AnnounceError::BadReply),
        (answer("400 Bad Request", "", "{}"), AnnounceError::Refused),
        (answer("401 Unauthorized", "", "{}"), AnnounceError::Refused),
        (answer("403 Forbidden", "", r#"{"error":"wrong_time","message":""}"#), AnnounceError::WrongTime),
        (answer("429 Too Many Requests", "Retry-After: 17\r\n", "{}"), busy(17)),
        (answer("503 Service Unavailable", "", "{}"), busy(60)),
        (answer("502 Bad Gateway", "", ""), AnnounceError::Unreachable),
        (Vec::new(), AnnounceError::Unreachable),
    ];
    for (bytes, why) in cases {
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(120)]).into_owned();
        let (url, asked) = answering(bytes);
        assert_eq!(client(7001).announce(&started(&url)).unwrap_err(), why, "{text}");
        asked.join().unwrap();
    }
    let (url, asked) = answering(answer("200 OK", "", good));
    assert!(client(7001).announce(&started(&url)).is_ok());
    asked.join().unwrap();
}

#[test]
fn a_tracker_that_is_gone_and_a_node_that_listens_nowhere_are_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url: TrackerUrl = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    assert_eq!(client(7001).announce(&started(&url)).unwrap_err(), AnnounceError::Unreachable);
    let unknown = TrackerUrl::new("http://no-such-name.invalid").unwrap();
    assert_eq!(client(7001).announce(&started(&unknown)).unwrap_err(), AnnounceError::Unreachable);
    let nowhere = Client::new(KeyPair::generate().unwrap());
    assert_eq!(nowhere.announce(&started(&url)).unwrap_err(), AnnounceError::Local);
}

#[test]
fn the_port_of_the_peers_own_family_is_told_if_there_is_one() {
    let ports = Ports::default();
    let (four, six) = ("192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap());
    assert_eq!((ports.of(four), ports.of(six)), (None, None));
    ports.listening(&["[::]:6".parse().unwrap()]);
    assert_eq!((ports.of(four), ports.of(six)), (Some(6), Some(6)));
    ports.listening(&["0.0.0.0:4".parse().unwrap(), "0.0.0.0:5".parse().unwrap()]);
    assert_eq!((ports.of(four), ports.of(six)), (Some(4), Some(6)));
}

#[test]
fn only_so_many_tokens_are_kept() {
    let tokens = tokens::Tokens::default();
    let (url, at) = (TrackerUrl::new("http://a.example").unwrap(), "192.0.2.1".parse().unwrap());
    let share = |number: u16| {
        let mut key = [0; 32];
        key[..2].copy_from_slice(&number.to_be_bytes());
        DiscoveryKey(key)
    };
    for number in 0..1100 {
        tokens.keep(&url, share(number), at, number.to_string());
    }
    assert_eq!(tokens.take(&url, share(10), at), None);
    assert_eq!(tokens.take(&url, share(1099), at).as_deref(), Some("1099"));
    assert_eq!(tokens.take(&url, share(1099), at), None, "it was taken out");
    assert_eq!(tokens.take(&url, share(1098), "2001:db8::1".parse().unwrap()), None, "another family");
}

impl Client {
    fn node(&self) -> NodeId {
        self.key.node_id()
    }
}
