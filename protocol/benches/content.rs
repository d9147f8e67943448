//! Times of the content layer: `cargo bench -p truecopy-protocol`. The best of some rounds, as nothing else is stable.

use std::hint::black_box;
use std::time::{Duration, Instant};

use truecopy_protocol::Hash;
use truecopy_protocol::content::geometry::{ChunkSize, SPAN, Shape};
use truecopy_protocol::content::manifest::{
    FileEntry, Manifest, ManifestBuilder, ManifestLimits, Mtime, OwnedKind,
};
use truecopy_protocol::content::name::RelPathBuf;
use truecopy_protocol::content::tree::{Ladder, Layer, OneByOne, RootBuilder, check, fold, leaf, subtree};

const ENTRIES: u32 = 100_000;

fn main() {
    hashing();
    manifest();
    proofs();
}

/// Prints the best time of some rounds, and the rate if there are bytes to speak of.
fn time<T>(what: &str, rounds: u32, bytes: u64, mut work: impl FnMut() -> T) {
    let mut best = Duration::MAX;
    for _ in 0..rounds {
        let start = Instant::now();
        black_box(work());
        best = best.min(start.elapsed());
    }
    let nanos = best.as_nanos();
    let rate = bytes as f64 / best.as_secs_f64() / 1e6;
    if bytes > 0 {
        println!("{what:36} {nanos:>12} ns {rate:>8.0} MB/s")
    } else {
        println!("{what:36} {nanos:>12} ns")
    }
}

fn hashing() {
    let size = 16 * SPAN;
    let bytes: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
    let shape = Shape { size, chunk: ChunkSize::MIN };
    time("tree hash, 4 MiB by spans", 20, size, || {
        let mut builder = RootBuilder::with_chunks(shape);
        for span in bytes.chunks(SPAN as usize) {
            builder.push(subtree(&OneByOne, span, shape.span_height()));
        }
        builder.finish()
    });
}

fn manifest() {
    let mut builder = ManifestBuilder::new("bench");
    for i in 0..ENTRIES {
        let path = format!("project/src/module-{:03}/part-{:02}/file-{i:06}.rs", i % 500, i % 20);
        let root = leaf(&i.to_le_bytes());
        let mtime = Mtime { seconds: 1_700_000_000, nanos: 123_456_789 };
        let entry = FileEntry { size: 4096, root, mode: 0o644, mtime };
        // The names are plain ASCII.
        let Ok(path) = RelPathBuf::new(path.into_bytes()) else { continue };
        builder.push(path, OwnedKind::File(entry));
    }
    let chunk = builder.chunk_size();
    let Ok(made) = builder.finish(chunk) else { return };
    let encoded = made.encoded().clone();
    let len = encoded.len() as u64;
    time("manifest encode, 100k entries, sorted", 10, len, || builder.finish(chunk));
    time("manifest decode, 100k entries", 10, len, || {
        Manifest::decode(encoded.clone(), &ManifestLimits::default())
    });
    time("manifest walk, 100k entries", 10, len, || {
        made.entries().filter(|(_, e)| e.path.names().count() > 1).count()
    });
}

fn proofs() {
    let shape = Shape { size: 1 << 40, chunk: ChunkSize::MAX };
    let layer = Layer::chunks(&shape);
    let hashes: Vec<Hash> = (0..layer.len()).map(|i| leaf(&i.to_le_bytes())).collect();
    let root = fold(hashes.clone(), layer.level(), shape.height() - layer.level());
    time("ladder of a layer of 2^18 hashes", 3, layer.len() * 32, || Ladder::new(layer, &hashes));
    let ladder = Ladder::new(layer, &hashes);
    for count in [1, 16, 512] {
        let Some(range) = layer.range(1024, count) else { continue };
        let part = &hashes[1024..1024 + range.hashes()];
        let uncles = ladder.prove(&hashes, &range);
        time(&format!("prove {count} of 2^18 hashes"), 200, 0, || ladder.prove(&hashes, &range));
        time(&format!("check {count} of 2^18 hashes"), 200, 0, || check(&root, &range, part, &uncles));
    }
}
