//! Connections that do not come about, or are lost: what the user is told.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use truecopy_protocol::Candidate;
use truecopy_protocol::input::LinkLoss;
use truecopy_protocol::job::StorageError;
use truecopy_protocol::output::{Event, Failure, Waiting};

use super::content::Content;
use super::host::{Host, Landing, Memory, config};

fn first_loss(host: &Host) -> LinkLoss {
    host.until(|event| match event {
        Event::Waiting { why: Waiting::Backoff { why, .. }, .. } => Some(*why),
        _ => None,
    })
}

#[test]
fn a_port_where_nobody_listens_is_refused() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let host = Host::start(config());
    host.seek(&Content::new(&[1]), None, Candidate::Tcp(address));
    assert_eq!(first_loss(&host), LinkLoss::Refused);
}

#[test]
fn an_unknown_name_is_unreachable() {
    let host = Host::start(config());
    host.seek(&Content::new(&[1]), None, "no-such-host.invalid:1".parse().unwrap());
    assert_eq!(first_loss(&host), LinkLoss::Unreachable);
}

#[test]
fn an_address_without_a_route_is_told() {
    let host = Host::start(config());
    // Broadcast: TCP cannot go there.
    host.seek(&Content::new(&[1]), None, Candidate::Tcp(SocketAddr::from(([255, 255, 255, 255], 9))));
    assert_eq!(first_loss(&host), LinkLoss::Unreachable);
}

#[test]
fn a_peer_with_another_key_is_found_out() {
    let content = Content::new(&[100_000]);
    let (sender, other) = (Host::start(config()), Host::start(config()));
    sender.serve(&content);
    let receiver = Host::start(config());
    receiver.seek(&content, Some(other.id), Candidate::Tcp(sender.address()));
    assert_eq!(first_loss(&receiver), LinkLoss::WrongKey);
}

#[test]
fn any_key_will_do_where_none_is_asked_for() {
    let content = Content::new(&[100_000]);
    let sender = Host::start(config());
    sender.serve(&content);
    let receiver = Host::start(config());
    receiver.seek(&content, None, Candidate::Tcp(sender.address()));
    receiver.accept(&Arc::new(Memory::default()));
    receiver.completed();
}

#[test]
fn a_server_of_something_else_is_told_apart() {
    let web = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = web.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = web.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let host = Host::start(config());
    host.seek(&Content::new(&[1]), None, Candidate::Tcp(address));
    assert_eq!(first_loss(&host), LinkLoss::Damaged);
    server.join().unwrap();
}

#[test]
fn a_panic_in_storage_is_an_error_and_no_hang() {
    let content = Content::new(&[100_000]);
    let sender = Host::start(config());
    sender.serve(&content);
    let receiver = Host::start(config());
    receiver.seek(&content, Some(sender.id), Candidate::Tcp(sender.address()));
    receiver.accept(&Arc::new(Memory { landing: Landing::Panics, ..Memory::default() }));
    let why = receiver.until(|event| match event {
        Event::Failed { why, .. } => Some(*why),
        _ => None,
    });
    assert_eq!(why, Failure::Storage(StorageError::Io));
}
