//! Transfers that outlive a run: one sealed file, written whole and durable at each change, taken up again at the start.
//!
//! It holds what the user ordered, not how far it is: of a fetch that is what lies in its folder, verified.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use truecopy_protocol::input::{Fetch, PeerHint};
use truecopy_protocol::wire::{Answer, Offer};
use truecopy_protocol::{AccessSecret, ContentId, NodeId, ShareId, Trackers};

use super::Engine;
use super::flow::Flow;
use super::news::{News, State};
use super::transfers::{Asked, Given, Next, Offered, Place, Transfer, Way};
use crate::commands::get::offer::staged_manifest;
use crate::exit::{Error, Exit, Result};
use crate::sealed::{self, Magic};
use crate::seeds::{bytes_of, path_of};

/// Its name in the state folder.
pub(super) const FILE: &str = "transfers";
const MAGIC: &Magic = b"tc-tran1";

/// What is written down.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The port that was listened on last.
    pub(super) port: Option<u16>,
    /// The number that was given last: none is given twice.
    number: u32,
    transfers: Vec<KeptTransfer>,
    offers: Vec<KeptOffer>,
}

#[derive(Serialize, Deserialize)]
struct KeptTransfer {
    number: u32,
    name: Vec<u8>,
    size: u64,
    with: Option<NodeId>,
    state: State,
    way: KeptWay,
}

#[derive(Serialize, Deserialize)]
enum KeptWay {
    Out {
        paths: Vec<Vec<u8>>,
        known: Option<(ContentId, AccessSecret)>,
    },
    In {
        content: ContentId,
        secret: AccessSecret,
        peers: Vec<PeerHint>,
        trackers: Trackers,
        folder: Vec<u8>,
        only: Vec<String>,
    },
}

#[derive(Serialize, Deserialize)]
struct KeptOffer {
    number: u32,
    from: NodeId,
    life: u64,
    offer: Offer,
    at: Option<SocketAddr>,
}

/// Reads what an earlier run wrote down; nothing if there was none.
///
/// # Errors
/// If it cannot be read: going on without it would lose what the user ordered.
pub(super) fn read(path: &Path) -> Result<Kept> {
    let failed = |error: io::Error| {
        Error::local("read", path, &error)
            .hint("move it away: then the transfers of earlier runs are forgotten")
    };
    match sealed::read(path, MAGIC).map_err(failed)? {
        Some(body) => postcard::from_bytes(&body).map_err(|_| failed(sealed::damaged())),
        None => Ok(Kept::default()),
    }
}

impl KeptTransfer {
    fn of(number: u32, transfer: &Transfer) -> Self {
        let way = match &transfer.way {
            Way::Out(given) => KeptWay::Out {
                paths: given.paths.iter().map(|path| bytes_of(path)).collect(),
                known: given.known,
            },
            Way::In(asked) => KeptWay::In {
                content: asked.fetch.content,
                secret: asked.fetch.secret,
                peers: asked.fetch.peers.clone(),
                trackers: asked.place.trackers.clone(),
                folder: asked.place.folder.as_deref().map(bytes_of).unwrap_or_default(),
                only: asked.place.only.clone(),
            },
        };
        let (name, state) = (transfer.name.clone(), transfer.state.clone());
        Self { number, name, size: transfer.size, with: transfer.with, state, way }
    }

    /// None if its paths mean nothing on this system.
    fn transfer(self) -> Option<Transfer> {
        let way = match self.way {
            KeptWay::Out { paths, known } => {
                let paths = paths.into_iter().map(path_of).collect::<Option<Vec<PathBuf>>>()?;
                let is_accepted = self.state == State::Running;
                Way::Out(Box::new(Given { paths, known, ticket: None, is_accepted }))
            }
            KeptWay::In { content, secret, peers, trackers, folder, only } => {
                let fetch = Fetch::new(ShareId(0), content, secret, peers);
                let folder = Some(path_of(folder)?).filter(|folder| !folder.as_os_str().is_empty());
                Way::In(Box::new(Asked::new(fetch, Place { folder, only, trackers })))
            }
        };
        let moved = if self.state == State::Done { self.size } else { 0 };
        let (name, size, with, state) = (self.name, self.size, self.with, self.state);
        let (next, flow) = (Next::Nothing, Flow::default());
        Some(Transfer { share: None, with, name, size, moved, flow, state, next, way })
    }
}

