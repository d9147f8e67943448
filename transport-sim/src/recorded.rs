//! From a recording of a real transfer to a plan: what the streams did there, the simulated ones do here.
//!
//! A plan has no place for every single call. What becomes of them: the largest write and read that moved less than
//! asked, and how many calls in a thousand were interrupted, become the shape of all streams; a connection that broke
//! becomes a fault at its byte; the manifest's sizes become the scenario. Contents, names and keys are made up.

use std::collections::BTreeMap;
use std::io::Read;

use truecopy_protocol::content::identity::Role;
use truecopy_protocol::content::manifest::{EntryKind, Manifest, ManifestLimits, TOTAL_MAX};
use truecopy_protocol::input::LinkLoss;
use truecopy_protocol::wire::{Decoder, Item};
use truecopy_protocol::{ConnId, NodeId};
use truecopy_transport::record::{
    Effect, Entry, ReadError, Reader, RecordedCommand, RecordedInput, Run, StreamCall, StreamShape,
};

use crate::content::SIZE_MAX;
use crate::plan::{ChannelKind, Eating, Fault, Plan, Scenario, Way};

/// Why a recording gives no plan.
#[derive(Debug, thiserror::Error)]
pub enum BadRecording {
    /// It cannot be read.
    #[error(transparent)]
    Unreadable(#[from] ReadError),
    /// The list of files is not in it: the recorded transfer never came so far.
    #[error("the recording ended before the list of files was there")]
    NoManifest,
}

/// The plan of a recording.
///
/// # Errors
/// [`BadRecording`] if it is none, or has no list of files. One that was cut off is read as far as it goes.
pub fn plan(recording: impl Read) -> Result<Plan, BadRecording> {
    let (start, mut reader) = Reader::open(recording)?;
    let mut seen = Seen::default();
    loop {
        match reader.next() {
            Ok(Some(Entry::End) | None) | Err(ReadError::Cut(_)) => break,
            Ok(Some(entry)) => seen.entry(entry),
            Err(error) => return Err(error.into()),
        }
    }
    let seed = u64::from_le_bytes(*start.seed.first_chunk().unwrap_or(&[0; 8]));
    seen.plan(seed).ok_or(BadRecording::NoManifest)
}

/// One connection of the recording.
#[derive(Default)]
struct Conn {
    peer: Option<NodeId>,
    /// Bytes read and written.
    read: u64,
    written: u64,
    /// What became of the last read and the last write.
    last_read: Option<Effect>,
    last_write: Option<Effect>,
    loss: Option<LinkLoss>,
    decoder: Option<Decoder>,
    /// Where in the manifest the payload goes that comes.
    manifest_at: Option<usize>,
}

#[derive(Default)]
struct Seen {
    conns: BTreeMap<u64, Conn>,
    /// In the order in which they were first used.
    order: Vec<u64>,
    role: Option<Role>,
    manifest: Option<Manifest>,
    /// The manifest, as it comes.
    pieces: Vec<u8>,
    calls: u64,
    interrupted: u64,
    write_max: u64,
    read_max: u64,
}

impl Seen {
    fn conn(&mut self, id: ConnId) -> &mut Conn {
        if !self.conns.contains_key(&id.0) {
            self.order.push(id.0);
        }
        self.conns.entry(id.0).or_default()
    }

    fn entry(&mut self, entry: Entry<'_>) {
        match entry {
            Entry::Stream(shape) => self.stream(shape),
            Entry::Input { input: RecordedInput::Connected { conn, role, peer, .. }, .. } => {
                self.role = Some(role);
                self.conn(conn).peer = Some(peer);
            }
            Entry::Input { input: RecordedInput::Disconnected { conn, why }, .. } => {
                self.conn(conn).loss = Some(why);
            }
            Entry::Input { input: RecordedInput::Received { conn, runs }, .. } => self.received(conn, &runs),
            Entry::Input {
                input:
                    RecordedInput::Command(
                        RecordedCommand::Share { content, .. }
                        | RecordedCommand::Fetch { known: Some(content), .. },
                    ),
                ..
            } => self.manifest = manifest(content.manifest),
            _ => {}
        }
    }

    fn stream(&mut self, shape: StreamShape) {
        let StreamShape { conn, call, asked, effect } = shape;
        self.calls += 1;
        self.interrupted += u64::from(effect == Effect::Interrupted);
        if let Effect::Done(moved) = effect
            && moved < asked
        {
            match call {
                StreamCall::Read => self.read_max = self.read_max.max(moved),
                StreamCall::Write => self.write_max = self.write_max.max(moved),
                StreamCall::ShutdownWrite => {}
            }
        }
        let moved = if let Effect::Done(moved) = effect { moved } else { 0 };
        let conn = self.conn(conn);
        match call {
            StreamCall::Read => (conn.read, conn.last_read) = (conn.read + moved, Some(effect)),
            StreamCall::Write => (conn.written, conn.last_write) = (conn.written + moved, Some(effect)),
            StreamCall::ShutdownWrite => {}
        }
    }

