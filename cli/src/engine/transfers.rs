//! What a node offers, serves and fetches for its user.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use truecopy_mio::prepare::Prepared;
use truecopy_protocol::content::manifest::Manifest;
use truecopy_protocol::input::{Command, Fetch, Order, PeerHint, Swarming};
use truecopy_protocol::output::{Event, Failure, Refusal};
use truecopy_protocol::wire::{Answer, Offer, Reason};
use truecopy_protocol::{AccessSecret, Candidate, ContentId, EntryIndex, NodeId, ShareId, Trackers};

use super::Engine;
use super::flow::{Flow, share_of};
use super::news::{News, State};
use super::room::are_there;
use crate::args::GetArgs;
use crate::commands::get::offer::{self, Answer as Looked};
use crate::commands::get::wanted::Wanted;
use crate::exit::{Error, Exit, Result};
use crate::witness::Witness;
use crate::words;

/// An offer that nobody has answered.
#[derive(Debug)]
pub(super) struct Offered {
    pub(super) from: NodeId,
    pub(super) life: u64,
    pub(super) offer: Offer,
    /// Where it took connections then.
    pub(super) at: Option<SocketAddr>,
}

/// Something that is offered, served or fetched.
pub(super) struct Transfer {
    /// Its share in the core; none while it has none.
    pub(super) share: Option<ShareId>,
    pub(super) with: Option<NodeId>,
    pub(super) name: Vec<u8>,
    pub(super) size: u64,
    pub(super) moved: u64,
    pub(super) flow: Flow,
    pub(super) state: State,
    pub(super) next: Next,
    pub(super) way: Way,
}

/// Transfers at once, those that are over included.
const TRANSFERS_MAX: usize = 10_000;

/// What follows when a transfer has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Nothing,
    /// The user wants it again.
    Again,
}

pub(super) enum Way {
    /// To others.
    Out(Box<Given>),
    /// To here, as this was asked for.
    In(Box<Asked>),
}

/// What is served: enough to serve it again under the same name.
#[derive(Clone, Debug, Default)]
pub(super) struct Given {
    pub(super) paths: Vec<PathBuf>,
    /// What it is and what opens it, once it was hashed.
    pub(super) known: Option<(ContentId, AccessSecret)>,
    /// What opens it for everybody, if it is for everybody.
    pub(super) ticket: Option<String>,
    /// It was accepted before this run: it is not offered once more.
    pub(super) is_accepted: bool,
}

/// What is fetched, and whereto: enough to fetch it again.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) fetch: Fetch,
    pub(super) place: Place,
    pub(super) manifest: Option<Arc<Manifest>>,
    /// Held until all is placed.
    pub(super) storage: Option<Arc<Witness>>,
    /// What stands in the way is being looked at, which holds the destination.
    pub(super) is_looking: bool,
}

impl Asked {
    pub(super) const fn new(fetch: Fetch, place: Place) -> Self {
        Self { fetch, place, manifest: None, storage: None, is_looking: false }
    }

    /// How many chunks of each of so many equal stretches are verified, and how many there are; empty before it is known
    /// where they go, and when all are placed.
    pub(super) fn map(&self, cells: u32) -> Vec<(u32, u32)> {
        let both = self.storage.as_ref().zip(self.manifest.as_ref());
        both.map_or_else(Vec::new, |(storage, manifest)| storage.map(manifest.chunk_count(), cells))
    }
}

/// Where a fetch goes, and what of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    /// None: where the user wants files that no folder is named for.
    pub(super) folder: Option<PathBuf>,
    pub(super) only: Vec<String>,
    pub(super) trackers: Trackers,
}

/// Work that was done on a thread of its own.
pub(super) enum Work {
    Prepared(u32, Result<Prepared>),
    /// Of the share that it was at the time.
    Looked(u32, ShareId, Result<Looked>),
}

impl Transfer {
    pub(super) const fn share(&self) -> Option<ShareId> {
        self.share
    }

    /// Whether it is worth waiting for.
    pub(super) const fn is_busy(&self) -> bool {
        match self.state {
            State::Preparing | State::Offered => true,
            State::Running | State::Paused => matches!(self.way, Way::In(_)) || self.with.is_some(),
            State::Done | State::Declined | State::Cancelled | State::Failed(_) => false,
        }
    }
}

impl Engine {
    /// Offers files to a node; to whoever has the ticket, if there is none.
    pub(super) fn offer_to(&mut self, to: Option<NodeId>, paths: Vec<PathBuf>) -> Result<()> {
        are_there(&paths)?;
        let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let paths: Vec<PathBuf> = paths.iter().map(absolute).collect();
        let name = paths.first().and_then(|path| path.file_name()).unwrap_or_default();
        let transfer = Transfer {
            share: None,
            with: to,
            name: name.as_encoded_bytes().to_vec(),
            size: 0,
            moved: 0,
            flow: Flow::default(),
            state: State::Preparing,
            next: Next::Nothing,
            way: Way::Out(Box::new(Given { paths, ..Given::default() })),
        };
        let number = self.add(transfer)?;
        self.hash(number)
    }

