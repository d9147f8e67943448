//! Real files: prepared, sent, staged and placed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use truecopy_mio::disk::RealDisk;
use truecopy_mio::prepare::{Links, Monitor, Options, Prepared, prepare};
use truecopy_protocol::Candidate;
use truecopy_protocol::content::manifest::Manifest;
use truecopy_protocol::content::name::RelPath;
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::content::tree::OneByOne;
use truecopy_protocol::input::{Command, Share as Served};
use truecopy_protocol::output::Event;
use truecopy_transport::store::{
    Holder, OnConflict, OnImpossible, Receiving, Share, Source, SourceTop, Staging, StagingOptions, Survey,
    TrustDisk,
};

use super::host::{Host, PATIENCE, SECRET, SHARE, config};
use super::stuck::StuckAfter;

fn sample(folder: &Path) {
    fs::create_dir_all(folder.join("photos/empty")).unwrap();
    let big: Vec<u8> = (0..9_000_001_u32).map(|at| (at ^ (at >> 7)) as u8).collect();
    fs::write(folder.join("photos/big.raw"), big).unwrap();
    fs::write(folder.join("photos/nothing"), b"").unwrap();
    for number in 0..50 {
        fs::write(folder.join(format!("photos/{number}.txt")), vec![number; 1000]).unwrap();
    }
}

/// Serves what lies in one folder.
fn serve(host: &Host, folder: &Path) -> Prepared {
    let options = Options { links: Links::Keep, hasher: &OneByOne };
    let prepared = prepare(&[folder.join("photos")], &options, None, &Monitor::new()).unwrap();
    let top = &prepared.sources.tops()[0];
    let roots = vec![RealDisk::open_root(top.folder()).unwrap()];
    let tops = vec![SourceTop { root: 0, name: Some(RelPath::to_owned(top.name())) }];
    let identities = prepared.sources.identities();
    let source =
        Source::new(Arc::clone(&prepared.manifest), roots, tops, identities, Arc::new(OneByOne)).unwrap();
    host.handle.register(SHARE, Arc::new(Share::Serving(source)));
    let (manifest, layers) = (Arc::clone(&prepared.manifest), Arc::new(prepared.layers.clone()));
    host.handle.command(Command::Share(Served::new(SHARE, SECRET, manifest, layers))).unwrap();
    prepared
}

/// Fetches into a folder, as far as the accepted offer.
fn fetch(host: &Host, manifest: &Manifest, from: &Host, folder: &Path) {
    host.seek_id(manifest.content_id(), Some(from.id), Candidate::Tcp(from.address()));
    let manifest = host.until(|event| match event {
        Event::Offer { manifest, .. } => Some(Arc::clone(manifest)),
        _ => None,
    });
    let disk = RealDisk::open_root(folder).unwrap();
    let survey = Survey::take(&disk, Arc::clone(&manifest), Selection::All, Vec::new()).unwrap();
    let plan = survey.decide(&disk, OnConflict::Fail, OnImpossible::Fail).unwrap().unwrap();
    let options = StagingOptions {
        manifest,
        selection: Selection::All,
        plan,
        trust: TrustDisk::No,
        holder: Holder::default(),
        hasher: Arc::new(OneByOne),
    };
    let staging = Staging::open(disk, options).unwrap();
    host.handle.register(SHARE, Arc::new(Share::Receiving(Box::new(Receiving::opened(staging)))));
    host.handle.command(Command::accept(SHARE, Selection::All)).unwrap();
}

/// Every file below a folder.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            let inner = files(&entry.path());
            found.insert(format!("{name}/"), Vec::new());
            found.extend(inner.into_iter().map(|(path, bytes)| (format!("{name}/{path}"), bytes)));
        } else {
            found.insert(name, fs::read(entry.path()).unwrap());
        }
    }
    found
}

#[test]
fn a_folder_is_moved_from_disk_to_disk() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    sample(from.path());
    let (sender, receiver) = (Host::start(config()), Host::start(config()));
    let prepared = serve(&sender, from.path());
    fetch(&receiver, &prepared.manifest, &sender, to.path());
    let outcome = receiver.completed();
    assert_eq!((outcome.placed, outcome.bytes), (52, prepared.manifest.total_size()));
    receiver.until(|event| matches!(event, Event::Ended { .. }).then_some(()));
    assert!(files(to.path()) == files(from.path()));
}

#[test]
fn a_receiver_that_was_killed_goes_on_where_it_was() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    sample(from.path());
    let mut stuck = config();
    let keys = stuck.keys.clone();
    stuck.wrap = Some(Box::new(StuckAfter { read: usize::MAX, written: 4_000_000 }));
    let sender = Host::start(stuck);
    let prepared = serve(&sender, from.path());
    let receiver = Host::start(config());
    fetch(&receiver, &prepared.manifest, &sender, to.path());
    let journal = fs::read_dir(to.path()).unwrap().next().unwrap().unwrap().path().join("journal");
    let deadline = Instant::now() + PATIENCE;
    // The small files and ten chunks of the big one are claimed, each with its number and hash.
    while fs::metadata(&journal).unwrap().len() < 60 * 33 + 100 {
        assert!(Instant::now() < deadline, "claims are written in time");
        let _ = receiver.events.recv_timeout(Duration::from_millis(10));
    }
    receiver.kill();
    sender.kill();
    let mut whole = config();
    whole.keys = keys;
    let sender = Host::start(whole);
    serve(&sender, from.path());
    let receiver = Host::start(config());
    fetch(&receiver, &prepared.manifest, &sender, to.path());
    let mut received = 0;
    receiver.until(|event| {
        if let Event::Progress { progress, .. } = event {
            received = progress.received;
        }
        matches!(event, Event::Completed { .. }).then_some(())
    });
    assert!(received + 1_500_000 < prepared.manifest.total_size(), "{received} bytes came again");
    receiver.until(|event| matches!(event, Event::Ended { .. }).then_some(()));
    assert!(files(to.path()) == files(from.path()));
}
