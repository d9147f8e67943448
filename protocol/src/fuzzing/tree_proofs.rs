//! Hash ranges and their proofs, against a tree that is simply built.

use alloc::vec::Vec;

use super::Cursor;
use crate::Hash;
use crate::content::geometry::{BLOCK, ChunkSize, Shape};
use crate::content::tree::{self, HASHES_MAX, HashRange, Ladder, Layer, RootBuilder};
use crate::swarm::hashes::{check, range_at};
use crate::wire::{HashRange as Asked, Hashes};

/// Hashes of a layer at most: more than two ranges.
const LAYER_MAX: u64 = 1100;

/// A layer of hashes, a range of it, and a proof that is right or wrong: it is believed if and only if it is right.
pub fn tree_proofs(bytes: &[u8]) {
    let mut input = Cursor::new(bytes);
    let (shape, level) = shape(&mut input);
    let made = Layer::new(&shape, level);
    assert_eq!(made.is_some(), level <= shape.height());
    let Some(layer) = made else { return };
    let seed = input.u8();
    let hashes: Vec<Hash> =
        (0..layer.len()).map(|at| tree::leaf(&[&[seed][..], &at.to_le_bytes()].concat())).collect();
    let levels = levels(&hashes, level, shape.height());
    let root = levels[levels.len() - 1][0];
    assert_eq!(root, tree::fold(hashes.clone(), level, shape.height() - level));
    if level == shape.span_height() && shape.size > 0 {
        let mut builder = RootBuilder::with_chunks(shape);
        hashes.iter().for_each(|span| builder.push(*span));
        let up = usize::from(shape.chunk_height() - level);
        let chunks = levels[up][..shape.chunks() as usize].to_vec();
        assert_eq!(builder.finish(), (root, chunks));
    }
    let whole: Vec<HashRange> = layer.ranges().collect();
    assert_eq!(whole.iter().map(|range| range.hashes() as u64).sum::<u64>(), layer.len());
    let (first, power) = (input.number(), input.u8());
    let count = 1_u32.checked_shl(power.into()).unwrap_or_else(|| input.number32());
    let range = layer.range(first, count);
    assert_eq!(range.is_some(), is_range(&layer, first, count, shape.height() - level));
    let range = range.or_else(|| whole.get(first as usize % whole.len().max(1)).copied());
    if let Some(range) = range {
        prove(&mut input, &Case { shape, level, root, hashes: &hashes, levels: &levels, range });
    }
}

/// A size and a level whose layer is small enough to be hashed here.
fn shape(input: &mut Cursor<'_>) -> (Shape, u8) {
    // Out of range is brought back: a share has no other.
    let chunk = ChunkSize::try_from(18 + input.u8() % 5).unwrap_or(ChunkSize::MIN);
    let level = input.u8() % 24;
    let leaves_max = LAYER_MAX << level;
    let blocks = if input.one_in(2) { input.number() } else { u64::from(input.u16()) << level };
    let size = (blocks % leaves_max) * BLOCK + u64::from(input.u16());
    (Shape { size: size.min(leaves_max * BLOCK), chunk }, level)
}

/// Every level from the layer up to the root, padded to powers of two.
fn levels(hashes: &[Hash], level: u8, height: u8) -> Vec<Vec<Hash>> {
    let mut below = hashes.to_vec();
    below.resize(1 << (height - level), tree::padding(level));
    let mut levels = alloc::vec![below];
    while levels[levels.len() - 1].len() > 1 {
        let next = levels[levels.len() - 1].chunks(2).map(|pair| tree::node(&pair[0], &pair[1])).collect();
        levels.push(next);
    }
    levels
}

fn is_range(layer: &Layer, first: u64, count: u32, above: u8) -> bool {
    count.is_power_of_two()
        && count <= HASHES_MAX
        && u64::from(count) <= 1 << above
        && first < layer.len()
        && first.is_multiple_of(u64::from(count))
}

struct Case<'a> {
    shape: Shape,
    level: u8,
    root: Hash,
    hashes: &'a [Hash],
    levels: &'a [Vec<Hash>],
    range: HashRange,
}

impl Case<'_> {
    /// The siblings on the way from the range to the root, but for those that lie wholly beyond the end.
    fn uncles(&self) -> Vec<Hash> {
        let mut uncles = Vec::new();
        let mut at = self.range.first() as usize / self.range.slots() as usize;
        for up in self.range.slots().trailing_zeros() as usize..self.levels.len() - 1 {
            let sibling = at ^ 1;
            if sibling << up < self.hashes.len() {
                uncles.push(self.levels[up][sibling]);
            }
            at /= 2;
        }
        uncles
    }
}

fn prove(input: &mut Cursor<'_>, case: &Case<'_>) {
    let first = case.range.first() as usize;
    let good = case.hashes[first..(first + case.range.slots() as usize).min(case.hashes.len())].to_vec();
    let uncles = case.uncles();
    assert_eq!((case.range.hashes(), case.range.uncles()), (good.len(), uncles.len()));
    assert_eq!(Ladder::new(case.range.layer(), case.hashes).prove(case.hashes, &case.range), uncles);
    assert_eq!(tree::check(&case.root, &case.range, &good, &uncles), Ok(()));
    let (mut said, mut proof) = (good.clone(), uncles.clone());
    while !input.is_empty() {
        let list = if input.one_in(2) { &mut proof } else { &mut said };
        distort(input, list);
    }
    let honest = said == good && proof == uncles;
    assert_eq!(tree::check(&case.root, &case.range, &said, &proof).is_ok(), honest);
    let mut other = case.root;
    other.0[0] ^= 1;
    assert!(tree::check(&other, &case.range, &good, &uncles).is_err());
    if case.level == case.shape.chunk_height() {
        as_message(case, said, proof, honest);
    }
}

/// The same as a peer would say it.
fn as_message(case: &Case<'_>, hashes: Vec<Hash>, proof: Vec<Hash>, honest: bool) {
    // Chunks are counted in 32 bits.
    let first = case.range.first() as u32;
    let is_whole = range_at(&case.shape, first) == Some(case.range);
    assert!(!is_whole || case.shape.chunks() > 1);
    let said = Hashes { range: Asked { blob: 1, first }, hashes, proof };
    let believed = check(&case.shape, &case.root, &said).is_ok();
    assert!(!believed || range_at(&case.shape, first).is_some());
    if is_whole {
        assert_eq!(believed, honest);
    }
}

fn distort(input: &mut Cursor<'_>, list: &mut Vec<Hash>) {
    let at = input.number() as usize % (list.len() + 1);
    match input.below(6) {
        0 => list.insert(at, Hash(input.name32())),
        1 if list.len() < LAYER_MAX as usize => list.extend_from_within(at..),
        2 => list.truncate(at),
        3 if at > 0 => list.swap(at - 1, 0),
        4 if at < list.len() => {
            list.remove(at);
        }
        _ => {
            if let Some(hash) = list.get_mut(at) {
                hash.0[usize::from(input.u8()) % 32] ^= input.u8();
            }
        }
    }
}