    fn add(&mut self, transfer: Transfer) -> Result<u32> {
        self.has_room()?;
        self.number += 1;
        self.transfers.insert(self.number, transfer);
        Ok(self.number)
    }

    fn has_room(&self) -> Result<()> {
        if self.transfers.len() < TRANSFERS_MAX {
            return Ok(());
        }
        Err(Error::new(Exit::Limit, format!("there are {TRANSFERS_MAX} transfers")).hint("`rm` what is over"))
    }

    pub(super) fn new_share(&mut self) -> ShareId {
        self.share += 1;
        ShareId(self.share)
    }

    pub(super) fn work(&self, work: impl FnOnce() -> Work + Send + 'static) -> Result<()> {
        let (to, waker) = (self.works.0.clone(), self.net.waker());
        let spawned = thread::Builder::new().name("engine-work".into()).spawn(move || {
            // If the engine has ended, nobody waits for it.
            let _ = to.send(work());
            waker.wake();
        });
        spawned.map(drop).map_err(|error| Error::new(Exit::Unexpected, error))
    }

    pub(super) fn worked(&mut self, work: Work) -> Result<()> {
        match work {
            Work::Prepared(number, Ok(prepared)) => self.serve(number, prepared),
            Work::Looked(number, share, looked) => self.looked(number, share, looked),
            Work::Prepared(number, Err(error)) => {
                self.not_served(number, error.what.to_string(), Reason::SourceUnreadable)
            }
        }
    }

    /// Fetches what was offered.
    pub(super) fn accept(&mut self, number: u32, folder: Option<PathBuf>, only: Vec<String>) -> Result<()> {
        let Some(Offered { from, offer, at, .. }) = self.offers.get(&number) else {
            return Err(Error::usage(format!("there is no offer {number}")).hint("`transfers` lists them"));
        };
        let (from, offer, at) = (*from, offer.clone(), *at);
        self.has_room()?;
        // Without an address it calls on us.
        let peers = self.found_at(from, at).into_iter().collect();
        let fetch = Fetch::new(ShareId(0), offer.content, offer.secret, peers);
        let transfer = (offer.name.into_bytes(), offer.size, Some(from));
        let Some(Offered { life, offer, .. }) = self.offers.remove(&number) else { return Ok(()) };
        self.answer(from, life, offer.number, Answer::Accepted)?;
        self.fetch(number, transfer, fetch, Place { folder, only, ..Place::default() })
    }

    pub(super) fn decline(&mut self, number: u32) -> Result<()> {
        self.is_changed = true;
        match self.offers.remove(&number) {
            Some(Offered { from, life, offer, .. }) => {
                self.answer(from, life, offer.number, Answer::Declined)
            }
            None => Err(Error::usage(format!("there is no offer {number}")).hint("`transfers` lists them")),
        }
    }

    /// Fetches what a ticket, a link or a metadata file names.
    pub(super) fn get(&mut self, source: &str, folder: Option<PathBuf>) -> Result<()> {
        let args = GetArgs::plain(OsString::from(source), PathBuf::from("."));
        let wanted = Wanted::read(&args)?;
        let place = folder.clone().unwrap_or_else(|| self.folder.clone());
        let name = wanted.content.to_hex()[..12].to_owned();
        let trackers = wanted.trackers().clone();
        let fetch = wanted.fetch(ShareId(0), &place)?;
        self.has_room()?;
        self.number += 1;
        let number = self.number;
        let place = Place { folder, trackers, ..Place::default() };
        self.fetch(number, (name.into_bytes(), 0, None), fetch, place)
    }

    pub(super) fn fetch(
        &mut self,
        number: u32,
        (name, size, with): (Vec<u8>, u64, Option<NodeId>),
        fetch: Fetch,
        place: Place,
    ) -> Result<()> {
        let folder = offer::destination(place.folder.as_deref().unwrap_or(&self.folder))?;
        let share = self.new_share();
        // Whether receivers of a ticket help each other is for whoever serves it to say; whoever offers may call on us.
        let swarm = if with.is_some() { Swarming::On } else { Swarming::AsTold };
        let (order, port) = (Order::RarestFirst, self.port());
        let fetch = Fetch { share, swarm, order, port, ..fetch };
        let trackers = place.trackers.clone();
        let asked = Asked::new(fetch.clone(), Place { folder: Some(folder), ..place });
        let (state, way) = (State::Running, Way::In(Box::new(asked)));
        let next = Next::Nothing;
        let (moved, flow) = (0, Flow::default());
        let transfer = Transfer { share: Some(share), with, name, size, moved, flow, state, next, way };
        self.transfers.insert(number, transfer);
        self.command(Command::Fetch(fetch))?;
        self.tell_transfer(number);
        if trackers.is_empty() { Ok(()) } else { self.command(Command::AddTrackers { share, trackers }) }
    }

