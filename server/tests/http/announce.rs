//! Announces and scrapes.

use serde_json::json;
use truecopy_protocol::hex;
use truecopy_transport::keys::KeyPair;

use super::support::*;

fn keys() -> KeyPair {
    KeyPair::generate().unwrap()
}

#[test]
fn two_peers_learn_of_each_other_at_the_addresses_that_were_observed() {
    let server = Running::start(None, |config| config.trusted = vec!["127.0.0.0/8".parse().unwrap()]);
    let (one, other) = (keys(), keys());
    let mut client = server.client();
    client.headers = "x-forwarded-for: 192.0.2.1\r\n".to_owned();
    let reply = client.post("/announce", &signed(&one, share(1), 7001, "started", 0));
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json()["peers"], json!([]));
    client.headers = "x-forwarded-for: 2001:db8::1\r\n".to_owned();
    let reply = client.post("/announce", &signed(&other, share(1), 7002, "started", 5)).json();
    let told = json!([{ "node": hex(&one.node_id().0), "address": "192.0.2.1:7001" }]);
    assert_eq!(reply["peers"], told);
    assert_eq!((&reply["seeders"], &reply["leechers"]), (&json!(1), &json!(1)));
    client.headers = "x-forwarded-for: 192.0.2.1\r\n".to_owned();
    let reply = client.post("/announce", &signed(&one, share(1), 7001, "none", 0)).json();
    let told = json!([{ "node": hex(&other.node_id().0), "address": "[2001:db8::1]:7002" }]);
    assert_eq!(reply["peers"], told);
    server.end();
}

#[test]
fn a_token_stands_in_for_signatures_from_the_same_address_alone() {
    let server = Running::start(None, |config| config.trusted = vec!["127.0.0.0/8".parse().unwrap()]);
    let first = signed(&keys(), share(1), 7001, "started", 5);
    let mut client = server.client();
    client.headers = "x-forwarded-for: 192.0.2.1\r\n".to_owned();
    let token = client.post("/announce", &first).json()["token"].clone();
    let again = with_token(&first, &token);
    let reply = client.post("/announce", &again);
    assert_eq!((reply.status, &reply.json()["token"]), (200, &token));
    client.headers = "x-forwarded-for: 192.0.2.2\r\n".to_owned();
    let reply = client.post("/announce", &again);
    assert_eq!((reply.status, reply.error().as_str()), (401, "bad_token"));
    server.end();
}

#[test]
fn a_replayed_announce_is_refused_wherever_it_comes_from() {
    let server = Running::start(None, |config| config.trusted = vec!["127.0.0.0/8".parse().unwrap()]);
    let first = signed(&keys(), share(1), 7001, "started", 5);
    let mut client = server.client();
    assert_eq!(client.post("/announce", &first).status, 200);
    client.headers = "x-forwarded-for: 203.0.113.66\r\n".to_owned();
    let reply = client.post("/announce", &first);
    assert_eq!((reply.status, reply.error().as_str()), (409, "replayed"));
    server.end();
}

#[test]
fn a_forged_or_old_announce_changes_nothing() {
    let server = Running::start(None, |_| {});
    let mut client = server.client();
    let mut forged = signed(&keys(), share(1), 7001, "started", 5);
    forged["port"] = json!(7002);
    let reply = client.post("/announce", &forged);
    assert_eq!((reply.status, reply.error().as_str()), (403, "forged"));
    let old = signed_at(&keys(), share(1), 7001, "started", 5, now() - 400);
    let reply = client.post("/announce", &old);
    assert_eq!((reply.status, reply.error().as_str()), (403, "wrong_time"));
    let counts = client.get(&format!("/scrape?discovery={}", hex(&share(1).0))).json();
    assert_eq!(counts, json!({ "seeders": 0, "leechers": 0, "completed": 0 }));
    server.end();
}

#[test]
fn a_scrape_counts_who_came_who_completed_and_who_left() {
    let server = Running::start(None, |_| {});
    let (one, other) = (keys(), keys());
    let mut client = server.client();
    let scrape = || server.client().get(&format!("/scrape?discovery={}", hex(&share(1).0))).json();
    client.post("/announce", &signed(&one, share(1), 7001, "started", 0));
    client.post("/announce", &signed(&other, share(1), 7002, "started", 9));
    assert_eq!(scrape(), json!({ "seeders": 1, "leechers": 1, "completed": 0 }));
    client.post("/announce", &signed(&other, share(1), 7002, "completed", 0));
    assert_eq!(scrape(), json!({ "seeders": 2, "leechers": 0, "completed": 1 }));
    client.post("/announce", &signed(&one, share(1), 7001, "stopped", 0));
    assert_eq!(scrape(), json!({ "seeders": 1, "leechers": 0, "completed": 1 }));
    server.end();
}

#[test]
fn what_is_no_announce_is_refused_with_a_reason() {
    let server = Running::start(None, |_| {});
    let good = signed(&keys(), share(1), 7001, "started", 5);
    let mut bad = vec![json!({}), json!([]), json!("announce")];
    let mut with = |field: &str, value| {
        let mut changed = good.clone();
        changed[field] = value;
        bad.push(changed);
    };
    with("discovery", json!("00"));
    with("node", json!("zz".repeat(32)));
    with("port", json!(0));
    with("port", json!(65536));
    with("left", json!(-1));
    with("event", json!("paused"));
    with("event", json!("completed"));
    with("signature", json!(null));
    with("token", json!("00".repeat(40)));
    with("nonce", json!("é".repeat(32)));
    let mut client = server.client();
    for body in bad {
        let reply = client.post("/announce", &body);
        assert_eq!((reply.status, reply.error().as_str()), (400, "malformed"), "{body}");
    }
    assert_eq!(client.post("/announce", &good).status, 200, "the connection is still good");
    server.end();
}
