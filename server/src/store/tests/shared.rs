//! What a store must do that several processes share.

use super::*;

const WAIT: Duration = Duration::from_secs(10);
const MOMENT: Duration = Duration::from_millis(1);

/// What a handle hears, until it heard `count` changes.
fn hear(handle: &mut dyn Shared, count: usize) -> Vec<Change> {
    let mut heard = Vec::new();
    while heard.len() < count {
        let before = heard.len();
        assert_eq!(handle.news(WAIT, &mut |change| heard.push(change)).unwrap(), News::Whole);
        assert!(heard.len() > before, "changes are heard of in time");
    }
    heard
}

/// Held against each store of this kind; `open` is another process each time.
pub(super) fn is_shared(open: &Open) {
    let (mut one, mut other) = (open(), open());
    one.apply(&[Change::put(key(1), peer(1))]).unwrap();
    let mut handle = other.shared().unwrap().unwrap();
    let changes = [Change::put(key(2), peer(2)), Change::remove(key(1), 5), Change::put(key(3), peer(3))];
    one.apply(&changes[..2]).unwrap();
    one.apply(&changes[2..]).unwrap();
    assert_eq!(
        hear(&mut *handle, 3),
        changes,
        "all since the handle was made, in their order, with their times"
    );
    let mut more = Vec::new();
    assert_eq!(handle.news(MOMENT, &mut |change| more.push(change)).unwrap(), News::Whole);
    assert!(more.is_empty(), "each is heard once");
    let mut ours = Vec::new();
    handle.load(&mut |key, _| ours.push(key)).unwrap();
    ours.sort();
    assert_eq!(ours, [key(2), key(3)], "a handle is a store");

    let many: Vec<Change> = (0..3000).map(|number| numbered(number, 1)).collect();
    one.apply(&many).unwrap();
    assert_eq!(hear(&mut *handle, 3000), many, "a large batch is heard whole");

    assert_eq!(one.agree([1; 32]).unwrap(), other.agree([2; 32]).unwrap(), "all have one secret");

    let (mut first, mut second) = (one.shared().unwrap().unwrap(), other.shared().unwrap().unwrap());
    let marks = |numbers: &[u8]| -> Vec<_> {
        numbers.iter().map(|number| ([*number; 16], Duration::from_secs(60))).collect()
    };
    assert_eq!(first.claim(&marks(&[1, 2, 1])).unwrap(), [Claim::First, Claim::First, Claim::Taken]);
    assert_eq!(second.claim(&marks(&[2, 3])).unwrap(), [Claim::Taken, Claim::First]);
    assert_eq!(first.claim(&marks(&[3])).unwrap(), [Claim::Taken]);
    assert_eq!(first.claim(&[]).unwrap(), []);
}

/// A handle that hears nothing for very long is told that it missed something, and hears of what comes then.
pub(super) fn tells_what_was_missed(open: &Open) {
    let (mut one, mut other) = (open(), open());
    let mut handle = other.shared().unwrap().unwrap();
    // More than any store remembers, in entries and in changes.
    let batch: Vec<Change> = (0..500).map(|number| numbered(number, 1)).collect();
    (0..21).for_each(|_| one.apply(&batch).unwrap());
    for left in 0..2500 {
        one.apply(&[numbered(1, left)]).unwrap();
    }
    assert_eq!(handle.news(MOMENT, &mut |_| ()).unwrap(), News::Missed);
    let last = Change::put(key(7), peer(7));
    one.apply(std::slice::from_ref(&last)).unwrap();
    assert_eq!(hear(&mut *handle, 1), [last]);
}

#[test]
fn the_store_in_memory_is_shared() {
    let fresh = || -> Open {
        let store = MemoryStore::default();
        Box::new(move || Box::new(store.clone()))
    };
    is_shared(&fresh());
    tells_what_was_missed(&fresh());
}

#[test]
fn a_handle_is_woken_by_what_another_does() {
    let store = MemoryStore::default();
    let mut handle = store.clone().shared().unwrap().unwrap();
    let mut other = store;
    let waiting = std::thread::spawn(move || hear(&mut *handle, 1));
    other.apply(&[Change::put(key(1), peer(1))]).unwrap();
    assert_eq!(waiting.join().unwrap(), [Change::put(key(1), peer(1))]);
}
