//! Two servers behind one name, with one store.

use std::time::{Duration, Instant};

use serde_json::json;
use truecopy_protocol::hex;
use truecopy_server::record::{Change, Key, Value};
use truecopy_server::store::{Claim, MemoryStore, Shared, Store, StoreError};
use truecopy_server::tracker::Mark;
use truecopy_transport::keys::KeyPair;

use super::support::*;

const PATIENCE: Duration = Duration::from_secs(20);

fn replica(store: &MemoryStore, number: u16) -> Running {
    Running::start(Some(Box::new(store.clone())), |config| config.tracker.replica.0 = number)
}

#[test]
fn a_peer_that_one_replica_took_is_told_by_the_other() {
    let store = MemoryStore::default();
    let (one, other) = (replica(&store, 0), replica(&store, 1));
    let (first, second) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    one.client().post("/announce", &signed(&first, share(1), 7001, "started", 5));
    let start = Instant::now();
    let mut client = other.client();
    let told = loop {
        let reply = client.post("/announce", &signed(&second, share(1), 7002, "started", 5)).json();
        if reply["peers"] != json!([]) {
            break reply["peers"].clone();
        }
        assert!(start.elapsed() < PATIENCE, "the other does not hear of it");
    };
    assert_eq!(told, json!([{ "node": hex(&first.node_id().0), "address": "127.0.0.1:7001" }]));
    one.end();
    other.end();
}

#[test]
fn a_token_of_one_replica_holds_for_the_other_and_a_statement_counts_once_among_all() {
    let store = MemoryStore::default();
    let (one, other) = (replica(&store, 0), replica(&store, 1));
    let first = signed(&KeyPair::generate().unwrap(), share(1), 7001, "started", 5);
    let token = one.client().post("/announce", &first).json()["token"].clone();
    let mut client = other.client();
    let reply = client.post("/announce", &first);
    assert_eq!((reply.status, reply.error().as_str()), (409, "replayed"));
    assert_eq!(client.post("/announce", &with_token(&first, &token)).status, 200);
    one.end();
    other.end();
}

/// A store whose other users cannot be asked.
struct Cut(MemoryStore);

impl Store for Cut {
    fn load(&mut self, each: &mut dyn FnMut(Key, Value)) -> Result<(), StoreError> {
        self.0.load(each)
    }

    fn apply(&mut self, batch: &[Change]) -> Result<(), StoreError> {
        self.0.apply(batch)
    }

    fn agree(&mut self, proposed: [u8; 32]) -> Result<[u8; 32], StoreError> {
        self.0.agree(proposed)
    }

    fn shared(&mut self) -> Result<Option<Box<dyn Shared>>, StoreError> {
        Ok(Some(Box::new(Self(self.0.clone()))))
    }
}

impl Shared for Cut {
    fn news(
        &mut self,
        _: Duration,
        _: &mut dyn FnMut(Change),
    ) -> Result<truecopy_server::store::News, StoreError> {
        Err(StoreError::Damaged)
    }

    fn claim(&mut self, _: &[(Mark, Duration)]) -> Result<Vec<Claim>, StoreError> {
        Err(StoreError::Damaged)
    }
}

#[test]
fn without_the_store_tokens_go_on_and_statements_are_refused_rather_than_believed() {
    let store = MemoryStore::default();
    let one = replica(&store, 0);
    let first = signed(&KeyPair::generate().unwrap(), share(1), 7001, "started", 5);
    let token = one.client().post("/announce", &first).json()["token"].clone();
    let cut = Running::start(Some(Box::new(Cut(store))), |_| {});
    let mut client = cut.client();
    let other = signed(&KeyPair::generate().unwrap(), share(1), 7001, "started", 5);
    let reply = client.post("/announce", &other);
    assert_eq!((reply.status, reply.error().as_str()), (503, "unsure"));
    assert!(reply.header("retry-after").is_some());
    assert_eq!(client.post("/announce", &with_token(&first, &token)).status, 200);
    cut.end();
    one.end();
}
