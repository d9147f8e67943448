//! File roots are the `pieces root` of BitTorrent v2: compared with a table made by another implementation.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::{content, root_and_chunks};
use truecopy_protocol::Hash;
use truecopy_protocol::content::geometry::{BLOCK, ChunkSize, Shape};
use truecopy_protocol::content::tree::{Layer, LeafHasher, OneByOne, fold, leaf, padding, subtree};

/// Size and root of each file of the table; reads just this table's JSON.
fn table() -> Vec<(u64, Hash)> {
    let text = include_str!("fixtures/bep52-roots.json");
    let field = |line: &'static str, name: &str| {
        let value = line.trim().strip_prefix(&format!("\"{name}\": "))?;
        Some(value.trim_end_matches(',').trim_matches('"'))
    };
    let sizes = text.lines().filter_map(|line| field(line, "size")).map(|size| size.parse().unwrap());
    let roots = text.lines().filter_map(|line| field(line, "pieces_root")).map(|root| match root {
        "null" => Hash::ZERO,
        hex => Hash(std::array::from_fn(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())),
    });
    let table: Vec<_> = sizes.zip(roots).collect();
    assert_eq!(table.len(), text.matches("\"size\"").count());
    assert!(table.len() > 10);
    table
}

#[test]
fn every_root_of_the_table_is_ours_in_one_fold() {
    for (size, root) in table() {
        let shape = Shape { size, chunk: ChunkSize::MIN };
        assert_eq!(subtree(&OneByOne, &content(size), shape.height()), root, "{size}");
    }
}

#[test]
fn every_root_of_the_table_is_ours_span_by_span_at_every_chunk_size() {
    for (size, root) in table() {
        for log2 in 18..=22 {
            let shape = Shape { size, chunk: ChunkSize::try_from(log2).unwrap() };
            let (built, chunks) = root_and_chunks(&content(size), shape);
            assert_eq!(built, root, "{size} by 2^{log2}");
            assert_eq!(chunks.len() as u64, shape.chunks());
            let above = shape.height() - shape.chunk_height();
            assert_eq!(fold(chunks, shape.chunk_height(), above), root, "{size} by 2^{log2}");
        }
    }
}

/// BitTorrent v2 piece layers of 16 KiB, 64 KiB and 256 KiB all lead to the same root.
#[test]
fn every_root_of_the_table_follows_from_its_lower_layers() {
    for (size, root) in table().into_iter().filter(|(size, _)| *size > 0) {
        let shape = Shape { size, chunk: ChunkSize::MIN };
        let mut leaves = Vec::new();
        OneByOne.leaves(&content(size), &mut leaves);
        for level in [0, 2, 4].into_iter().filter(|level| *level <= shape.height()) {
            let layer: Vec<_> = leaves.chunks(1 << level).map(|part| fold(part.to_vec(), 0, level)).collect();
            assert_eq!(layer.len() as u64, Layer::new(&shape, level).unwrap().len());
            assert_eq!(fold(layer, level, shape.height() - level), root, "{size} at {level}");
        }
    }
}

#[test]
fn the_root_of_nothing_is_zero_and_of_one_block_its_hash() {
    let shape = |size| Shape { size, chunk: ChunkSize::MIN };
    assert_eq!(root_and_chunks(&[], shape(0)), (Hash::ZERO, vec![]));
    let block = content(BLOCK);
    assert_eq!(root_and_chunks(&block, shape(BLOCK)), (leaf(&block), vec![leaf(&block)]));
    assert_eq!(padding(0), Hash::ZERO);
}
