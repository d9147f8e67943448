use std::sync::mpsc;
use std::time::Duration;

use super::*;

fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn families_take_turns_and_nothing_comes_twice() {
    let found = addresses(&["[::1]:1", "[::2]:1", "[::1]:1", "1.1.1.1:1", "2.2.2.2:1", "3.3.3.3:1"]);
    let wanted = addresses(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "3.3.3.3:1"]);
    assert_eq!(interleave(found), wanted);
    assert_eq!(interleave(Vec::new()), Vec::new());
}

#[test]
fn a_name_with_many_addresses_is_cut_short() {
    let found: Vec<_> = (0..100).map(|i| SocketAddr::from(([10, 0, 0, i], 1))).collect();
    assert_eq!(interleave(found).len(), ADDRESSES_MAX);
}

#[test]
fn more_lookups_than_threads_are_answered_all() {
    let (sender, receiver) = mpsc::channel();
    let sender = std::sync::Mutex::new(sender);
    let mut resolver =
        Resolver::new(Arc::new(move |resolved| sender.lock().unwrap().send(resolved).unwrap()));
    for conn in 0..20 {
        resolver.ask(ConnId(conn), "127.0.0.1".to_owned(), 7).unwrap();
    }
    let mut left = (0..20).collect::<Vec<u64>>();
    while !left.is_empty() {
        let resolved = receiver.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!(resolved.addresses, addresses(&["127.0.0.1:7"]));
        left.retain(|conn| *conn != resolved.conn.0);
        assert!(resolver.answered().is_none());
    }
}

#[test]
fn endless_lookups_are_refused_at_last() {
    let mut resolver = Resolver::new(Arc::new(|_| {}));
    let refused = (0..200).filter(|n| resolver.ask(ConnId(*n), "127.0.0.1".to_owned(), 7).is_err()).count();
    assert_eq!(refused, 200 - THREADS_MAX - WAITING_MAX);
}
