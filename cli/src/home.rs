//! Where the program keeps what is its own: under `TRUECOPY_HOME` if that is set, else where the platform expects it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

use crate::exit::{Error, Result};

/// The folders. None is made before something is written to it.
#[derive(Clone, Debug)]
pub struct Home {
    config: PathBuf,
    state: PathBuf,
    cache: PathBuf,
}

impl Home {
    /// Finds the folders by the environment.
    pub fn find() -> Result<Self> {
        if let Some(home) = std::env::var_os("TRUECOPY_HOME").filter(|home| !home.is_empty()) {
            return Ok(Self::at(Path::new(&home)));
        }
        let base = etcetera::base_strategy::choose_native_strategy().map_err(|_| {
            Error::usage("cannot find your home folder").hint("set TRUECOPY_HOME to a folder of your own")
        })?;
        Ok(Self {
            config: base.config_dir().join("truecopy"),
            state: base.state_dir().unwrap_or_else(|| base.data_dir()).join("truecopy"),
            cache: base.cache_dir().join("truecopy"),
        })
    }

    /// All of it under one folder.
    pub fn at(folder: &Path) -> Self {
        Self { config: folder.to_owned(), state: folder.join("state"), cache: folder.join("cache") }
    }

    /// `config.toml`.
    pub fn config_file(&self) -> PathBuf {
        self.config.join("config.toml")
    }

    /// What must survive: keys of shares.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// What may be lost.
    pub fn cache(&self) -> &Path {
        &self.cache
    }
}

/// Makes a folder, and those above it, that only the user can read.
pub fn make_private_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Writes a file that only the user can read: whole and durable, or not at all.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_whole(path, bytes, Access::Private, Taken::Replace)
}

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The user.
    Private,
    /// Whoever the umask lets.
    Shared,
}

/// What is done with a name that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// `AlreadyExists`.
    Refuse,
    /// The file is replaced.
    Replace,
}

/// Writes a file so that its name never stands for half of it.
pub fn write_whole(path: &Path, bytes: &[u8], access: Access, taken: Taken) -> io::Result<()> {
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}.new", std::process::id()));
    let temporary = folder.join(temporary);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(
        &mut options,
        if access == Access::Private { 0o600 } else { 0o666 },
    );
    let placed = options.open(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        match taken {
            Taken::Replace => fs::rename(&temporary, path),
            Taken::Refuse => place_new(&temporary, path),
        }
    });
    if let Err(error) = placed {
        // Nothing of ours stays behind; the first error is the one to tell.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    sync_folder(folder)
}

/// Moves a file to a free name. A link never replaces; unlike a look before a rename it leaves no gap.
pub(crate) fn place_new(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => fs::remove_file(from),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        // A file system without links: the name is taken by an empty file, which the rename replaces.
        Err(_) => {
            OpenOptions::new().write(true).create_new(true).open(to)?;
            fs::rename(from, to)
        }
    }
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests;
