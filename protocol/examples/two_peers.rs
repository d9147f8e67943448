//! Two nodes in one loop, no sockets, no disk, no clock: the whole of what a driver does.
//!
//! `cargo run -p truecopy-protocol --example two_peers`

#![expect(clippy::expect_used, reason = "an example shows the way, not the errors")]

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use truecopy_protocol::content::geometry::Shape;
use truecopy_protocol::content::identity::Role;
use truecopy_protocol::content::layers::Layers;
use truecopy_protocol::content::manifest::{FileEntry, Manifest, ManifestBuilder, Mtime, OwnedKind};
use truecopy_protocol::content::name::RelPathBuf;
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::content::tree::{OneByOne, subtree};
use truecopy_protocol::input::{Command, Fetch, Input, Path, PeerHint, Share};
use truecopy_protocol::job::{AnnounceError, Done, Job, Opened, Outcome, Signature, Trust, Verdict};
use truecopy_protocol::output::{Event, Output};
use truecopy_protocol::{
    AccessSecret, BlobId, Candidate, Config, ConnId, EntryIndex, Node, NodeId, Now, ShareId,
};

const SHARE: ShareId = ShareId(0);

/// One side: a node, and files in memory.
struct Host {
    node: Node,
    id: NodeId,
    files: BTreeMap<BlobId, Vec<u8>>,
    todo: VecDeque<Output>,
}

impl Host {
    fn new(id: u8) -> Self {
        let node = Node::new(Config::default(), [id; 32], Now::ZERO);
        Self { node, id: NodeId([id; 32]), files: BTreeMap::new(), todo: VecDeque::new() }
    }

    /// The law of the door: after every `handle`, `poll` until `None`.
    fn handle(&mut self, now: Now, input: Input<'_>) {
        self.node.handle(now, input);
        while let Some(output) = self.node.poll() {
            self.todo.push_back(output);
        }
    }

    /// Storage, CPU and keys, all in memory.
    fn work(&mut self, job: Job) -> Done {
        match job {
            Job::Open(job) => job.done(Ok(Opened { claims: vec![], trust: Trust::Recheck, settled: vec![] })),
            Job::Read(mut job) => {
                let bytes: Vec<u8> = job
                    .extents
                    .iter()
                    .flat_map(|e| self.files[&e.blob][e.offset as usize..][..e.len as usize].to_vec())
                    .collect();
                job.buf.space_mut()[..bytes.len()].copy_from_slice(&bytes);
                job.buf.set_filled(bytes.len());
                job.done(Ok(()))
            }
            Job::Land(job) => {
                let (mut rest, mut hashes) = (job.buf.filled(), vec![]);
                for land in &job.extents {
                    let (bytes, tail) = rest.split_at(land.extent.len as usize);
                    rest = tail;
                    hashes.push(subtree(&OneByOne, bytes, land.height));
                    let (file, at) =
                        (self.files.entry(land.extent.blob).or_default(), land.extent.offset as usize);
                    file.resize(file.len().max(at + bytes.len()), 0);
                    file[at..at + bytes.len()].copy_from_slice(bytes);
                }
                job.done(Ok(hashes))
            }
            Job::Rehash(job) => {
                let bytes = &self.files[&job.blob][job.range.start as usize..job.range.end as usize];
                let hash = subtree(&OneByOne, bytes, job.height);
                job.done(Ok(hash))
            }
            Job::Checkpoint(job) => job.done(Ok(())),
            Job::Commit(job) => job.done(Ok(Outcome { placed: 1, ..Outcome::default() })),
            Job::Sign(job) => job.done(Signature([7; 64])),
            Job::Verify(job) => job.done(Verdict::Genuine),
            Job::Announce(job) => job.done(Err(AnnounceError::Unreachable)),
        }
    }
}

/// A file of one chunk; its hash is the root.
fn one_file(name: &str, content: &[u8]) -> Manifest {
    let size = content.len() as u64;
    let mut builder = ManifestBuilder::new(name);
    let chunk = truecopy_protocol::content::geometry::ChunkSize::for_share(size);
    let root = subtree(&OneByOne, content, Shape { size, chunk }.height());
    let mtime = Mtime { seconds: 0, nanos: 0 };
    let kind = OwnedKind::File(FileEntry { size, root, mode: 0o644, mtime });
    builder.push(RelPathBuf::new(name.into()).expect("a name"), kind);
    builder.finish(chunk).expect("a manifest")
}

fn main() {
    let content: Vec<u8> = (0..200_000u32).map(|i| (i % 251) as u8).collect();
    let manifest = Arc::new(one_file("numbers.bin", &content));
    let (mut sender, mut receiver) = (Host::new(1), Host::new(2));
    sender.files.insert(BlobId::of(EntryIndex(0)), content.clone());

    let secret = AccessSecret([3; 32]);
    // No file has more than one chunk.
    let layers = Arc::new(Layers::new(Arc::clone(&manifest), vec![]).expect("no layers"));
    let share = Share::new(SHARE, secret, Arc::clone(&manifest), layers);
    sender.handle(Now::ZERO, Input::Command(Command::Share(share)));
    let address: Candidate = "sender.example:1".parse().expect("an address");
    let peers = vec![PeerHint { key: Some(sender.id), addresses: vec![address] }];
    let fetch = Fetch::new(SHARE, manifest.content_id(), secret, peers);
    receiver.handle(Now::ZERO, Input::Command(Command::Fetch(fetch)));

    let mut now = Now::ZERO;
    let mut hosts = [sender, receiver];
    let mut links: [Option<ConnId>; 2] = [None, None];
    let mut placed = false;
    while !placed {
        now += Duration::from_millis(1);
        for me in [0, 1] {
            let other = 1 - me;
            while let Some(output) = hosts[me].todo.pop_front() {
                match output {
                    Output::Dial { conn, .. } => {
                        links = [Some(ConnId(1)), Some(conn)];
                        let ids = [hosts[0].id, hosts[1].id];
                        for (host, role) in [(0, Role::Responder), (1, Role::Initiator)] {
                            let conn = links[host].expect("both ends were just made");
                            let (local, peer) = (ids[host], ids[1 - host]);
                            hosts[host].handle(
                                now,
                                Input::Connected { conn, role, local, peer, path: Path::Memory },
                            );
                        }
                    }
                    Output::Job(job) => {
                        let done = hosts[me].work(job);
                        hosts[me].handle(now, Input::Done(done));
                    }
                    Output::Event(Event::Offer { share, manifest }) => {
                        println!(
                            "offer: {} ({} bytes)",
                            manifest.name().escape_ascii(),
                            manifest.total_size()
                        );
                        let command = Command::accept(share, Selection::All);
                        hosts[me].handle(now, Input::Command(command));
                    }
                    Output::Event(Event::Completed { .. }) => placed = true,
                    Output::Event(event) => println!("{event:?}"),
                    Output::Flush { .. }
                    | Output::Hangup { .. }
                    | Output::Pause { .. }
                    | Output::Resume { .. } => {}
                }
            }
            // The link: whatever one side has to send, the other receives.
            let (Some(from), Some(to)) = (links[me], links[other]) else { continue };
            let bytes = hosts[me].node.sendable(from, 16 * 1024).concat();
            if !bytes.is_empty() {
                hosts[me].handle(now, Input::Sent { conn: from, len: bytes.len() });
                hosts[other].handle(now, Input::Received { conn: to, bytes: &bytes });
            }
        }
    }
    assert_eq!(hosts[1].files[&BlobId::of(EntryIndex(0))], content);
    println!("the receiver has every byte");
}
