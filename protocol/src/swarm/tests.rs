use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use core::time::Duration;

use proptest::collection::vec as many;
use proptest::prelude::*;

use super::download::{Download, Told};
use super::hashes::{ChunkHash, FileHashes, check, range_at};
use super::have::Have;
use super::targets::{Next, Origin as Known, Targets};
use super::transfer::{Before, Checked, Choice, Ordering, Origin, Sentence, Transfer};
use super::upload::{Upload, run_len};
use crate::config::Config;
use crate::content::geometry::{ChunkSize, SPAN, Shape};
use crate::content::layers::Layers;
use crate::content::manifest::{FileEntry, Manifest, ManifestBuilder, Mtime, OwnedKind};
use crate::content::name::RelPathBuf;
use crate::content::selection::Selection;
use crate::content::tree::{self, RootBuilder};
use crate::input::{LinkLoss, Order, PeerHint};
use crate::job::{Claim, Opened, Trust};
use crate::output::Fault;
use crate::rng::Rng;
use crate::wire::{BlockRun, BlocksHead, ChunkRange, HashRange, Hashes};
use crate::{BlobId, Candidate, ChunkIndex, ConnId, EntryIndex, Hash, NodeId, Now};

const ONE: ConnId = ConnId(1);
const TWO: ConnId = ConnId(2);
const SEQUENTIAL: Ordering = Ordering { order: Order::Sequential, seed: 1 };
/// A peer that has every chunk of any share here.
/// What a peer has that has everything.
const fn all() -> Have {
    Have::All(u32::MAX)
}

/// A peer that has these of so many chunks.
fn having(chunks: u32, which: &[u32]) -> Have {
    let mut have = Have::default();
    have.settle(chunks).unwrap();
    which.iter().for_each(|first| have.tell(&[ChunkRange { first: *first, count: 1 }], &mut |_| {}).unwrap());
    have
}

/// The hash of a span: of its name, for no bytes are needed here.
fn span_hash(blob: u32, span: u64) -> Hash {
    tree::leaf(&[&blob.to_le_bytes()[..], &span.to_le_bytes()].concat())
}

fn share(sizes: &[u64]) -> (Arc<Manifest>, Arc<Layers>) {
    let chunk = ChunkSize::for_share(sizes.iter().sum());
    let (mut builder, mut parts) = (ManifestBuilder::new("share"), BTreeMap::new());
    for (index, size) in (0..).zip(sizes) {
        let shape = Shape { size: *size, chunk };
        let mut roots = RootBuilder::with_chunks(shape);
        (0..shape.spans()).for_each(|span| roots.push(span_hash(index + 1, span)));
        let (root, layer) = roots.finish();
        if layer.len() > 1 {
            parts.insert(EntryIndex(index), layer);
        }
        let root = if *size == 0 { Hash::ZERO } else { root };
        let mtime = Mtime { seconds: 0, nanos: 0 };
        let path = RelPathBuf::new(alloc::format!("{index:04}").into_bytes()).unwrap();
        builder.push(path, OwnedKind::File(FileEntry { size: *size, root, mode: 0o644, mtime }));
    }
    let manifest = Arc::new(builder.finish(chunk).unwrap());
    let layers = Arc::new(Layers::assemble(Arc::clone(&manifest), parts).unwrap());
    (manifest, layers)
}

fn nothing() -> Opened {
    Opened { claims: vec![], trust: Trust::Recheck, settled: vec![] }
}

fn begin(
    manifest: Arc<Manifest>,
    layers: Option<Arc<Layers>>,
    wanted: Selection,
    opened: &Opened,
) -> Transfer {
    let choice = Choice { wanted, first: Selection::none() };
    Transfer::new(manifest, layers, &choice, opened, SEQUENTIAL, Before::default())
}

fn hash_of(run: BlockRun) -> Hash {
    span_hash(run.blob, u64::from(run.block / 16))
}

/// A transfer, and what a model says of it.
struct Model {
    layers: Arc<Layers>,
    transfer: Transfer,
    asked: Vec<(ConnId, BlockRun)>,
    landing: Vec<(ConnId, BlockRun)>,
    ranges: Vec<HashRange>,
    questioned: Vec<u32>,
    verified: BTreeSet<u32>,
    bytes: u64,
}