impl Engine {
    /// Writes down what has changed. That it cannot be is told.
    pub(super) fn keep(&mut self) {
        if !std::mem::take(&mut self.is_changed) {
            return;
        }
        let Some(path) = &self.kept else { return };
        let offers = self.offers.iter().map(|(number, Offered { from, life, offer, at })| KeptOffer {
            number: *number,
            from: *from,
            life: *life,
            offer: offer.clone(),
            at: *at,
        });
        let kept = Kept {
            port: self.port(),
            number: self.number,
            transfers: self.transfers.iter().map(|(number, it)| KeptTransfer::of(*number, it)).collect(),
            offers: offers.collect(),
        };
        let written = sealed::write(path, MAGIC, |bytes| {
            postcard::to_extend(&kept, bytes).map_err(|_| io::ErrorKind::InvalidData.into())
        });
        if let Err(error) = written {
            let error = Error::local("write", path, &error);
            self.tell(News::Trouble(format!("transfers would not outlive this run: {}", error.what)));
        }
    }

    /// Goes on with what an earlier run was about.
    pub(super) fn take_up(&mut self, kept: Kept) -> Result<()> {
        self.number = kept.number;
        for KeptOffer { number, from, life, offer, at } in kept.offers {
            self.offers.insert(number, Offered { from, life, offer, at });
        }
        for it in kept.transfers {
            let number = it.number;
            let Some(transfer) = it.transfer() else { continue };
            let with = transfer.with;
            let (is_live, is_served) = (transfer.state.is_live(), matches!(transfer.way, Way::Out(_)));
            self.transfers.insert(number, transfer);
            let went_on = match (is_live, is_served) {
                (false, _) => Ok(()),
                (true, true) => {
                    self.meet_again(with);
                    self.set_preparing(number);
                    self.hash(number)
                }
                (true, false) => self.fetch_on(number),
            };
            match went_on {
                Err(error) if error.exit == Exit::Unexpected => return Err(error),
                Err(error) => self.turn(number, State::Failed(error.what.to_string())),
                Ok(()) => {}
            }
        }
        self.is_changed = true;
        Ok(())
    }

    fn set_preparing(&mut self, number: u32) {
        if let Some(transfer) = self.transfers.get_mut(&number) {
            transfer.state = State::Preparing;
        }
    }

    /// A node that something was offered to is looked for, where it was the last time.
    fn meet_again(&mut self, node: Option<NodeId>) {
        let address = node.and_then(|node| self.nodes.address(node)).map(str::to_owned);
        if let Some(address) = address
            && let Err(error) = self.connect(&address, None)
        {
            self.tell(News::Trouble(error.what.to_string()));
        }
    }

    /// Fetches on what an earlier run began.
    fn fetch_on(&mut self, number: u32) -> Result<()> {
        let Some(Transfer { way: Way::In(asked), name, size, with, .. }) = self.transfers.get(&number) else {
            return Ok(());
        };
        let (mut fetch, place) = (asked.fetch.clone(), asked.place.clone());
        let about = (name.clone(), *size, *with);
        let folder = place.folder.as_deref().unwrap_or(&self.folder);
        fetch.manifest = staged_manifest(folder, fetch.content);
        self.fetch(number, about, fetch, place)
    }

    /// Somebody who was started again offers what it has offered before: nobody is asked twice. None if it is new.
    pub(super) fn offered_again(&mut self, from: NodeId, life: u64, offer: &Offer) -> Option<Result<()>> {
        let is_same = |offered: &&mut Offered| {
            offered.from == from
                && (offered.offer.content, offered.offer.secret) == (offer.content, offer.secret)
        };
        if let Some(offered) = self.offers.values_mut().find(is_same) {
            (offered.life, offered.offer.number) = (life, offer.number);
            self.is_changed = true;
            return Some(Ok(()));
        }
        let is_accepted = self.transfers.values().any(|transfer| match &transfer.way {
            Way::In(asked) => {
                // One that was ended here is asked about again.
                (transfer.state.is_live() || matches!(transfer.state, State::Paused | State::Done))
                    && transfer.with == Some(from)
                    && (asked.fetch.content, asked.fetch.secret) == (offer.content, offer.secret)
            }
            Way::Out(_) => false,
        });
        is_accepted.then(|| self.answer(from, life, offer.number, Answer::Accepted))
    }
}
