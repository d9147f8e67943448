//! Starts, restarts, ends; the program itself.

use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use truecopy_protocol::{NodeId, hex};
use truecopy_server::http::{Config, Server, StartError};
use truecopy_server::record::{Change, Edit, Key, Value as Record};
use truecopy_server::store::{DiskStore, MemoryStore, Store};
use truecopy_server::tracker::{Contact, Peer};
use truecopy_transport::keys::KeyPair;

use super::support::*;

#[test]
fn peers_and_tokens_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let run = || Running::start(Some(Box::new(DiskStore::open(&path).unwrap())), |_| {});
    let (one, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let first = signed(&one, share(1), 7001, "started", 5);
    let server = run();
    let token = server.client().post("/announce", &first).json()["token"].clone();
    server.end();
    let server = run();
    let mut client = server.client();
    let reply = client.post("/announce", &signed(&other, share(1), 7002, "started", 5)).json();
    assert_eq!(reply["peers"][0]["node"], json!(hex(&one.node_id().0)));
    assert_eq!(client.post("/announce", &with_token(&first, &token)).status, 200);
    server.end();
}

#[test]
fn what_expired_while_no_server_ran_leaves_the_store() {
    let mut store = MemoryStore::default();
    let v4 = Some(Contact { ip: [192, 0, 2, 1].into(), port: 7000.try_into().unwrap(), seen: 5 });
    let key = Key::Peer(share(1), NodeId([1; 32]));
    let old = Change { key, edit: Edit::Put(Record::Peer(Peer { left: 0, v4, v6: None })) };
    store.apply(&[old]).unwrap();
    Running::start(Some(Box::new(store.clone())), |_| {}).end();
    let mut left = Vec::new();
    store.load(&mut |key, _| left.push(key)).unwrap();
    assert_eq!(left, [Key::Secret]);
}

#[test]
fn a_request_on_its_way_is_answered_although_the_server_ends() {
    let mut server = Running::start(None, |_| {});
    let body = signed(&KeyPair::generate().unwrap(), share(1), 7001, "started", 5).to_string();
    let (start, rest) = body.as_bytes().split_at(10);
    let mut idle = server.client();
    let mut client = server.client();
    assert_eq!(idle.get("/healthz").status, 200);
    assert_eq!(client.get("/healthz").status, 200);
    let head = format!(
        "POST /announce HTTP/1.1\r\nhost: t\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\r\n",
        body.len()
    );
    client.send(head.as_bytes());
    let mut line = String::new();
    // The server says that it waits for the body: it is inside of the request.
    client.read_line(&mut line);
    assert_eq!(line, "HTTP/1.1 100 Continue\r\n");
    client.read_line(&mut line);
    client.send(start);
    server.tell_to_end();
    assert!(idle.is_closed());
    client.send(rest);
    assert_eq!(client.reply().status, 200);
    assert!(client.is_closed());
    server.end();
}

#[test]
fn an_address_that_is_taken_is_named() {
    let server = Running::start(None, |_| {});
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = Config { listen: vec![server.address], ..Config::default() };
    let error = runtime.block_on(async { Server::bind(config, None) }).unwrap_err();
    assert!(matches!(error, StartError::Listen { address, .. } if address == server.address));
    server.end();
}

#[test]
fn one_port_takes_both_families_in_one_socket() {
    let server = Running::start(None, |config| config.listen = vec!["[::]:0".parse().unwrap()]);
    for ip in [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
        let address = (ip, server.address.port()).into();
        assert_eq!(Client::connect(address).get("/healthz").status, 200);
    }
    server.end();
}

#[test]
fn one_port_takes_both_families_in_two_sockets() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let both_on_a_free_port = || {
        let port = TcpListener::bind("[::]:0").unwrap().local_addr().unwrap().port();
        let listen = vec![(Ipv4Addr::UNSPECIFIED, port).into(), (Ipv6Addr::UNSPECIFIED, port).into()];
        let config = Config { listen, ..Config::default() };
        runtime.block_on(async { Server::bind(config, None) }).is_ok()
    };
    // Another test may be quicker to take a port that was free.
    assert!((0..10).any(|_| both_on_a_free_port()));
}

#[test]
fn metrics_say_what_was_answered_and_what_is_kept() {
    let server = Running::start(None, |_| {});
    let mut client = server.client();
    client.post("/announce", &signed(&KeyPair::generate().unwrap(), share(1), 7001, "started", 5));
    client.get("/nowhere");
    let reply = client.get("/metrics");
    assert!(reply.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    let text = reply.text();
    for line in [
        "truecopy_requests_total{path=\"/announce\",status=\"200\"} 1",
        "truecopy_requests_total{path=\"other\",status=\"404\"} 1",
        "truecopy_announces_total{proof=\"signature\"} 1",
        "truecopy_peers 1",
        "truecopy_shares 1",
        "truecopy_request_seconds_bucket{path=\"/announce\",le=\"+Inf\"} 1",
        "truecopy_request_seconds_count{path=\"/announce\"} 1",
    ] {
        assert!(text.lines().any(|known| known == line), "{line} is not in\n{text}");
    }
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let value = line.rsplit_once(' ').unwrap().1;
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
    server.end();
}

#[test]
fn the_program_serves_logs_and_ends_on_a_signal() {
    for signal in ["-INT", "-TERM"] {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_truecopy-server"))
            .args(["--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--log-format", "json"])
            .args(["--origin", ORIGIN, "--trusted-proxy", "10.0.0.0/8", "fd00::/8", "--store"])
            .arg(folder.path().join("store"))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map(|line| line.unwrap());
        let lines: Vec<Value> = (&mut log).take(2).map(|line| serde_json::from_str(&line).unwrap()).collect();
        for line in &lines {
            assert_eq!(line["fields"]["message"], "listening");
            let address = line["fields"]["address"].as_str().unwrap().parse().unwrap();
            assert_eq!(Client::connect(address).get("/healthz").json(), json!({ "status": "ok" }));
        }
        let killed = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        assert!(child.wait().unwrap().success(), "{signal}");
        assert!(log.last().unwrap().contains("\"ended\""));
    }
}

#[test]
fn the_program_says_what_is_wrong_with_its_arguments() {
    for arguments in [
        ["--origin", "tracker.example"],
        ["--origin", "https://tracker.example/path"],
        ["--trusted-proxy", "10.0.0.0/33"],
        ["--listen", "nowhere"],
        ["--store", "rediss://127.0.0.1"],
        ["--store", "memcached://127.0.0.1"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_truecopy-server")).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(arguments[1]));
    }
}
