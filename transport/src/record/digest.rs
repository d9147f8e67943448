//! Digests that tell one run from another. No defence against anyone who wants them to be equal.

use std::fmt;

/// Bytes of an output's description that are kept.
const TEXT_MAX: usize = 160;

/// FNV-1a, 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Digest(pub(super) u64);

impl Default for Digest {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Digest {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// A description of anything: the beginning of its text, and a digest of all of it.
#[derive(Debug, Default)]
pub(super) struct Description {
    pub(super) text: String,
    pub(super) digest: Digest,
}

impl Description {
    pub(super) fn of(what: &dyn fmt::Debug) -> Self {
        let mut description = Self::default();
        // Writing to it does not fail.
        let _ = fmt::write(&mut description, format_args!("{what:?}"));
        description
    }
}

impl fmt::Write for Description {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.digest.update(text.as_bytes());
        let room = TEXT_MAX - self.text.len();
        let end = (0..=room.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
        self.text.push_str(&text[..end.unwrap_or(0)]);
        Ok(())
    }
}

/// CRC-32 as in IEEE 802.3 (reflected, polynomial 0xEDB88320).
pub(super) fn crc32(parts: &[&[u8]]) -> u32 {
    let mut crc = u32::MAX;
    for byte in parts.iter().copied().flatten() {
        crc = TABLE[usize::from(crc as u8 ^ byte)] ^ (crc >> 8);
    }
    !crc
}

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let mut crc = i as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 };
            bit += 1;
        }
        table[i] = crc;
        i += 1;
    }
    table
};