    /// Where a node takes connections, as far as is known; `at`: where it did before.
    fn found_at(&self, node: NodeId, at: Option<SocketAddr>) -> Option<PeerHint> {
        let reachable = self.present.get(&node).and_then(|present| present.reachable).or(at);
        let known = self.nodes.address(node).and_then(|address| address.parse().ok());
        let addresses: Vec<Candidate> = reachable.map(Candidate::Tcp).into_iter().chain(known).collect();
        (!addresses.is_empty()).then_some(PeerHint { key: Some(node), addresses })
    }

    /// Calls on a node for all that it has accepted: it may not reach us.
    pub(super) fn call_on(&self, node: NodeId) -> Result<()> {
        let Some(peer) = self.found_at(node, None) else { return Ok(()) };
        let is_for_it = |it: &&Transfer| {
            it.with == Some(node) && it.state == State::Running && matches!(it.way, Way::Out(_))
        };
        let shares = self.transfers.values().filter(is_for_it).filter_map(Transfer::share);
        shares.into_iter().try_for_each(|share| self.command(Command::AddPeer { share, peer: peer.clone() }))
    }

    /// Somebody answers an offer of ours.
    pub(super) fn was_answered(&mut self, from: NodeId, number: u64, answer: Answer) -> Result<()> {
        let number = u32::try_from(number).unwrap_or(0);
        let is_theirs =
            |transfer: &&mut Transfer| transfer.with == Some(from) && matches!(transfer.way, Way::Out(_));
        match (answer, self.transfers.get_mut(&number).filter(is_theirs)) {
            (Answer::Accepted, Some(_)) => {
                self.turn(number, State::Running);
                self.call_on(from)
            }
            (Answer::Declined, Some(transfer)) => {
                let share = transfer.share;
                self.turn(number, State::Declined);
                share.map_or(Ok(()), |share| self.command(Command::End { share, reason: Reason::Declined }))
            }
            // Of an offer of theirs.
            (Answer::Withdrawn, _) => {
                let withdrawn =
                    |offered: &Offered| offered.from == from && offered.offer.number == u64::from(number);
                self.offers.retain(|_, offered| !withdrawn(offered));
                self.is_changed = true;
                Ok(())
            }
            (_, None) => Ok(()),
        }
    }

    /// Something has happened to a share.
    pub(super) fn moved(&mut self, event: Event) -> Result<()> {
        let Some(number) = share_of(&event).and_then(|share| self.number_of(share)) else { return Ok(()) };
        self.watch(number, &event);
        match event {
            Event::Offer { manifest, .. } => return self.offered(number, manifest),
            Event::Completed { .. } => {
                if let Some(Transfer { way: Way::In(asked), moved, size, .. }) =
                    self.transfers.get_mut(&number)
                {
                    asked.storage = None;
                    *moved = *size;
                }
                self.turn(number, State::Done);
            }
            Event::Receipt { verdict: truecopy_protocol::job::Verdict::Genuine, .. } => {
                let is_one_to_one =
                    self.transfers.get(&number).is_some_and(|transfer| transfer.with.is_some());
                if is_one_to_one {
                    self.turn(number, State::Done);
                }
            }
            Event::Failed { why, .. } => self.failed(number, why),
            Event::SourceBroken { entry, .. } => self.broken(number, entry)?,
            Event::Refused { why: Refusal::NotNow, .. } => {}
            Event::Refused { why, .. } => self.tell(News::Trouble(format!("transfer {number}: {why}"))),
            Event::Ended { .. } => {
                if let Some(transfer) = self.transfers.get_mut(&number) {
                    transfer.share = None;
                }
                return self.again(number);
            }
            _ => {}
        }
        Ok(())
    }

    fn failed(&mut self, number: u32, why: Failure) {
        let Some(Transfer { way: Way::In(asked), .. }) = self.transfers.get_mut(&number) else { return };
        asked.storage = None;
        let folder = asked.place.folder.as_ref().unwrap_or(&self.folder);
        let why = words::failure(&why, asked.manifest.as_deref(), folder).what.to_string();
        self.turn(number, State::Failed(why));
    }

