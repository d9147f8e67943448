use std::cell::RefCell;

use truecopy_mio::prepare::{Links, Monitor, Options, prepare};
use truecopy_protocol::content::tree::OneByOne;

use super::*;

struct World {
    dir: tempfile::TempDir,
    shares: Shares,
    warnings: RefCell<Vec<String>>,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), b"content").unwrap();
        let shares = Shares::new(&Home::at(&dir.path().join("home")));
        Self { dir, shares, warnings: RefCell::default() }
    }

    fn paths(&self) -> Vec<PathBuf> {
        vec![self.dir.path().join("file")]
    }

    fn find(&self) -> (Remembered, Option<Known>) {
        let warn = |text: &str| self.warnings.borrow_mut().push(text.to_owned());
        self.shares.find(&self.paths(), LinkPolicy::Keep, &warn).unwrap()
    }

    fn keep(&self, share: &Remembered) {
        let options = Options { links: Links::Keep, hasher: &OneByOne };
        let prepared = prepare(&self.paths(), &options, None, &Monitor::new()).unwrap();
        self.shares.keep(share, &prepared, &|text| panic!("{text}"));
    }

    fn record(&self) -> PathBuf {
        fs::read_dir(&self.shares.folder).unwrap().next().unwrap().unwrap().path()
    }
}

#[test]
fn a_share_that_is_sent_again_keeps_key_secret_and_port() {
    let world = World::new();
    let (mut first, known) = world.find();
    assert!(known.is_none());
    world.keep(&first);
    first.port = Some(7000);
    world.shares.keep_port(&first, &|text| panic!("{text}"));
    let (again, known) = world.find();
    assert_eq!((again.key_seed, again.secret, again.port), (first.key_seed, first.secret, Some(7000)));
    assert!(known.is_some());
    let (other, _) = world.shares.find(&world.paths(), LinkPolicy::Skip, &|_| {}).unwrap();
    assert_ne!(other.key_seed, first.key_seed);
}

#[test]
fn what_files_hash_to_is_remembered_beside_the_ticket() {
    let world = World::new();
    let (paths, links) = (world.paths(), LinkPolicy::Keep);
    assert!(world.shares.known(&paths, links).is_none());
    let options = Options { links: Links::Keep, hasher: &OneByOne };
    let prepared = prepare(&paths, &options, None, &Monitor::new()).unwrap();
    world.shares.keep_known(&paths, links, &prepared, &|text| panic!("{text}"));
    assert!(world.shares.known(&paths, links).is_some());
    let (mut sent, _) = world.find();
    sent.port = Some(7000);
    world.shares.keep_port(&sent, &|text| panic!("{text}"));
    world.shares.keep_known(&paths, links, &prepared, &|text| panic!("{text}"));
    let (again, known) = world.find();
    assert_eq!((again.key_seed, again.secret, again.port), (sent.key_seed, sent.secret, Some(7000)));
    assert!(known.is_some());
}

#[test]
fn a_damaged_record_is_replaced_with_a_warning() {
    let world = World::new();
    let (first, _) = world.find();
    world.keep(&first);
    let whole = fs::read(world.record()).unwrap();
    for at in [0, 8, 40, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(world.record(), bytes).unwrap();
        let (fresh, known) = world.find();
        assert_ne!(fresh.key_seed, first.key_seed);
        assert!(known.is_none());
    }
    fs::write(world.record(), b"").unwrap();
    world.find();
    assert_eq!(world.warnings.borrow().len(), 5);
}

#[test]
fn an_old_record_is_forgotten() {
    let world = World::new();
    let (first, _) = world.find();
    world.keep(&first);
    let record = fs::File::options().write(true).open(world.record()).unwrap();
    record.set_modified(SystemTime::now() - KEPT - Duration::from_secs(1)).unwrap();
    assert_ne!(world.find().0.key_seed, first.key_seed);
    assert_eq!(fs::read_dir(&world.shares.folder).unwrap().count(), 0);
}

#[test]
fn a_record_does_not_show_its_secrets() {
    let world = World::new();
    let (share, _) = world.find();
    assert!(!format!("{share:?}").contains(&hex(&share.secret.0[..4])));
    assert!(!format!("{share:?}").contains("key_seed"));
}