impl Model {
    /// Wants these files. A wide share has a large one more, so that its chunks have two spans.
    fn new(sizes: &[u64], wide: bool) -> Self {
        let wanted = (0..sizes.len() as u32).map(EntryIndex).collect();
        let large = wide.then_some((1 << 31) + 1);
        let (manifest, layers) = share(&sizes.iter().copied().chain(large).collect::<Vec<_>>());
        let selection = Selection::Some(wanted);
        let transfer = begin(manifest, None, selection, &nothing());
        Self {
            layers,
            transfer,
            asked: vec![],
            landing: vec![],
            ranges: vec![],
            questioned: vec![],
            verified: BTreeSet::new(),
            bytes: 0,
        }
    }

    fn step(&mut self, op: u8, dice: usize) {
        match op {
            0 | 1 => {
                let id = if op == 0 { ONE } else { TWO };
                if let Some((_, run)) = self.transfer.pick(id, 3, &mut all(), None) {
                    assert!(
                        !self.asked.iter().chain(&self.landing).any(|(_, other)| *other == run),
                        "asked once"
                    );
                    self.asked.push((id, run));
                }
            }
            2 if !self.asked.is_empty() => {
                let (id, run) = self.asked.swap_remove(dice % self.asked.len());
                assert!(self.transfer.landing(run, id).is_some());
                self.landing.push((id, run));
            }
            3 if !self.asked.is_empty() => {
                let (_, run) = self.asked.swap_remove(dice % self.asked.len());
                self.transfer.unask(run);
            }
            4 | 5 if !self.landing.is_empty() => {
                let (_, run) = self.landing.swap_remove(dice % self.landing.len());
                let hash = if op == 4 { hash_of(run) } else { Hash([op; 32]) };
                if let Some(Checked::Wrong { place, from }) = self.transfer.landed(run, hash) {
                    self.judge(place.chunk, &from);
                }
            }
            6 => self.ranges.extend(self.transfer.pick_hashes(&all())),
            7 if !self.ranges.is_empty() => {
                let range = self.ranges.swap_remove(dice % self.ranges.len());
                self.transfer.unask_hashes(range);
            }
            8 if !self.ranges.is_empty() => {
                let range = self.ranges.swap_remove(dice % self.ranges.len());
                let layer = self.layers.layer(BlobId(range.blob).entry().unwrap()).unwrap();
                let layer = layer[range.first as usize..].iter().take(512).copied().collect::<Vec<_>>();
                let came = Hashes { range, hashes: layer, proof: vec![] };
                for (place, from) in self.transfer.proven(&came) {
                    self.judge(place.chunk, &from);
                }
            }
            9 if !self.questioned.is_empty() => {
                let chunk = self.questioned.swap_remove(dice % self.questioned.len());
                self.transfer.again(chunk);
            }
            _ => {}
        }
        self.check();
    }

    fn judge(&mut self, chunk: u32, from: &Origin) {
        if let Sentence::Doubt(id) = self.transfer.judge(chunk, from, |_| true) {
            assert_eq!(self.transfer.pick_doubt(id).map(|place| place.chunk), Some(chunk));
            self.questioned.push(chunk);
        }
    }

    fn check(&mut self) {
        for claim in self.transfer.take_claims() {
            assert!(self.verified.insert(claim.chunk.0), "verified once");
            assert_eq!(Some(claim.hash), self.layers.chunk_hash(claim.chunk));
            self.bytes += self.transfer.place(claim.chunk.0).unwrap().bytes();
        }
        assert_eq!(self.transfer.progress.verified, self.bytes);
    }