    fn broken(&mut self, number: u32, _entry: EntryIndex) -> Result<()> {
        let share = self.transfers.get(&number).and_then(|transfer| transfer.share);
        self.turn(number, State::Failed("a file was changed while it was served".into()));
        share.map_or(Ok(()), |share| self.command(Command::End { share, reason: Reason::SourceChanged }))
    }

    pub(super) fn pause(&mut self, number: u32) -> Result<()> {
        let share = self.coming(number)?;
        self.turn(number, State::Paused);
        self.command(Command::Pause { share })
    }

    pub(super) fn resume(&mut self, number: u32) -> Result<()> {
        if let Some(Transfer { share: None, state: State::Paused, .. }) = self.transfers.get(&number) {
            // It was paused before this run.
            return self.retry(number);
        }
        let share = self.coming(number)?;
        self.turn(number, State::Running);
        self.command(Command::Resume { share })
    }

    pub(super) fn cancel(&mut self, number: u32) -> Result<()> {
        let transfer = self.transfers.get(&number).ok_or_else(|| unknown(number))?;
        let Some(share) = transfer.share else {
            if transfer.is_busy() {
                self.turn(number, State::Cancelled);
                return Ok(());
            }
            return Err(over(number));
        };
        let withdrawn = match (&transfer.way, transfer.with, &transfer.state) {
            (Way::Out(_), Some(to), State::Offered) => Some(to),
            _ => None,
        };
        self.command(Command::End { share, reason: Reason::Cancelled })?;
        if !matches!(self.transfers.get(&number).map(|transfer| &transfer.state), Some(State::Done)) {
            self.turn(number, State::Cancelled);
        }
        match withdrawn {
            Some(to) => self.answer(to, 0, u64::from(number), Answer::Withdrawn),
            None => Ok(()),
        }
    }

    pub(super) fn retry(&mut self, number: u32) -> Result<()> {
        let transfer = self.transfers.get_mut(&number).ok_or_else(|| unknown(number))?;
        if let Some(share) = transfer.share {
            if let State::Cancelled | State::Failed(_) = transfer.state {
                // It is still being ended.
                transfer.next = Next::Again;
                return Ok(());
            }
            return self.command(Command::Retry { share });
        }
        let Way::In(asked) = &transfer.way else { return Err(over(number)) };
        if transfer.state == State::Done {
            return Err(over(number));
        }
        if asked.is_looking {
            transfer.next = Next::Again;
            return Ok(());
        }
        let (fetch, place) = (asked.fetch.clone(), asked.place.clone());
        let about = (transfer.name.clone(), transfer.size, transfer.with);
        self.fetch(number, about, fetch, place)
    }

    /// Forgets a transfer; ends it first if it is under way. What is verified is kept.
    pub(super) fn remove(&mut self, number: u32) -> Result<()> {
        let transfer = self.transfers.get(&number).ok_or_else(|| unknown(number))?;
        if transfer.share.is_some() {
            self.cancel(number)?;
        }
        self.transfers.remove(&number);
        self.is_changed = true;
        self.tell(News::Forgotten { number });
        Ok(())
    }

    fn coming(&self, number: u32) -> Result<ShareId> {
        let transfer = self.transfers.get(&number).ok_or_else(|| unknown(number))?;
        match (&transfer.way, transfer.share) {
            (Way::In(_), Some(share)) => Ok(share),
            (Way::In(_), None) => Err(over(number)),
            (Way::Out(_), _) => {
                Err(Error::usage("the other side decides what it asks for").hint("`cancel` ends it"))
            }
        }
    }

    fn number_of(&self, share: ShareId) -> Option<u32> {
        let found = self.transfers.iter().find(|(_, transfer)| transfer.share == Some(share));
        found.map(|(number, _)| *number)
    }

    /// A transfer stands so now; it is told if that is news.
    pub(super) fn turn(&mut self, number: u32, state: State) {
        if let Some(transfer) = self.transfers.get_mut(&number)
            && transfer.state != state
        {
            transfer.state = state;
            self.tell_transfer(number);
        }
    }

    fn tell_transfer(&mut self, number: u32) {
        self.is_changed = true;
        if let Some(shape) = self.shape(number) {
            self.tell(News::Transfer(shape));
        }
    }
}

fn unknown(number: u32) -> Error {
    Error::usage(format!("there is no transfer {number}")).hint("`transfers` lists them")
}

fn over(number: u32) -> Error {
    Error::usage(format!("transfer {number} is over"))
}

/// What nobody can guess.
///
/// # Errors
/// If the system gives no random numbers.
pub(crate) fn random_secret() -> Result<AccessSecret> {
    let mut secret = [0; 32];
    aws_lc_rs::rand::fill(&mut secret)
        .map_err(|_| Error::new(Exit::Unexpected, "the system gives no random numbers"))?;
    Ok(AccessSecret(secret))
}
