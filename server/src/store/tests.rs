//! What every store must do, tried with each; what those must do that several processes share; and what the writer must
//! do with any.

#[cfg(feature = "redis")]
mod redis;
mod shared;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, mpsc};

use truecopy_protocol::{DiscoveryKey, NodeId};

use super::*;
use crate::record::Replica;
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
    assert_eq!(store.agree([7; 32]).unwrap(), [7; 32], "the first secret is taken");
    assert_eq!(store.agree([8; 32]).unwrap(), [7; 32], "and no other");
    let kinds = vec![
        (Key::Secret, Value::Secret([7; 32])),
        (Key::Share(DiscoveryKey([1; 32]), Replica(3)), Value::Share { completed: u64::MAX, seen: 9 }),
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
        Change::remove(key(2), 0),
        Change::remove(key(3), 0),
        Change::put(key(4), peer(1)),
        Change::put(key(4), peer(2)),
        Change::put(key(5), peer(1)),
        Change::remove(key(5), 0),
    ];
    store.apply(&changes).unwrap();
    drop(store);
    let peers: Vec<_> =
        records(&mut *open()).into_iter().filter(|(key, _)| matches!(key, Key::Peer(..))).collect();
    assert_eq!(peers, [(key(1), peer(11)), (key(4), peer(2))], "the last change of a key counts");
    assert_eq!(open().agree([8; 32]).unwrap(), [7; 32], "the secret survives too");
    let many: Vec<Change> = (0..3000_u32).map(|number| numbered(number, 1)).collect();
    open().apply(&many).unwrap();
    assert_eq!(records(&mut *open()).len(), 3000 + 5, "many changes are one batch");
}

/// One of very many.
fn numbered(number: u32, left: u64) -> Change {
    let mut node = [9; 32];
    node[..4].copy_from_slice(&number.to_le_bytes());
    Change::put(Key::Peer(DiscoveryKey([200; 32]), NodeId(node)), peer(left))
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
    assert!(open().shared().unwrap().is_none(), "one process has it open");
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
    writer.put(vec![Change::remove(key(2), 0)]);
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

    fn agree(&mut self, proposed: [u8; 32]) -> Result<[u8; 32], StoreError> {
        self.inner.agree(proposed)
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
