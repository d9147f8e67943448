//! Roots against a tree that is made the plain way.

use proptest::prelude::*;
use truecopy_protocol::Hash;
use truecopy_protocol::content::geometry::{BLOCK, ChunkSize, Shape};
use truecopy_protocol::content::tree::{Layer, OneByOne, check, fold, leaf, node, padding, prove, subtree};

use crate::common::root_and_chunks;
use crate::few;

/// The hash of the subtree of this height over these bytes, by the words of the specification.
fn plain(bytes: &[u8], height: u8) -> Hash {
    if height == 0 {
        return if bytes.is_empty() { Hash::ZERO } else { leaf(bytes) };
    }
    let half = bytes.len().min((BLOCK as usize) << (height - 1));
    node(&plain(&bytes[..half], height - 1), &plain(&bytes[half..], height - 1))
}

/// Some bytes, most often around a whole number of blocks; no two blocks alike.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    (0..70_u64, 0..3_u64, any::<u32>()).prop_map(|(blocks, beside, salt)| {
        let size = (blocks * BLOCK + beside).saturating_sub(1) as usize;
        let word = |at: usize| (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(salt);
        (0..size.div_ceil(8)).flat_map(|at| word(at).to_le_bytes()).take(size).collect()
    })
}

proptest! {
    #![proptest_config(few(48))]

    #[test]
    fn the_root_is_that_of_the_plain_tree_however_it_is_built(bytes in bytes(), log2 in 18..=22_u8) {
        let shape = Shape { size: bytes.len() as u64, chunk: ChunkSize::try_from(log2).unwrap() };
        let expected = plain(&bytes, shape.height());
        let (root, chunks) = root_and_chunks(&bytes, shape);
        prop_assert_eq!(root, expected);
        prop_assert_eq!(subtree(&OneByOne, &bytes, shape.height()), expected);
        let whole = shape.chunk.bytes() as usize;
        let layer: Vec<Hash> = bytes.chunks(whole).map(|part| plain(part, shape.chunk_height())).collect();
        prop_assert_eq!(&chunks, &layer);
        let above = shape.height() - shape.chunk_height();
        prop_assert_eq!(fold(layer, shape.chunk_height(), above), expected);
    }

    #[test]
    fn a_range_of_any_level_is_proven_under_the_plain_root(
        bytes in bytes(), level in 0..7_u8, at in any::<prop::sample::Index>(), high in 0..7_u8,
    ) {
        let shape = Shape { size: bytes.len() as u64, chunk: ChunkSize::MIN };
        let Some(layer) = Layer::new(&shape, level) else { return Ok(()) };
        let Some(first) = (!layer.is_empty()).then(|| at.index(layer.len() as usize) as u64 >> high << high)
        else {
            return Ok(());
        };
        let unit = (BLOCK as usize) << level;
        let hashes: Vec<Hash> = bytes.chunks(unit).map(|part| plain(part, level)).collect();
        let root = plain(&bytes, shape.height());
        let range = layer.range(first, 1 << high);
        // Wider than the tree is no range.
        prop_assert_eq!(range.is_some(), level + high <= shape.height());
        let Some(range) = range else { return Ok(()) };
        let part = &hashes[first as usize..first as usize + range.hashes()];
        prop_assert_eq!(check(&root, &range, part, &prove(&hashes, &range)), Ok(()));
        prop_assert_eq!((range.first(), range.slots(), range.layer()), (first, 1 << high, layer));
    }

    #[test]
    fn a_fold_pads_on_the_right(count in 0..40_usize, height in 0..7_u8, level in 0..5_u8) {
        let count = count.min(1 << height);
        let hashes: Vec<Hash> = (0..count).map(|at| leaf(&at.to_le_bytes())).collect();
        let mut row = hashes.clone();
        row.resize(1 << height, padding(level));
        while row.len() > 1 {
            row = row.chunks(2).map(|pair| node(&pair[0], &pair[1])).collect();
        }
        prop_assert_eq!(fold(hashes, level, height), row[0]);
        prop_assert_eq!(padding(level + height), fold(Vec::new(), level, height));
    }
}
