//! What is too much, too large, too slow.

use std::time::Duration;

use serde_json::json;
use truecopy_protocol::hex;
use truecopy_server::tracker::limit::Rate;
use truecopy_transport::keys::KeyPair;

use super::support::*;

fn scrape() -> String {
    format!("/scrape?discovery={}", hex(&share(1).0))
}

#[test]
fn a_source_that_asks_too_much_is_told_when_to_come_back_and_others_are_served() {
    let server = Running::start(None, |config| {
        config.rate = Rate { per_second: 1, burst: 3 };
        config.trusted = vec!["127.0.0.0/8".parse().unwrap()];
    });
    let mut client = server.client();
    client.headers = "x-forwarded-for: 2001:db8::1\r\n".to_owned();
    let replies: Vec<_> = (0..20).map(|_| client.get(&scrape())).collect();
    let served = replies.iter().filter(|reply| reply.status == 200).count();
    assert!((3..20).contains(&served), "{served}");
    let refused = replies.iter().find(|reply| reply.status == 429).unwrap();
    assert_eq!((refused.header("retry-after"), refused.error().as_str()), (Some("1"), "too_many_requests"));
    // A neighbour in the same /64 is the same source; one in another network is not.
    client.headers = "x-forwarded-for: 2001:db8::2\r\n".to_owned();
    let statuses: Vec<_> = (0..4).map(|_| client.get(&scrape()).status).collect();
    assert!(statuses.contains(&429));
    client.headers = "x-forwarded-for: 2001:db8:0:1::1\r\n".to_owned();
    assert_eq!(client.get(&scrape()).status, 200);
    // Whoever watches the server is not counted.
    assert!((0..20).all(|_| client.get("/healthz").status == 200));
    server.end();
}

#[test]
fn a_stranger_cannot_escape_its_limit_by_claiming_other_addresses() {
    let server = Running::start(None, |config| config.rate = Rate { per_second: 1, burst: 3 });
    let mut client = server.client();
    let statuses: Vec<_> = (0..20)
        .map(|number| {
            client.headers = format!("x-forwarded-for: 192.0.2.{number}\r\n");
            client.get(&scrape()).status
        })
        .collect();
    assert!(statuses.contains(&429));
    server.end();
}

#[test]
fn a_signature_costs_more_than_a_token() {
    let server = Running::start(None, |config| config.rate = Rate { per_second: 1, burst: 9 });
    let mut client = server.client();
    let keys = KeyPair::generate().unwrap();
    let first = signed(&keys, share(1), 7001, "started", 5);
    let token = client.post("/announce", &first).json()["token"].clone();
    let again = with_token(&first, &token);
    for _ in 0..4 {
        assert_eq!(client.post("/announce", &again).status, 200);
    }
    let statuses: Vec<_> =
        (0..4).map(|_| client.post("/announce", &signed(&keys, share(1), 7001, "none", 5)).status).collect();
    assert!(statuses.contains(&429));
    server.end();
}

#[test]
fn a_body_that_is_too_large_is_refused_before_it_comes() {
    let server = Running::start(None, |_| {});
    let mut client = server.client();
    client.send(b"POST /announce HTTP/1.1\r\nhost: t\r\ncontent-length: 8193\r\n\r\n");
    let reply = client.reply();
    assert_eq!((reply.status, reply.error().as_str()), (413, "too_large"));
    let mut client = server.client();
    client.send(b"POST /announce HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n");
    client.send(&[b"3000\r\n".as_slice(), &[b' '; 0x3000], b"\r\n0\r\n\r\n"].concat());
    assert_eq!(client.reply().status, 413);
    let mut client = server.client();
    let padded = format!("{:8192}", "{}");
    assert_eq!(client.request("POST", "/announce", padded.as_bytes()).status, 400, "8 KiB are taken");
    server.end();
}

#[test]
fn a_request_that_does_not_arrive_in_time_is_given_up() {
    let server = Running::start(None, |config| config.request_timeout = Duration::from_millis(50));
    let mut client = server.client();
    client.send(b"POST /announce HTTP/1.1\r\nhost: t\r\ncontent-length: 100\r\n\r\n{");
    let reply = client.reply();
    assert_eq!((reply.status, reply.error().as_str()), (408, "timeout"));
    let mut client = server.client();
    client.send(b"POST /announce HT");
    assert!(client.is_closed());
    server.end();
}

#[test]
fn a_connection_on_which_nothing_more_is_asked_is_closed() {
    let server = Running::start(None, |config| config.request_timeout = Duration::from_millis(50));
    let mut client = server.client();
    assert_eq!(client.get("/healthz").status, 200);
    assert!(client.is_closed());
    server.end();
}

#[test]
fn further_connections_wait_for_room_and_are_served_then() {
    let server = Running::start(None, |config| config.conns_max = 2);
    let mut first = server.client();
    let mut second = server.client();
    let mut third = server.client();
    third.send(b"GET /healthz HTTP/1.1\r\nhost: t\r\n\r\n");
    assert_eq!(first.get("/healthz").status, 200);
    assert_eq!(second.get("/healthz").status, 200);
    drop(first);
    assert_eq!(third.reply().status, 200);
    server.end();
}

#[test]
fn a_full_tracker_says_so_and_keeps_those_it_knows() {
    let server = Running::start(None, |config| config.tracker.peers_max = 1);
    let mut client = server.client();
    let known = KeyPair::generate().unwrap();
    assert_eq!(client.post("/announce", &signed(&known, share(1), 7001, "started", 5)).status, 200);
    let further = KeyPair::generate().unwrap();
    let reply = client.post("/announce", &signed(&further, share(1), 7002, "started", 5));
    assert_eq!((reply.status, reply.error().as_str()), (503, "full"));
    assert_eq!(reply.header("retry-after"), Some("300"));
    assert_eq!(client.post("/announce", &signed(&known, share(1), 7001, "none", 5)).status, 200);
    server.end();
}

#[test]
fn a_proxy_that_forwards_nonsense_is_told() {
    let server = Running::start(None, |config| config.trusted = vec!["127.0.0.0/8".parse().unwrap()]);
    let mut client = server.client();
    client.headers = "x-forwarded-for: nobody\r\n".to_owned();
    let reply = client.post("/announce", &json!({}));
    assert_eq!((reply.status, reply.error().as_str()), (400, "malformed"));
    server.end();
}

#[test]
fn an_early_announce_is_told_when_to_come_back_and_an_early_start_is_answered() {
    let server = Running::start(None, |config| config.tracker.min_interval = 60);
    let mut client = server.client();
    let keys = KeyPair::generate().unwrap();
    let started = signed(&keys, share(1), 7001, "started", 5);
    let token = client.post("/announce", &started).json()["token"].clone();
    let mut again = with_token(&started, &token);
    assert_eq!(client.post("/announce", &again).status, 200);
    again["event"] = json!("none");
    let reply = client.post("/announce", &again);
    assert_eq!((reply.status, reply.error().as_str()), (429, "too_early"));
    let wait: u32 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait));
    server.end();
}

#[test]
fn a_source_with_too_many_keys_is_told() {
    let server = Running::start(None, |config| config.tracker.share_keys_max = 1);
    let mut client = server.client();
    let mut post = |number| {
        let keys = KeyPair::generate().unwrap();
        client.post("/announce", &signed(&keys, share(number), 7001, "started", 5))
    };
    assert_eq!(post(1).status, 200);
    let reply = post(1);
    assert_eq!((reply.status, reply.error().as_str()), (429, "too_many_keys"));
    assert_eq!(post(2).status, 200, "in another share there is room");
    server.end();
}
