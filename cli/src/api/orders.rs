//! Orders as JSON: `{"order":"get","source":"truecopy:…","folder":"/home/me/in"}`.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use truecopy_transport::pace::Rate;

use crate::args::Limit;
use crate::engine::order::Order;
use crate::exit::{Error, Result};

/// An order. What only lists (`peers`, `transfers`) is asked for by `GET`.
#[derive(Debug, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Given {
    Connect {
        to: String,
    },
    Send {
        to: String,
        text: String,
    },
    Broadcast {
        text: String,
    },
    Sendfile {
        to: String,
        paths: Vec<PathBuf>,
    },
    Share {
        paths: Vec<PathBuf>,
    },
    Get {
        source: String,
        folder: Option<PathBuf>,
    },
    Accept {
        offer: u32,
        folder: Option<PathBuf>,
        #[serde(default)]
        only: Vec<String>,
    },
    Decline {
        offer: u32,
    },
    Pause {
        transfer: u32,
    },
    Resume {
        transfer: u32,
    },
    Cancel {
        transfer: u32,
    },
    Retry {
        transfer: u32,
    },
    Rm {
        transfer: u32,
    },
    /// Bytes a second; none: no limit.
    Limit {
        up: Option<u64>,
        down: Option<u64>,
    },
    Name {
        peer: String,
        name: String,
    },
    Trust {
        peer: String,
    },
    Distrust {
        peer: String,
    },
    Quit {},
}

impl Given {
    /// What it means.
    ///
    /// # Errors
    /// If a path is not absolute: the daemon is in another folder than whoever asks.
    pub(super) fn order(self) -> Result<Order> {
        let folder = |folder: Option<PathBuf>| folder.map(|folder| absolute(&folder)).transpose();
        let all = |paths: Vec<PathBuf>| paths.iter().map(|path| absolute(path)).collect::<Result<Vec<_>>>();
        Ok(match self {
            Self::Connect { to } => Order::Connect(to),
            Self::Send { to, text } => Order::Send(to, text),
            Self::Broadcast { text } => Order::Broadcast(text),
            Self::Sendfile { to, paths } => Order::SendFile(to, some(all(paths)?)?),
            Self::Share { paths } => Order::Share(some(all(paths)?)?),
            Self::Get { source, folder: into } => {
                if !source.starts_with("truecopy") {
                    absolute(Path::new(&source))?;
                }
                Order::Get(source, folder(into)?)
            }
            Self::Accept { offer, folder: into, only } => Order::Accept(offer, folder(into)?, only),
            Self::Decline { offer } => Order::Decline(offer),
            Self::Pause { transfer } => Order::Pause(transfer),
            Self::Resume { transfer } => Order::Resume(transfer),
            Self::Cancel { transfer } => Order::Cancel(transfer),
            Self::Retry { transfer } => Order::Retry(transfer),
            Self::Rm { transfer } => Order::Remove(transfer),
            Self::Limit { up, down } => Order::Limit(limit(up)?, limit(down)?),
            Self::Name { peer, name } => Order::Name(peer, name),
            Self::Trust { peer } => Order::Trust(peer, true),
            Self::Distrust { peer } => Order::Trust(peer, false),
            Self::Quit {} => Order::Quit,
        })
    }
}

fn limit(rate: Option<u64>) -> Result<Limit> {
    let least = || Error::usage("a limit of so few bytes a second stops all");
    rate.map(|rate| Rate::new(rate).ok_or_else(least)).transpose().map(Limit)
}

fn absolute(path: &Path) -> Result<PathBuf> {
    if path.is_absolute() {
        return Ok(path.to_owned());
    }
    let what = format!("{} is not an absolute path", crate::escape::Shown::path(path));
    Err(Error::usage(what).hint("name it from /"))
}

fn some(paths: Vec<PathBuf>) -> Result<Vec<PathBuf>> {
    if paths.is_empty() { Err(Error::usage("no path is named")) } else { Ok(paths) }
}
