//! From the system's errors to the core's. Inside of the store everything is `io::Result`.

use std::io::{self, ErrorKind};

use truecopy_protocol::job::StorageError;

use super::holder::Holder;

/// Why a staging cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Another process works on the same share in the same place.
    #[error("another process holds it")]
    Held(Option<Holder>),
    /// The host failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<OpenError> for StorageError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Held(_) => Self::Held,
            OpenError::Storage(error) => error,
        }
    }
}

/// What an error of a disk means to the core.
pub fn storage_error(error: io::Error) -> StorageError {
    if let Some(known) = error.get_ref().and_then(|inner| inner.downcast_ref::<StorageError>()) {
        return *known;
    }
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StorageError::NoSpace,
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => StorageError::Denied,
        ErrorKind::NotFound => StorageError::Vanished,
        ErrorKind::AlreadyExists
        | ErrorKind::NotADirectory
        | ErrorKind::IsADirectory
        | ErrorKind::DirectoryNotEmpty => StorageError::Conflict,
        ErrorKind::InvalidInput => StorageError::Changed,
        ErrorKind::WouldBlock => StorageError::Held,
        ErrorKind::Unsupported
        | ErrorKind::InvalidFilename
        | ErrorKind::FileTooLarge
        | ErrorKind::TooManyLinks
        | ErrorKind::CrossesDevices => StorageError::Unsupported,
        _ => StorageError::Io,
    }
}

/// The same for calls below our own staging: whatever stands in the way there was put there by someone else.
pub(super) fn staged_error(error: io::Error) -> StorageError {
    match storage_error(error) {
        StorageError::Conflict => StorageError::Changed,
        error => error,
    }
}

pub(super) fn fail(error: StorageError) -> io::Error {
    io::Error::other(error)
}

/// Repeats a call while it is interrupted.
pub(super) fn again<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// Turns one kind of error into another good answer.
pub(super) fn allow(result: io::Result<()>, kind: ErrorKind) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == kind => Ok(()),
        result => result,
    }
}

/// `None` where nothing stands.
pub(super) fn if_there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
