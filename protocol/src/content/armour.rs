//! The one line of text around a body: a scheme, and base 32 of the body and the first 4 bytes of its SHA-256.
//!
//! The body begins with its version. There are no optional fields: what is new comes under a new version.

use alloc::string::String;
use alloc::vec::Vec;

use sha2::{Digest, Sha256};

use crate::content::base32;

const CHECKSUM: usize = 4;

/// Why there is no body in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// It starts with something else.
    Scheme,
    /// Characters are wrong, missing or too many.
    Damaged,
}

/// The text of a body, in lower case.
pub(super) fn close(scheme: &str, mut body: Vec<u8>) -> String {
    let sum = checksum(&body);
    body.extend_from_slice(&sum);
    let mut text = String::from(scheme);
    base32::encode(&body, &mut text);
    text
}

/// The body of a text of at most `len_max` bytes in either case, with or without white space around it; never empty.
pub(super) fn open(scheme: &str, len_max: usize, text: &str) -> Result<Vec<u8>, Broken> {
    let text = text.trim();
    let digits = match text.split_at_checked(scheme.len()) {
        Some((start, digits)) if start.eq_ignore_ascii_case(scheme) => digits,
        _ => return Err(Broken::Scheme),
    };
    if text.len() > len_max {
        return Err(Broken::Damaged);
    }
    let mut bytes = base32::decode(digits).ok_or(Broken::Damaged)?;
    let (body, sum) = bytes.split_last_chunk::<CHECKSUM>().ok_or(Broken::Damaged)?;
    if body.is_empty() || checksum(body) != *sum {
        return Err(Broken::Damaged);
    }
    bytes.truncate(bytes.len() - CHECKSUM);
    Ok(bytes)
}

fn checksum(body: &[u8]) -> [u8; CHECKSUM] {
    let [a, b, c, d, ..]: [u8; 32] = Sha256::digest(body).into();
    [a, b, c, d]
}
