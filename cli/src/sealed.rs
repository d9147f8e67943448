//! Files of our own state: magic, SHA-256 of what follows, body. A damaged one is as good as none.

use std::fs;
use std::io;
use std::path::Path;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::home;

/// What a kind of file begins with.
pub type Magic = [u8; 8];

const DIGEST: usize = 32;

/// Writes a file that only the user can read, whole or not at all; its folder is made. `body` appends to what it is given.
///
/// # Errors
/// What the system says, or `body`.
pub fn write(
    path: &Path,
    magic: &Magic,
    body: impl FnOnce(Vec<u8>) -> io::Result<Vec<u8>>,
) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        home::make_private_folder(folder)?;
    }
    let mut bytes = body(magic.iter().copied().chain([0; DIGEST]).collect())?;
    let digest = Sha256::digest(&bytes[magic.len() + DIGEST..]);
    bytes[magic.len()..][..DIGEST].copy_from_slice(&digest);
    home::write_private(path, &bytes)
}

/// The body of a file; none if there is no such file.
///
/// # Errors
/// What the system says, or that it is damaged.
pub fn read(path: &Path, magic: &Magic) -> io::Result<Option<Bytes>> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => Bytes::from(other?),
    };
    let rest = bytes.strip_prefix(magic).ok_or_else(damaged)?;
    let (digest, body) = rest.split_at_checked(DIGEST).ok_or_else(damaged)?;
    if Sha256::digest(body)[..] == *digest { Ok(Some(bytes.slice_ref(body))) } else { Err(damaged()) }
}

/// What is said of a file that cannot be read back.
pub fn damaged() -> io::Error {
    io::Error::other("its record is damaged")
}
