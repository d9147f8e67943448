//! Second addresses: dialled, and kept if the node proves its key there.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use truecopy_server::bootstrap::Reachable;
use truecopy_server::http::Config;
use truecopy_transport::channel::tls::TlsConfig;
use truecopy_transport::channel::{Channel, ChannelEvent};
use truecopy_transport::keys::KeyPair;

use super::support::*;

const PATIENCE: Duration = Duration::from_secs(20);

/// A peer of this key at `[::1]`, which takes one connection; says whether the other side proved a key.
fn listen(keys: &KeyPair) -> (String, JoinHandle<bool>) {
    let listener = TcpListener::bind("[::1]:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut channel = TlsConfig::new(keys).unwrap().accept().unwrap();
    let thread = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut proven = false;
        loop {
            let event = channel.next_event(&mut |_| {});
            let outgoing = channel.outgoing().to_vec();
            if stream.write_all(&outgoing).is_err() {
                return proven;
            }
            channel.taken(outgoing.len());
            match event {
                Ok(ChannelEvent::Proven { .. }) => proven = true,
                Ok(ChannelEvent::Plaintext) => {}
                Ok(ChannelEvent::Closed) | Err(_) => return proven,
                Ok(ChannelEvent::Starved) => match stream.read(channel.space()) {
                    Ok(0) => channel.ended(),
                    Ok(len) => channel.filled(len),
                    Err(error) if error.kind() == ErrorKind::ConnectionReset => return proven,
                    Err(error) => panic!("{error}"),
                },
            }
        }
    });
    (address, thread)
}

fn adjust(config: &mut Config) {
    config.reachable = Reachable::Private;
}

/// Waits until the metrics have this line.
fn await_line(server: &Running, line: &str) {
    let (start, mut client) = (Instant::now(), server.client());
    while !client.get("/metrics").text().lines().any(|known| known == line) {
        assert!(start.elapsed() < PATIENCE, "{line} does not come");
    }
}

fn told(server: &Running) -> Vec<Value> {
    let asker = signed(&KeyPair::generate().unwrap(), share(1), 7002, "started", 5);
    let peers = server.client().post("/announce", &asker).json()["peers"].clone();
    peers.as_array().unwrap().iter().map(|peer| peer["address"].clone()).collect()
}

#[test]
fn a_second_address_is_told_after_the_node_proved_its_key_there() {
    let server = Running::start(None, adjust);
    let keys = KeyPair::generate().unwrap();
    let (address, peer) = listen(&keys);
    let mut body = signed(&keys, share(1), 7001, "started", 5);
    body["second"] = json!(address);
    assert_eq!(server.client().post("/announce", &body).status, 200);
    await_line(&server, "truecopy_connect_backs_total{result=\"answered\"} 1");
    assert!(peer.join().unwrap(), "the tracker proves a key too, as every peer");
    let mut found = told(&server);
    found.sort_by_key(Value::to_string);
    assert_eq!(found, [json!("127.0.0.1:7001"), json!(address)]);
    server.end();
}

#[test]
fn an_address_at_which_somebody_else_answers_is_not_told() {
    let server = Running::start(None, adjust);
    let (address, peer) = listen(&KeyPair::generate().unwrap());
    let mut body = signed(&KeyPair::generate().unwrap(), share(1), 7001, "started", 5);
    body["second"] = json!(address);
    assert_eq!(server.client().post("/announce", &body).status, 200);
    await_line(&server, "truecopy_connect_backs_total{result=\"silent\"} 1");
    assert!(!peer.join().unwrap(), "the tracker shows nothing to a stranger");
    assert_eq!(told(&server), [json!("127.0.0.1:7001")]);
    server.end();
}

#[test]
fn addresses_that_are_not_public_are_not_dialled_unless_that_is_wanted() {
    let server = Running::start(None, |_| {});
    let mut client = server.client();
    for second in ["[::1]:7001", "[fe80::1]:7001", "192.0.2.1:7001"] {
        let mut body = signed(&KeyPair::generate().unwrap(), share(1), 7001, "started", 5);
        body["second"] = json!(second);
        assert_eq!(client.post("/announce", &body).status, 200);
    }
    for line in ["truecopy_second_addresses_waiting 0", "truecopy_connect_backs_total{result=\"silent\"} 0"] {
        assert!(client.get("/metrics").text().lines().any(|known| known == line));
    }
    for second in [json!("nowhere"), json!("[2001:db8::1]:0"), json!(7)] {
        let mut body = signed(&KeyPair::generate().unwrap(), share(1), 7001, "started", 5);
        body["second"] = second;
        assert_eq!(client.post("/announce", &body).status, 400);
    }
    server.end();
}
