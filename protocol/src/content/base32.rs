//! Base 32 (RFC 4648) without padding: written in lower case, read in either, one text for the same bytes otherwise.

use alloc::string::String;
use alloc::vec::Vec;

const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// The text of these bytes.
pub(super) fn encode(bytes: &[u8], text: &mut String) {
    let (mut held, mut bits) = (0_u32, 0);
    for byte in bytes {
        held = held << 8 | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(DIGITS[(held >> bits & 31) as usize]));
        }
    }
    if bits > 0 {
        text.push(char::from(DIGITS[(held << (5 - bits) & 31) as usize]));
    }
}

/// The bytes of a text; none if it has another character, a digit too many, or bits left over that are not zero.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 5 / 8);
    let (mut held, mut bits) = (0_u32, 0);
    for digit in text.bytes() {
        let value = match digit.to_ascii_lowercase() {
            letter @ b'a'..=b'z' => letter - b'a',
            figure @ b'2'..=b'7' => figure - b'2' + 26,
            _ => return None,
        };
        held = held << 5 | u32::from(value);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            // The upper bits are those of bytes already pushed.
            bytes.push((held >> bits) as u8);
        }
    }
    (bits < 5 && held & ((1 << bits) - 1) == 0).then_some(bytes)
}

#[cfg(test)]
mod tests;
