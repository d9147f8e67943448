//! Orders as JSON: `{"order":"get","source":"truecopy:…","folder":"/home/me/in"}`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use truecopy_transport::pace::Rate;

use crate::args::Limit;
use crate::engine::order::Order;
use crate::exit::{Error, Result};

/// An order. What only lists (`peers`, `transfers`) is asked for by `GET`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "order", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Given {
    /// Meet a node.
    Connect {
        /// Whom: a name, the beginning of a key, or HOST:PORT.
        to: String,
    },
    /// Say something to a node.
    Send {
        /// Whom: a name, the beginning of a key, or HOST:PORT.
        to: String,
        /// What.
        text: String,
    },
    /// Say something to everybody.
    Broadcast {
        /// What.
        text: String,
    },
    /// Offer files and folders to a node.
    Sendfile {
        /// Whom: a name, the beginning of a key, or HOST:PORT.
        to: String,
        /// Which.
        paths: Vec<PathBuf>,
    },
    /// Serve them to whoever has the ticket.
    Share {
        /// Which.
        paths: Vec<PathBuf>,
    },
    /// Fetch what a ticket, a link or a file of metadata names.
    Get {
        /// What names it.
        source: String,
        /// Whereto.
        folder: Option<PathBuf>,
    },
    /// Accept an offer, or what matches of it.
    Accept {
        /// Its number.
        offer: u32,
        /// Whereto.
        folder: Option<PathBuf>,
        /// Patterns; none: all of it.
        #[serde(default)]
        only: Vec<String>,
    },
    /// Decline an offer.
    Decline {
        /// Its number.
        offer: u32,
    },
    /// Pause a transfer.
    Pause {
        /// Its number.
        transfer: u32,
    },
    /// Go on with it.
    Resume {
        /// Its number.
        transfer: u32,
    },
    /// End it; what is verified is kept.
    Cancel {
        /// Its number.
        transfer: u32,
    },
    /// Dial at once, or fetch again what failed.
    Retry {
        /// Its number.
        transfer: u32,
    },
    /// Forget it; what is verified is kept.
    Rm {
        /// Its number.
        transfer: u32,
    },
    /// Bytes a second; none: no limit.
    Limit {
        /// To others.
        up: Option<u64>,
        /// To here.
        down: Option<u64>,
    },
    /// Call a node by a name.
    Name {
        /// Which node.
        peer: String,
        /// Its name.
        name: String,
    },
    /// Take its offers unasked.
    Trust {
        /// Which node.
        peer: String,
    },
    /// No longer.
    Distrust {
        /// Which node.
        peer: String,
    },
    /// End the daemon.
    Quit {},
}

impl Given {
    /// An order, to be given from this folder; none: it only lists, or is for a console.
    pub fn of(order: Order) -> Option<Self> {
        let path = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        let all = |paths: Vec<PathBuf>| paths.into_iter().map(path).collect();
        Some(match order {
            Order::Connect(to) => Self::Connect { to },
            Order::Send(to, text) => Self::Send { to, text },
            Order::Broadcast(text) => Self::Broadcast { text },
            Order::SendFile(to, paths) => Self::Sendfile { to, paths: all(paths) },
            Order::Share(paths) => Self::Share { paths: all(paths) },
            Order::Get(source, folder) => {
                let source =
                    if is_path(&source) { path(source.into()).display().to_string() } else { source };
                Self::Get { source, folder: folder.map(path) }
            }
            Order::Accept(offer, folder, only) => Self::Accept { offer, folder: folder.map(path), only },
            Order::Decline(offer) => Self::Decline { offer },
            Order::Pause(transfer) => Self::Pause { transfer },
            Order::Resume(transfer) => Self::Resume { transfer },
            Order::Cancel(transfer) => Self::Cancel { transfer },
            Order::Retry(transfer) => Self::Retry { transfer },
            Order::Remove(transfer) => Self::Rm { transfer },
            Order::Limit(up, down) => {
                let bytes = |limit: Limit| limit.0.map(Rate::bytes_a_second);
                Self::Limit { up: bytes(up), down: bytes(down) }
            }
            Order::Name(peer, name) => Self::Name { peer, name },
            Order::Trust(peer, true) => Self::Trust { peer },
            Order::Trust(peer, false) => Self::Distrust { peer },
            Order::Peers | Order::Transfers | Order::Help | Order::Quit => return None,
        })
    }

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
                if is_path(&source) {
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

/// Whether what is to be fetched is named by a file, not by a ticket or a link, which are text in either case.
fn is_path(source: &str) -> bool {
    let source = source.trim_start().to_ascii_lowercase();
    !["truecopy:", "truecopy-link:"].iter().any(|scheme| source.starts_with(scheme))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_from_the_root_and_a_ticket_is_left_as_it_is() {
        let source = |text: &str| match Given::of(Order::Get(text.into(), None)) {
            Some(Given::Get { source, .. }) => source,
            other => panic!("{other:?}"),
        };
        let here = std::env::current_dir().unwrap();
        for name in ["film.truecopy", "truecopy-notes.truecopy"] {
            assert_eq!(source(name), here.join(name).display().to_string());
            let relative = Given::Get { source: name.into(), folder: None };
            assert!(relative.order().is_err(), "the daemon is elsewhere");
        }
        for text in ["truecopy:abc", "TRUECOPY:ABC", " truecopy-link:abc"] {
            assert_eq!(source(text), text);
            assert!(Given::Get { source: text.into(), folder: None }.order().is_ok());
        }
    }
}
