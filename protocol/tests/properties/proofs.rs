//! Proofs of ranges of hashes.

use proptest::prelude::*;
use truecopy_protocol::Hash;
use truecopy_protocol::content::geometry::{BLOCK, ChunkSize, Shape};
use truecopy_protocol::content::tree::{Ladder, Layer, check, fold, leaf, prove};

fn hashes(len: u64) -> Vec<Hash> {
    (0..len).map(|i| leaf(&i.to_le_bytes())).collect()
}

/// Any layer of up to 3000 hashes, at any low level of a blob.
fn layer() -> impl Strategy<Value = (Layer, Vec<Hash>, Hash)> {
    (1..3000_u64, 0..4_u8, 1..BLOCK).prop_map(|(len, level, short)| {
        let size = ((len - 1) << level) * BLOCK + short;
        let shape = Shape { size, chunk: ChunkSize::MIN };
        let layer = Layer::new(&shape, level.min(shape.height())).unwrap();
        let hashes = hashes(layer.len());
        let root = fold(hashes.clone(), layer.level(), shape.height() - layer.level());
        (layer, hashes, root)
    })
}

proptest! {
    #[test]
    fn every_range_is_proven_by_exactly_its_hashes((layer, hashes, root) in layer()) {
        let ladder = Ladder::new(layer, &hashes);
        let mut seen = 0;
        for range in layer.ranges() {
            let first = range.first() as usize;
            let part = &hashes[first..first + range.hashes()];
            let uncles = ladder.prove(&hashes, &range);
            prop_assert_eq!(uncles.len(), range.uncles());
            prop_assert_eq!(check(&root, &range, part, &uncles), Ok(()));
            seen += part.len();
        }
        prop_assert_eq!(seen, hashes.len());
    }

    #[test]
    fn a_proof_with_any_hash_changed_moved_missing_or_added_is_refused(
        (layer, hashes, root) in layer(), at in any::<prop::sample::Index>(), height in 0..10_u32,
        place in any::<prop::sample::Index>(), bit in 0..256_usize,
    ) {
        let count = 1 << height;
        let first = at.index(hashes.len()) as u64 / u64::from(count) * u64::from(count);
        let Some(range) = layer.range(first, count) else { return Ok(()) };
        let first = first as usize;
        let part = hashes[first..first + range.hashes()].to_vec();
        let uncles = prove(&hashes, &range);
        prop_assert_eq!(check(&root, &range, &part, &uncles), Ok(()));
        let good: Vec<Hash> = part.iter().chain(&uncles).copied().collect();
        let split = |all: &[Hash]| check(&root, &range, &all[..part.len()], &all[part.len()..]);

        let mut changed = good.clone();
        let place = place.index(good.len());
        changed[place].0[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(split(&changed).is_err());
        if good.len() > 1 {
            let mut moved = good.clone();
            moved.swap(place, (place + 1) % good.len());
            prop_assert!(split(&moved).is_err());
        }
        let mut longer = good.clone();
        longer.push(Hash::ZERO);
        prop_assert!(split(&longer).is_err());
        prop_assert!(check(&root, &range, &part[1..], &uncles).is_err());
        if let Some((_, fewer)) = uncles.split_last() {
            prop_assert!(check(&root, &range, &part, fewer).is_err());
        }
    }

    #[test]
    fn a_range_that_is_not_aligned_or_too_wide_is_none((layer, _, _) in layer(), first in 0..4096_u64, count in 0..2048_u32) {
        if let Some(range) = layer.range(first, count) {
            prop_assert!(count.is_power_of_two() && count <= 512 && first % u64::from(count) == 0);
            prop_assert!((1..=count as usize).contains(&range.hashes()));
        }
    }
}
