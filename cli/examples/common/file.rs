//! A file to be moved by a measurement.

use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Writes so many MiB that nothing can compress, the same each time, and has them on the disk.
pub(crate) fn write(path: &Path, mib: usize) {
    let mut file = File::create(path).unwrap();
    let mut word = 1_u64;
    for _ in 0..mib {
        let words = (0..1 << 17).flat_map(|_| {
            word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (word ^ (word >> 33)).to_le_bytes()
        });
        file.write_all(&words.collect::<Vec<u8>>()).unwrap();
    }
    file.sync_all().unwrap();
}