    /// Finds the manifest in what came: it is blob 0.
    fn received(&mut self, id: ConnId, runs: &[Run<'_>]) {
        let mut pieces = Vec::new();
        let conn = self.conn(id);
        let mut decoder = conn.decoder.take().unwrap_or_default();
        for run in runs {
            let zeros;
            let mut bytes = match run {
                Run::Bytes(bytes) => *bytes,
                Run::Absent(len) => {
                    // A length from outside; a span is the most that comes at once.
                    zeros = vec![0; (*len as usize).min(1 << 20)];
                    &zeros
                }
            };
            while let Ok(Some(item)) = decoder.next(&mut bytes) {
                match item {
                    Item::Blocks(head) => {
                        let is_manifest = head.blob == 0;
                        conn.manifest_at = is_manifest.then_some(head.block as usize * 16 * 1024);
                    }
                    Item::Payload(run) => {
                        if let Some(at) = &mut conn.manifest_at {
                            pieces.push((*at, run.to_vec()));
                            *at += run.len();
                        }
                    }
                    Item::Message(_) => {}
                }
            }
        }
        conn.decoder = Some(decoder);
        for (at, run) in pieces {
            let end = at.saturating_add(run.len());
            if end <= 64 << 20 {
                self.pieces.resize(self.pieces.len().max(end), 0);
                self.pieces[at..end].copy_from_slice(&run);
            }
        }
    }

    fn plan(mut self, seed: u64) -> Option<Plan> {
        if self.manifest.is_none() {
            self.manifest = manifest(&self.pieces);
        }
        let sizes: Vec<u64> = self
            .manifest
            .as_ref()?
            .entries()
            .filter_map(|(_, entry)| match entry.kind {
                EntryKind::File(file) => Some(file.size),
                EntryKind::Directory | EntryKind::Symlink { .. } => None,
            })
            .take(usize::from(u16::MAX))
            .collect();
        // Halved until the simulator can hold it.
        let total = |shift: u32| sizes.iter().map(|size| size >> shift).sum::<u64>();
        let shift = (0..64).find(|shift| total(*shift) <= SIZE_MAX)?;
        let sizes: Vec<u64> = sizes.iter().map(|size| size >> shift).collect();
        let peers = self.peers();
        let others = (peers.len().max(1)) as u16;
        let scenario = match self.role {
            Some(Role::Responder) => Scenario::new(1, others, &sizes),
            _ => Scenario::new(others, 1, &sizes),
        };
        let mut plan = Plan::calm(seed, ChannelKind::Tls, scenario);
        let scaled =
            if shift > 0 { format!(", all sizes divided by {}", 1_u64 << shift) } else { String::new() };
        plan.about = format!("From a recording: {} connections{scaled}", self.order.len());
        let size = |len: u64| u32::try_from(len).unwrap_or(u32::MAX);
        plan.network.write_max = size(self.write_max);
        plan.network.read_max = size(self.read_max);
        let permille = (self.interrupted * 1000).div_ceil(self.calls.max(1));
        plan.network.interrupted_permille = permille.min(500) as u16;
        plan.faults = self.faults(&peers, shift);
        Some(plan)
    }

    /// The peers, in the order in which they came.
    fn peers(&self) -> Vec<NodeId> {
        let mut peers: Vec<NodeId> = Vec::new();
        for peer in self.order.iter().filter_map(|id| self.conns[id].peer) {
            if !peers.contains(&peer) {
                peers.push(peer);
            }
        }
        peers
    }

    /// Connections that broke, each at its byte.
    fn faults(&self, peers: &[NodeId], shift: u32) -> Vec<Fault> {
        let (mut faults, mut counts) = (Vec::new(), BTreeMap::<u16, u32>::new());
        for id in &self.order {
            let conn = &self.conns[id];
            // A dial that proved nothing has no peer to be told by.
            let at =
                conn.peer.and_then(|peer| peers.iter().position(|known| *known == peer)).unwrap_or(0) as u16;
            let nth = counts.entry(at).or_default();
            let (receiver, sender, read_way) = match self.role {
                Some(Role::Responder) => (1 + at, 0, Way::Up),
                _ => (peers.len().max(1) as u16, at, Way::Down),
            };
            let write_way = if read_way == Way::Down { Way::Up } else { Way::Down };
            let failed = |effect: Option<Effect>| matches!(effect, Some(Effect::Errno(_) | Effect::Failed));
            let nth_now = *nth;
            let reset = |way, at: u64| Fault::Reset {
                receiver,
                sender,
                nth: nth_now,
                way,
                at_byte: at >> shift,
                eats_unread: Eating::UnderWay,
            };
            if failed(conn.last_read) {
                faults.push(reset(read_way, conn.read));
            } else if failed(conn.last_write) {
                faults.push(reset(write_way, conn.written));
            } else if conn.loss == Some(LinkLoss::Cut) && conn.last_read == Some(Effect::Done(0)) {
                let at_byte = conn.read >> shift;
                faults.push(Fault::EarlyFin { receiver, sender, nth: nth_now, way: read_way, at_byte });
            }
            *nth += 1;
        }
        faults
    }
}

fn manifest(encoded: &[u8]) -> Option<Manifest> {
    let limits = ManifestLimits { bytes_max: u32::MAX, entries_max: u32::MAX, total_max: TOTAL_MAX };
    Manifest::decode(encoded.to_vec().into(), &limits).ok()
}
