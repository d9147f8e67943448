//! The bootstrap registry, with real dials on loopback.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use truecopy_server::bootstrap::Reachable;
use truecopy_server::store::MemoryStore;

use super::support::*;

/// Asks until the answer is as wanted.
fn until<T>(mut ask: impl FnMut() -> T, wanted: impl Fn(&T) -> bool) -> T {
    let start = Instant::now();
    loop {
        let answer = ask();
        if wanted(&answer) {
            return answer;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "it never came about");
        std::thread::yield_now();
    }
}

fn peers(client: &mut Client) -> Value {
    client.get("/api/get_peers").json()["peers"].clone()
}

#[test]
fn an_address_that_answers_is_handed_out_unproven_also_by_the_next_run() {
    let peer = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = peer.local_addr().unwrap().to_string();
    let store = MemoryStore::default();
    let run =
        || Running::start(Some(Box::new(store.clone())), |config| config.reachable = Reachable::Private);
    let server = run();
    let mut client = server.client();
    let reply = client.post("/api/register", &json!({ "address": address }));
    assert_eq!((reply.status, reply.json()), (202, json!({ "address": address, "status": "accepted" })));
    let expected = json!([{ "address": address, "proven": false }]);
    until(|| peers(&mut client), |peers| *peers == expected);
    server.end();
    let server = run();
    assert_eq!(peers(&mut server.client()), expected);
    server.end();
}

#[test]
fn an_address_at_which_nothing_answers_is_never_handed_out_and_forgotten() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let server = Running::start(None, |config| config.reachable = Reachable::Private);
    let mut client = server.client();
    assert_eq!(client.post("/api/register", &json!({ "address": gone })).status, 202);
    until(|| client.get("/metrics").text(), |text| text.contains("checks_total{result=\"silent\"} 1"));
    assert!(client.get("/metrics").text().contains("truecopy_plain_peers 0\n"));
    assert_eq!(peers(&mut client), json!([]));
    server.end();
}

#[test]
fn a_second_address_of_a_network_is_not_dialled_within_the_minute() {
    let listeners = [0, 0].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    let server = Running::start(None, |config| config.reachable = Reachable::Private);
    let mut client = server.client();
    for listener in &listeners {
        let address = listener.local_addr().unwrap().to_string();
        assert_eq!(client.post("/api/register", &json!({ "address": address })).status, 202);
    }
    let done = "{result=\"answered\"} 1\ntruecopy_plain_checks_total{result=\"silent\"} 0\n\
                truecopy_plain_checks_total{result=\"postponed\"} 1\n";
    until(|| client.get("/metrics").text(), |text| text.contains(done));
    assert_eq!(peers(&mut client).as_array().unwrap().len(), 1);
    server.end();
}

#[test]
fn what_is_not_public_is_refused_and_a_name_that_leads_there_is_not_dialled() {
    let server = Running::start(None, |_| {});
    let mut client = server.client();
    for address in ["127.0.0.1:80", "10.0.0.1:80", "169.254.169.254:80", "[::1]:80", "[fe80::1]:80"] {
        let reply = client.post("/api/register", &json!({ "address": address }));
        assert_eq!((reply.status, reply.error().as_str()), (403, "forbidden_address"), "{address}");
    }
    let peer = TcpListener::bind("127.0.0.1:0").unwrap();
    let name = format!("localhost:{}", peer.local_addr().unwrap().port());
    assert_eq!(client.post("/api/register", &json!({ "address": name })).status, 202);
    until(|| client.get("/metrics").text(), |text| text.contains("checks_total{result=\"silent\"} 1"));
    peer.set_nonblocking(true).unwrap();
    assert!(peer.accept().is_err(), "nobody dialled");
    server.end();
}

#[test]
fn what_is_no_address_is_refused_with_a_reason() {
    let server = Running::start(None, |_| {});
    let mut client = server.client();
    for body in
        [json!({}), json!({ "address": "host" }), json!({ "address": "host:0" }), json!({ "address": 7 })]
    {
        let reply = client.post("/api/register", &body);
        assert_eq!((reply.status, reply.error().as_str()), (400, "malformed"), "{body}");
    }
    server.end();
}
