//! What every store must do, tried with each; and what the writer must do with any.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, mpsc};

use truecopy_protocol::{DiscoveryKey, NodeId};

use super::*;
use crate::tracker::{Contact, Peer};

/// Opens the same store again and again.
type Open = Box<dyn Fn() -> Box<dyn Store>>;

fn peer(left: u64) -> Value {
    let port = 7000.try_into().unwrap();
    let v4 = Some(Contact { ip: [192, 0, 2, 1].into(), port, seen: 5 });
    Value::Peer(Peer { left, v4, v6: None })
}

fn key(number: u8) -> Key {
    Key::Peer(DiscoveryKey([number; 32]), NodeId([1; 32]))
}

fn records(store: &mut dyn Store) -> Vec<(Key, Value)> {
    let mut found = Vec::new();
    store.load(&mut |key, value| found.push((key, value))).unwrap();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

fn conforms(open: &Open) {
    let mut store = open();
    assert!(records(&mut *store).is_empty(), "a new store is empty");
    let kinds = vec![
        (Key::Secret, Value::Secret([7; 32])),
        (Key::Share(DiscoveryKey([1; 32])), Value::Share { completed: u64::MAX }),
        (key(1), peer(10)),
        (key(2), peer(20)),
        (Key::Plain("host.example:7000".parse().unwrap()), Value::Plain),
    ];
    let puts: Vec<Change> =
        kinds.iter().map(|(key, value)| Change::put(key.clone(), value.clone())).collect();
    store.apply(&puts).unwrap();
    assert_eq!(records(&mut *store), kinds, "every kind of record comes back as it was");
    drop(store);
    let mut store = open();
    assert_eq!(records(&mut *store), kinds, "records survive that the store is closed");
    let changes = [
        Change::put(key(1), peer(11)),
        Change::remove(key(2)),
        Change::remove(key(3)),
        Change::put(key(4), peer(1)),
        Change::put(key(4), peer(2)),
        Change::put(key(5), peer(1)),
        Change::remove(key(5)),
    ];
    store.apply(&changes).unwrap();
    drop(store);
    let peers: Vec<_> =
        records(&mut *open()).into_iter().filter(|(key, _)| matches!(key, Key::Peer(..))).collect();
    assert_eq!(peers, [(key(1), peer(11)), (key(4), peer(2))], "the last change of a key counts");
}

#[test]
fn the_store_in_memory_conforms() {
    let store = MemoryStore::default();
    let open: Open = Box::new(move || Box::new(store.clone()));
    conforms(&open);
}

#[test]
fn the_embedded_store_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let open: Open = Box::new(move || Box::new(DiskStore::open(&path).unwrap()));
    conforms(&open);
}

#[cfg(unix)]
#[test]
fn only_its_owner_can_read_the_embedded_store() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    drop(DiskStore::open(&path).unwrap());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o077, 0);
}

#[test]
fn an_embedded_store_that_is_open_is_not_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let _open = DiskStore::open(&path).unwrap();
    assert!(matches!(DiskStore::open(&path), Err(StoreError::Failed(_))));
}

#[test]
fn a_file_that_is_no_store_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let text = vec![b'x'; 10_000];
    std::fs::write(&path, &text).unwrap();
    assert!(matches!(DiskStore::open(&path), Err(StoreError::Failed(_))));
    assert_eq!(std::fs::read(&path).unwrap(), text);
}

#[test]
fn what_is_pending_is_written_when_the_writer_closes() {
    let mut store = MemoryStore::default();
    let writer = Writer::start(Box::new(store.clone())).unwrap();
    for left in 0..100 {
        writer.put(vec![Change::put(key(1), peer(left)), Change::put(key(2), peer(left))]);
    }
    writer.put(vec![Change::remove(key(2))]);
    writer.close();
    assert_eq!(records(&mut store), [(key(1), peer(99))]);
    assert_eq!((writer.pending(), writer.failures()), (0, 0));
}

/// Stands still in `apply` until told to go on.
struct Stuck {
    entered: mpsc::Sender<()>,
    go: Mutex<mpsc::Receiver<()>>,
    broken: Arc<AtomicBool>,
    inner: MemoryStore,
}

impl Store for Stuck {
    fn load(&mut self, each: &mut dyn FnMut(Key, Value)) -> Result<(), StoreError> {
        self.inner.load(each)
    }

    fn apply(&mut self, batch: &[Change]) -> Result<(), StoreError> {
        self.entered.send(()).unwrap();
        self.go.lock().unwrap().recv().unwrap();
        if self.broken.swap(false, std::sync::atomic::Ordering::SeqCst) {
            return Err(StoreError::Damaged);
        }
        self.inner.apply(batch)
    }
}

#[test]
fn a_store_that_stands_still_blocks_nobody_and_a_failed_batch_does_not_undo_newer_changes() {
    let (entered, has_entered) = mpsc::channel();
    let (go, may_go) = mpsc::channel();
    let mut inner = MemoryStore::default();
    let broken = Arc::new(AtomicBool::new(true));
    let stuck = Stuck { entered, go: Mutex::new(may_go), broken, inner: inner.clone() };
    let writer = Writer::start(Box::new(stuck)).unwrap();
    writer.put(vec![Change::put(key(1), peer(1)), Change::put(key(2), peer(1))]);
    has_entered.recv().unwrap();
    // The store is inside the first batch, which will fail.
    for left in 2..1000 {
        writer.put(vec![Change::put(key(1), peer(left))]);
    }
    assert_eq!(writer.pending(), 1, "changes of one key do not pile up");
    go.send(()).unwrap();
    go.send(()).unwrap();
    writer.close();
    assert_eq!(writer.failures(), 1);
    assert_eq!(records(&mut inner), [(key(1), peer(999)), (key(2), peer(1))]);
}