    /// From now on all goes well: everything is verified in the end.
    fn finish(&mut self) {
        for _ in 0..2_000 {
            if self.transfer.is_complete() {
                break;
            }
            [0, 1, 6, 8, 9, 2, 4].into_iter().for_each(|op| self.step(op, 0));
        }
        assert!(self.transfer.is_complete());
        assert_eq!(self.transfer.progress.verified, self.transfer.progress.wanted);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn every_wanted_chunk_is_verified_once_whatever_happens(
        sizes in many(prop_oneof![0..3_u64, 1..SPAN, SPAN..9 * SPAN], 1..5),
        wide in prop::bool::weighted(0.3),
        ops in many((0..10_u8, any::<usize>()), 0..400),
    ) {
        let mut model = Model::new(&sizes, wide);
        ops.into_iter().for_each(|(op, dice)| model.step(op, dice));
        model.finish();
    }

    #[test]
    fn what_a_peer_has_is_a_set(ops in many((any::<bool>(), 0..60_u32, 0..9_u32), 0..80)) {
        let (mut have, mut model, mut seen) = (Have::default(), BTreeSet::new(), BTreeSet::new());
        for (at, (adds, first, count)) in ops.into_iter().enumerate() {
            if at == 20 {
                have.settle(100).unwrap();
                seen = model.clone();
            }
            if adds {
                have.tell(&[ChunkRange { first, count }], &mut |chunk| assert!(seen.insert(chunk))).unwrap();
                model.extend(first..first + count);
            } else if at >= 20 {
                assert_eq!(have.lacks(first, &mut |chunk| assert!(seen.insert(chunk))), model.remove(&first));
                seen.remove(&first);
            }
            (0..100).for_each(|chunk| assert_eq!(have.contains(chunk), model.contains(&chunk)));
            (0..100).for_each(|chunk| assert_eq!(have.next(chunk), model.range(chunk..).next().copied()));
            assert!(at < 20 || seen == model, "what is counted is what it has");
        }
    }

    #[test]
    fn ranges_of_hashes_prove_themselves(chunks in 2..3000_u64, first in 0..6_u32) {
        let size = chunks * SPAN - 5;
        let shape = Shape { size, chunk: ChunkSize::MIN };
        let mut roots = RootBuilder::with_chunks(shape);
        (0..shape.spans()).for_each(|span| roots.push(span_hash(1, span)));
        let (root, layer) = roots.finish();
        let range = HashRange { blob: 1, first: first * 512 };
        let Some(at) = range_at(&shape, range.first) else {
            prop_assert!(u64::from(range.first) >= chunks);
            return Ok(());
        };
        let start = range.first as usize;
        let hashes = layer[start..start + at.hashes()].to_vec();
        let right = Hashes { range, hashes, proof: tree::prove(&layer, &at) };
        prop_assert_eq!(check(&shape, &root, &right), Ok(()));
        let mut wrong = right.clone();
        wrong.hashes[0].0[0] ^= 1;
        prop_assert_eq!(check(&shape, &root, &wrong), Err(Fault::BadProof));
    }
}

#[test]
fn claims_are_rechecked_in_order_and_rot_is_fetched_again() {
    let (manifest, layers) = share(&[3 * SPAN, 5]);
    let claim =
        |chunk| Claim { chunk: ChunkIndex(chunk), hash: layers.chunk_hash(ChunkIndex(chunk)).unwrap() };
    let opened = Opened { claims: vec![claim(0), claim(2), claim(2), claim(3)], ..nothing() };
    let mut transfer = begin(manifest, Some(Arc::clone(&layers)), Selection::All, &opened);
    assert_eq!(transfer.progress.to_recheck, 2 * SPAN + 5);
    let first = transfer.recheck(1).unwrap();
    assert_eq!((first.chunk, transfer.recheck(1)), (0, None));
    transfer.rechecked(first, Some(claim(0).hash));
    let second = transfer.recheck(1).unwrap();
    transfer.rechecked(second, Some(Hash([1; 32])));
    let third = transfer.recheck(1).unwrap();
    transfer.rechecked(third, None);
    assert!(!transfer.is_rechecking());
    assert_eq!(transfer.progress.verified, SPAN);
    let picked =
        |transfer: &mut Transfer| transfer.pick(ONE, 9, &mut all(), None).map(|(place, _)| place.chunk);
    let mut missing: Vec<u32> = core::iter::from_fn(|| picked(&mut transfer)).collect();
    missing.sort_unstable();
    assert_eq!(missing, [1, 2, 3]);
}

#[test]
fn trusted_claims_that_wait_for_proof_ask_for_it() {
    let (manifest, layers) = share(&[600 * SPAN]);
    let claims = (0..600).filter(|chunk| *chunk != 5);
    let claim =
        |chunk| Claim { chunk: ChunkIndex(chunk), hash: layers.chunk_hash(ChunkIndex(chunk)).unwrap() };
    let opened = Opened { claims: claims.map(claim).collect(), trust: Trust::Trusted, ..nothing() };
    let mut transfer = begin(manifest, None, Selection::All, &opened);
    let ranges: Vec<u32> =
        core::iter::from_fn(|| transfer.pick_hashes(&all())).map(|range| range.first).collect();
    assert_eq!(ranges, [0, 512]);
}

#[test]
fn a_chunk_that_came_wrong_from_two_is_asked_of_one() {
    let (manifest, layers) = share(&[1 << 30, 1 << 29]);
    let mut transfer = begin(manifest, Some(layers), Selection::All, &nothing());
    let (_, first) = transfer.pick(ONE, 9, &mut all(), None).unwrap();
    let (place, second) = transfer.pick(TWO, 9, &mut all(), None).unwrap();
    transfer.landing(first, ONE);
    transfer.landing(second, TWO);
    assert_eq!(transfer.landed(first, hash_of(first)), None);
    let mut first_only = having(transfer.verified().len(), &[0]);
    let from = vec![(hash_of(first), ONE), (Hash::ZERO, TWO)];
    assert_eq!(transfer.landed(second, Hash::ZERO), Some(Checked::Wrong { place, from: from.clone() }));
    assert_eq!(transfer.judge(place.chunk, &from, |_| true), Sentence::Again);
    assert_eq!(transfer.pick(TWO, 9, &mut first_only, None).unwrap().1.block, 0);
    assert_eq!(transfer.pick(ONE, 9, &mut first_only, None), None);
    transfer.landing(first, TWO);
    transfer.source_gone(TWO);
    assert!(transfer.pick(ONE, 9, &mut first_only, None).is_some(), "whoever is left may have the rest");
}

#[test]
fn when_a_chunk_of_several_comes_right_whoever_sent_its_wrong_span_is_named() {
    let (manifest, layers) = share(&[1 << 30, 1 << 29]);
    let mut transfer = begin(manifest, Some(layers), Selection::All, &nothing());
    let mut first_only = having(transfer.verified().len(), &[0]);
    let mut round = |of_first: ConnId, of_second: ConnId, wrong: Option<ConnId>| {
        let (_, first) = transfer.pick(of_first, 9, &mut first_only, None).unwrap();
        let (place, second) = transfer.pick(of_second, 9, &mut first_only, None).unwrap();
        let mut checked = None;
        for (run, from) in [(first, of_first), (second, of_second)] {
            transfer.landing(run, from).unwrap();
            let hash = if wrong == Some(from) { Hash::ZERO } else { hash_of(run) };
            checked = transfer.landed(run, hash);
        }
        if let Some(Checked::Wrong { from, .. }) = &checked {
            assert_eq!(transfer.judge(place.chunk, from, |_| true), Sentence::Again);
        }
        (checked == Some(Checked::Verified), transfer.take_culprits())
    };
    assert_eq!(round(ONE, TWO, Some(TWO)), (false, vec![]), "nobody is named on a guess");
    assert_eq!(round(ONE, ONE, None), (true, vec![(TWO, 0)]));
}

#[test]
fn a_sender_stays_one_while_it_gives_a_chunk_to_somebody_else() {
    let mut download = Download::new(&Config::default(), Now::ZERO);
    download.tell_have(&[ChunkRange { first: 0, count: 9 }], Some(9), &mut |_| {}).unwrap();
    assert!(download.is_sender());
    download.lacks(3, &mut |_| {});
    assert!(download.is_sender() && !download.have().is_whole());
}

#[test]
fn blocks_continue_their_run_and_nothing_else() {
    let mut download = Download::new(&Config::default(), Now::ZERO);
    let run = BlockRun { blob: 1, block: 16, count: 16 };
    let head = |block, len| BlocksHead { blob: 1, block, len };
    download.ask(run, SPAN as u32, Now::ZERO);
    assert_eq!(download.begin(head(0, 16384)), Err(Fault::Unasked));
    assert_eq!(download.begin(head(16, 16384)), Ok(()));
    assert_eq!(download.advance(16384, Now::ZERO, &Config::default()), None);
    assert_eq!(download.begin(head(16, 16384)), Err(Fault::Unasked));

    let mut download = Download::new(&Config::default(), Now::ZERO);
    download.ask(run, SPAN as u32, Now::ZERO);
    assert_eq!(download.begin(head(16, 16384)), Ok(()));
    assert_eq!(download.advance(16384, Now::ZERO, &Config::default()), None);
    let other_blob = BlocksHead { blob: 2, block: 17, len: 16384 };
    assert_eq!(download.begin(other_blob), Err(Fault::Unasked));
}

#[test]
fn what_is_asked_of_a_source_keeps_it_busy_and_takes_memory() {
    let mut download = Download::new(&Config::default(), Now::ZERO);
    assert!(!download.is_busy());
    let empty = download.memory();
    let run = BlockRun { blob: 1, block: 0, count: 16 };
    download.ask(run, SPAN as u32, Now::ZERO);
    assert!(download.is_busy());
    let asked = download.memory();
    assert!(asked > empty);
    let apart = [0, 2, 4].map(|first| ChunkRange { first, count: 1 });
    download.tell_have(&apart, None, &mut |_| {}).unwrap();
    assert_eq!(download.memory(), asked + 3 * size_of::<(u32, u32)>());
    assert_eq!(download.begin(BlocksHead { blob: 1, block: 0, len: SPAN as u32 }), Ok(()));
    assert!(download.is_busy());
    assert_eq!(download.advance(SPAN as usize, Now::ZERO, &Config::default()), Some((run, SPAN as u32)));
    assert!(!download.is_busy());

    let (manifest, _) = share(&[SPAN]);
    let mut upload = Upload::default();
    assert_eq!(upload.memory(), 0);
    upload.ask(run, &manifest, 9).unwrap();
    assert_eq!(upload.memory(), size_of::<BlockRun>());
}

#[test]
fn the_window_goes_half_the_way_to_what_comes_in_a_second() {
    let config = Config::default();
    let room = |download: &mut Download| {
        let asks = (0..).take_while(|at| {
            let has_room = download.has_room(&config);
            if has_room {
                download.ask(BlockRun { blob: 9, block: at * 16, count: 16 }, SPAN as u32, Now::ZERO);
            }
            has_room
        });
        asks.count()
    };
    assert_eq!(room(&mut Download::new(&config, Now::ZERO)), 16, "4 MiB");
    let mut download = Download::new(&config, Now::ZERO);
    let run = BlockRun { blob: 1, block: 0, count: 16 };
    download.ask(run, SPAN as u32, Now::ZERO);
    download.begin(BlocksHead { blob: 1, block: 0, len: SPAN as u32 }).unwrap();
    // 1.25 MiB a second.
    let later = Now::ZERO + Duration::from_millis(200);
    assert!(download.advance(SPAN as usize, later, &config).is_some());
    assert_eq!(room(&mut download), 11, "2.625 MiB");
}

#[test]
fn computed_hashes_of_all_chunks_lead_to_the_root_and_all_are_needed() {
    let all: Vec<Hash> = (0..3_u8).map(|at| tree::leaf(&[at])).collect();
    let root = tree::fold(all.clone(), 4, 2);
    let mut hashes = FileHashes::new(3);
    for (chunk, hash) in (0..).zip(&all) {
        assert!(!hashes.lead_to(&root, 4, 6));
        hashes.set(chunk, ChunkHash::Computed(*hash));
        // Told twice is told once.
        hashes.set(chunk, ChunkHash::Proven(*hash));
    }
    assert!(hashes.lead_to(&root, 4, 6));
    hashes.set(1, ChunkHash::Unknown);
    assert!(!hashes.lead_to(&root, 4, 6));
    hashes.set(1, ChunkHash::Computed(Hash::ZERO));
    assert!(!hashes.lead_to(&root, 4, 6));
}

#[test]
fn an_answered_range_of_hashes_is_not_wanted_again() {
    let mut hashes = FileHashes::new(600);
    assert_eq!(hashes.want(513), Some(512));
    assert_eq!(hashes.want(599), None);
    assert!(!hashes.unask(512), "it was not asked");
    hashes.asked(512);
    assert!(hashes.unask(512));
    hashes.asked(512);
    hashes.answered(512, vec![]);
    assert!(!hashes.unask(512));
}

#[test]
fn a_source_is_due_to_say_what_it_has() {
    let mut download = Download::new(&Config::default(), Now::ZERO);
    assert!(download.stalled_since().is_some());
    download.tell(Told::Preparing, Now::ZERO);
    assert_eq!(download.stalled_since(), None);
    let later = Now::from_nanos(5);
    download.tell(Told::Info, later);
    assert_eq!(download.stalled_since(), Some(later));
    download.tell(Told::Have, later);
    download.tell(Told::Info, later);
    assert_eq!(download.stalled_since(), None);
}

#[test]
fn a_run_lies_in_one_span_of_its_blob() {
    let shape = Shape { size: 20 * 16384 + 1, chunk: ChunkSize::MIN };
    let len = |block, count| run_len(&shape, BlockRun { blob: 1, block, count });
    assert_eq!(len(0, 16), Some(SPAN as u32));
    assert_eq!(len(16, 5), Some(4 * 16384 + 1));
    assert_eq!(len(20, 1), Some(1));
    for (block, count) in [(0, 0), (0, 17), (15, 2), (16, 6), (21, 1), (0, u32::MAX), (u32::MAX, 1)] {
        assert_eq!(len(block, count), None);
    }
}

#[test]
fn addresses_are_tried_one_after_another_and_pauses_grow() {
    let (config, mut rng) = (Config::default(), Rng::new([1; 32]));
    let addresses: Vec<Candidate> =
        ["192.0.2.1:1", "192.0.2.2:1"].iter().map(|a| a.parse().unwrap()).collect();
    let mut targets = Targets::default();
    targets.add(PeerHint { key: None, addresses: addresses.clone() }, Known::Named, Now::ZERO);
    targets.add(PeerHint { key: None, addresses: addresses.clone() }, Known::Named, Now::ZERO);
    let (mut now, mut conn, mut pauses) = (Now::ZERO, 0, vec![]);
    for _ in 0..12 {
        for address in &addresses {
            let (index, due) = targets.due(now, 9, &BTreeMap::new()).unwrap();
            assert_eq!(due.to, *address);
            targets.dialled(index, ConnId(conn), now, &config);
            assert_eq!(targets.due(now, 9, &BTreeMap::new()), None, "the next address waits a little");
            let next = targets.lost(ConnId(conn), LinkLoss::Refused, now, &mut rng, &config);
            conn += 1;
            if let Next::Waiting { until, .. } = next {
                pauses.push(until.since(now));
                assert_eq!(targets.wake(9), Some(until));
                now = until;
            }
        }
    }
    assert_eq!(pauses.len(), 12);
    assert!(pauses[0] <= config.backoff_min && pauses[3] > config.backoff_min);
    assert!(pauses.iter().all(|pause| *pause <= config.backoff_max));
    assert!(pauses[11] >= Duration::from_secs(7));
}

#[test]
fn a_peer_that_is_known_at_two_addresses_is_lost_at_both() {
    let (config, mut rng) = (Config::default(), Rng::new([1; 32]));
    let key = NodeId([7; 32]);
    let hint = |address: &str| PeerHint { key: Some(key), addresses: vec![address.parse().unwrap()] };
    let mut targets = Targets::default();
    targets.add(hint("192.0.2.1:1"), Known::Named, Now::ZERO);
    let (index, _) = targets.due(Now::ZERO, 9, &BTreeMap::new()).unwrap();
    targets.dialled(index, ConnId(1), Now::ZERO, &config);
    targets.connected(ConnId(1), key).unwrap();
    // It has another address now, and the old connection still seems to be there.
    targets.add(hint("192.0.2.2:1"), Known::Named, Now::ZERO);
    assert_eq!(targets.due(Now::ZERO, 9, &BTreeMap::from([(key, ConnId(1))])), None);
    targets.lost(ConnId(1), LinkLoss::TimedOut, Now::ZERO, &mut rng, &config);
    let later = Now::ZERO + config.backoff_max;
    let mut dialled = vec![];
    while let Some((index, due)) = targets.due(later, 9, &BTreeMap::new()) {
        targets.dialled(index, ConnId(2 + index as u64), later, &config);
        dialled.push(due.to.to_string());
    }
    assert_eq!(dialled, ["192.0.2.1:1", "192.0.2.2:1"]);
}
