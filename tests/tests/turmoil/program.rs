//! What a user's program does with a node: serve a folder, or fetch one into a folder.

use std::sync::Arc;

use truecopy_protocol::content::manifest::{EntryKind, Manifest};
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::content::tree::OneByOne;
use truecopy_protocol::input::{Command, Fetch, PeerHint, Share as Offered};
use truecopy_protocol::output::Event;
use truecopy_protocol::{AccessSecret, Candidate, ContentId, NodeId, ShareId, UnixTime};
use truecopy_sim::disk::FaultyDisk;
use truecopy_transport::disk::{Disk, FileIdentity};
use truecopy_transport::store::{
    Holder, OnConflict, OnImpossible, Receiving, Share, Source, SourceTop, Staging, StagingOptions, Survey,
    TrustDisk,
};

use crate::content::Content;
use crate::door::Door;

const SHARE: ShareId = ShareId(3);
const SECRET: AccessSecret = AccessSecret([9; 32]);

pub(crate) trait Program {
    /// The process starts.
    fn begin(&mut self, door: &mut Door);

    /// The node said something.
    fn hear(&mut self, event: &Event, door: &mut Door);
}

/// Serves a share from a disk.
pub(crate) struct Sender {
    pub(crate) content: Arc<Content>,
    pub(crate) disk: FaultyDisk,
}

impl Sender {
    /// The state of every entry, as when it was hashed: it lies there unchanged.
    fn identities(&self) -> Vec<FileIdentity> {
        let of = |path| loop {
            match self.disk.metadata(path) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                found => return found.unwrap().identity,
            }
        };
        self.content.manifest.entries().map(|(_, entry)| of(entry.path)).collect()
    }
}

impl Program for Sender {
    fn begin(&mut self, door: &mut Door) {
        let (manifest, layers) = (Arc::clone(&self.content.manifest), Arc::clone(&self.content.layers));
        let tops = vec![SourceTop { root: 0, name: None }];
        let (roots, identities) = (vec![self.disk.clone()], self.identities());
        let source = Source::new(Arc::clone(&manifest), roots, tops, identities, Arc::new(OneByOne)).unwrap();
        door.stores.register(SHARE, Arc::new(Share::Serving(source)));
        door.command(Command::Share(Offered::new(SHARE, SECRET, manifest, layers)));
    }

    fn hear(&mut self, _: &Event, _: &mut Door) {}
}

/// Fetches a share into a disk, from a peer that is found by name.
pub(crate) struct Receiver {
    pub(crate) content: ContentId,
    pub(crate) from: NodeId,
    pub(crate) at: Candidate,
    pub(crate) disk: FaultyDisk,
}

impl Receiver {
    fn staging(&self, manifest: &Arc<Manifest>) -> Staging<FaultyDisk> {
        let mut survey = Survey::take(&self.disk, Arc::clone(manifest), Selection::All, Vec::new()).unwrap();
        survey.check_all(&self.disk, &OneByOne).unwrap();
        let plan = survey.decide(&self.disk, OnConflict::Fail, OnImpossible::Fail).unwrap().unwrap();
        let options = StagingOptions {
            manifest: Arc::clone(manifest),
            selection: Selection::All,
            plan,
            trust: TrustDisk::No,
            holder: Holder { pid: 7, host: "here".into(), since: UnixTime(9) },
            hasher: Arc::new(OneByOne),
        };
        Staging::open(self.disk.clone(), options).unwrap()
    }
}

impl Program for Receiver {
    fn begin(&mut self, door: &mut Door) {
        let peers = vec![PeerHint { key: Some(self.from), addresses: vec![self.at.clone()] }];
        let (content, secret) = (self.content, SECRET);
        let fetch = Fetch::new(SHARE, content, secret, peers);
        door.command(Command::Fetch(fetch));
    }

    fn hear(&mut self, event: &Event, door: &mut Door) {
        match event {
            Event::Offer { manifest, .. } => {
                let staging = Receiving::opened(self.staging(manifest));
                door.stores.register(SHARE, Arc::new(Share::Receiving(Box::new(staging))));
                door.command(Command::accept(SHARE, Selection::All));
            }
            Event::Ended { share } => door.stores.release(*share),
            _ => {}
        }
    }
}

/// Puts a share on a disk, as a sender has it.
pub(crate) fn put(content: &Content, disk: &FaultyDisk) {
    for (path, bytes) in files(content) {
        disk.put(path.as_path(), bytes);
    }
}

/// The files of a share and their bytes.
pub(crate) fn files(
    content: &Content,
) -> impl Iterator<Item = (truecopy_protocol::content::name::RelPathBuf, &[u8])> {
    content.manifest.entries().filter_map(|(index, entry)| match entry.kind {
        EntryKind::File(_) => {
            let bytes = content.files.get(&truecopy_protocol::BlobId::of(index));
            Some((entry.path.to_owned(), bytes.map_or(&[][..], Vec::as_slice)))
        }
        EntryKind::Directory | EntryKind::Symlink { .. } => None,
    })
}
