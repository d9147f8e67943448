use std::path::Path;

use truecopy_mio::prepare::Monitor;
use truecopy_protocol::Config;

use super::*;
use crate::record::Run;
use crate::standing::{self, Nothing, Wanted};

fn quiet(text: &str) {
    panic!("{text}");
}

fn prepared(folder: &Path) -> Standing {
    let top = folder.join("share");
    fs::create_dir_all(top.join("deep")).unwrap();
    fs::write(top.join("deep/a"), vec![7; 700_000]).unwrap();
    fs::write(top.join("b"), b"short").unwrap();
    let options = truecopy_mio::prepare::Options {
        links: truecopy_mio::prepare::Links::Keep,
        hasher: &truecopy_protocol::content::tree::OneByOne,
    };
    let prepared = truecopy_mio::prepare::prepare(&[top], &options, None, &Monitor::new()).unwrap();
    Standing::prepared(prepared)
}

fn find(record: &Record, known: &dyn Known) -> (Result<Standing>, u64) {
    find_these(record, Wanted::All(&record.standing.held), known)
}

fn find_these(record: &Record, wanted: Wanted<'_>, known: &dyn Known) -> (Result<Standing>, u64) {
    let monitor = Monitor::new();
    let run = Run::unrecorded(Config::default()).unwrap();
    let standing = &record.standing;
    let found = Standing::find(&standing.manifest, standing.tops.clone(), (wanted, known), &run, &monitor);
    (found, monitor.progress().bytes_done)
}

#[test]
fn a_share_is_remembered_listed_and_forgotten() {
    let home = tempfile::tempdir().unwrap();
    let seeds = Seeds::new(&Home::at(home.path()));
    assert!(seeds.all(&quiet).is_empty());
    let record = Record::new(prepared(home.path()), AccessSecret([3; 32]), Swarming::On, Trackers::default());
    seeds.keep(&record, &quiet);
    seeds.keep(&record, &quiet);
    let [again] = &seeds.all(&quiet)[..] else { panic!("one is remembered") };
    assert_eq!((again.secret, again.swarm), (record.secret, record.swarm));
    assert_eq!(again.standing.tops, record.standing.tops);
    assert_eq!(again.standing.layers.hashes(), record.standing.layers.hashes());
    seeds.forget(again).unwrap();
    assert!(seeds.all(&quiet).is_empty());
}

#[test]
fn what_is_found_without_knowledge_is_what_was_prepared() {
    let home = tempfile::tempdir().unwrap();
    let record = Record::new(prepared(home.path()), AccessSecret::PUBLIC, Swarming::Off, Trackers::default());
    let (found, _) = find(&record, &Nothing);
    let found = found.unwrap();
    assert_eq!(found.layers.hashes(), record.standing.layers.hashes());
    assert_eq!(found.identities, record.standing.identities);
    let tops = standing::tops(&found.manifest);
    assert_eq!(tops.iter().map(|(_, name)| name.as_path().as_bytes()).collect::<Vec<_>>(), [b"share"]);
}

#[test]
fn a_file_that_was_changed_is_not_served_whatever_its_times_say() {
    let home = tempfile::tempdir().unwrap();
    let record = Record::new(prepared(home.path()), AccessSecret::PUBLIC, Swarming::Off, Trackers::default());
    let path = home.path().join("share/deep/a");
    let times = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, vec![8; 700_000]).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(times).unwrap();
    // Its change time differs, so that it is read again.
    let (found, _) = find(&record, &record);
    assert_eq!(found.unwrap_err().exit, Exit::SourceChanged);
    fs::remove_file(&path).unwrap();
    assert_eq!(find(&record, &record).0.unwrap_err().exit, Exit::SourceChanged);
}

#[test]
fn a_damaged_record_is_passed_over_and_told() {
    let home = tempfile::tempdir().unwrap();
    let seeds = Seeds::new(&Home::at(home.path()));
    let record = Record::new(prepared(home.path()), AccessSecret([3; 32]), Swarming::On, Trackers::default());
    seeds.keep(&record, &quiet);
    let path = seeds.folder.join(record.id());
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&path, bytes).unwrap();
    let told = std::cell::Cell::new(0);
    assert!(seeds.all(&|_| told.set(told.get() + 1)).is_empty());
    assert_eq!(told.get(), 1);
}

#[test]
fn the_node_keeps_its_key_and_port() {
    let home = tempfile::tempdir().unwrap();
    let seeds = Seeds::new(&Home::at(home.path()));
    let node = SeedNode { port: Some(7000), ..seeds.node().unwrap() };
    seeds.keep_node(&node, &quiet);
    let again = seeds.node().unwrap();
    assert_eq!((again.key_seed, again.port), (node.key_seed, node.port));
    assert!(seeds.all(&quiet).is_empty(), "the node is no share");
}

#[test]
fn of_a_part_what_is_there_is_found_and_remembered() {
    let home = tempfile::tempdir().unwrap();
    let record = Record::new(prepared(home.path()), AccessSecret::PUBLIC, Swarming::Off, Trackers::default());
    fs::write(home.path().join("share/b"), b"other").unwrap();
    let found = find_these(&record, Wanted::Any, &Nothing).0.unwrap();
    let manifest = &found.manifest;
    let at = |path: &[u8]| manifest.entries().find(|(_, entry)| entry.path.as_bytes() == path).unwrap().0;
    let (a, b) = (at(b"share/deep/a"), at(b"share/b"));
    assert!(found.held.contains(a) && !found.held.contains(b));
    assert_eq!(found.size(), 700_000);

    let seeds = Seeds::new(&Home::at(home.path()));
    seeds.keep(&Record::new(found, AccessSecret::PUBLIC, Swarming::Off, Trackers::default()), &quiet);
    let [again] = &seeds.all(&quiet)[..] else { panic!("one is remembered") };
    assert!(again.standing.held.contains(a) && !again.standing.held.contains(b));
    let (served, _) = find(again, again);
    assert_eq!(served.unwrap().held, again.standing.held, "what is missing is not missed");
    fs::remove_file(home.path().join("share/deep/a")).unwrap();
    assert_eq!(find(again, again).0.unwrap_err().exit, Exit::SourceChanged);
    assert_eq!(
        find_these(again, Wanted::Any, again).0.unwrap_err().exit,
        Exit::SourceChanged,
        "nothing is left"
    );
}
