//! What a node offers, serves and fetches for its user.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use truecopy_mio::hash::AtOnce;
use truecopy_mio::prepare::{self, Links, Monitor, Options, Prepared};
use truecopy_protocol::content::manifest::Manifest;
use truecopy_protocol::content::ticket::Ticket;
use truecopy_protocol::input::{Command, Fetch, PeerHint, Say, Share as Served, Swarming};
use truecopy_protocol::output::{Event, Failure, Refusal};
use truecopy_protocol::wire::{Answer, Offer, Reason};
use truecopy_protocol::{AccessSecret, Candidate, EntryIndex, NodeId, ShareId};

use super::Engine;
use super::news::{News, Shape, State};
use crate::addresses;
use crate::args::{GetArgs, OnConflict, OutputArgs};
use crate::commands::get::offer::{self, Answer as Looked, Asking, Before, Patterns};
use crate::commands::get::wanted::Wanted;
use crate::commands::reading;
use crate::exit::{Error, Exit, Result};
use crate::output::Reporter;
use crate::standing::Standing;
use crate::witness::{Proven, Witness};
use crate::words;

/// An offer that nobody has answered.
#[derive(Debug)]
pub(super) struct Offered {
    pub(super) from: NodeId,
    pub(super) life: u64,
    pub(super) offer: Offer,
}

/// Something that is offered, served or fetched.
pub(super) struct Transfer {
    /// Its share in the core; none while it has none.
    share: Option<ShareId>,
    with: Option<NodeId>,
    name: Vec<u8>,
    size: u64,
    moved: u64,
    state: State,
    next: Next,
    way: Way,
}

/// What follows when a transfer has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Nothing,
    /// The user wants it again.
    Again,
}

enum Way {
    /// To others.
    Out,
    /// To here, as this was asked for.
    In(Box<Asked>),
}

/// What is fetched, and whereto: enough to fetch it again.
#[derive(Clone)]
struct Asked {
    fetch: Fetch,
    folder: PathBuf,
    only: Vec<String>,
    manifest: Option<Arc<Manifest>>,
    /// Held until all is placed.
    storage: Option<Arc<Witness>>,
}

/// Work that was done on a thread of its own.
pub(super) enum Work {
    Prepared(u32, Result<Prepared>),
    Looked(u32, Result<Looked>),
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
        if let Some(missing) = paths.iter().find(|path| !path.exists()) {
            return Err(Error::usage(format!("{} is not there", missing.display())));
        }
        let name = paths.first().and_then(|path| path.file_name()).unwrap_or_default();
        let transfer = Transfer {
            share: None,
            with: to,
            name: name.as_encoded_bytes().to_vec(),
            size: 0,
            moved: 0,
            state: State::Preparing,
            next: Next::Nothing,
            way: Way::Out,
        };
        let number = self.add(transfer);
        self.work(move || {
            let options = Options { links: Links::Keep, hasher: &AtOnce };
            let prepared = prepare::prepare(&paths, &options, None, &Monitor::new());
            Work::Prepared(number, prepared.map_err(|error| reading::explain(&error)))
        })
    }

    fn add(&mut self, transfer: Transfer) -> u32 {
        self.number += 1;
        self.transfers.insert(self.number, transfer);
        self.number
    }

    fn new_share(&mut self) -> ShareId {
        self.share += 1;
        ShareId(self.share)
    }

    fn work(&self, work: impl FnOnce() -> Work + Send + 'static) -> Result<()> {
        let to = self.works.0.clone();
        let spawned = thread::Builder::new().name("engine-work".into()).spawn(move || {
            // If the engine has ended, nobody waits for it.
            let _ = to.send(work());
        });
        spawned.map(drop).map_err(|error| Error::new(Exit::Unexpected, error))
    }

    pub(super) fn worked(&mut self, work: Work) -> Result<()> {
        match work {
            Work::Prepared(number, Ok(prepared)) => self.serve(number, prepared),
            Work::Looked(number, Ok(looked)) => self.looked(number, looked),
            Work::Prepared(number, Err(error)) => {
                self.turn(number, State::Failed(error.what.to_string()));
                Ok(())
            }
            Work::Looked(number, Err(error)) => {
                if let Some(share) = self.transfers.get(&number).and_then(|transfer| transfer.share) {
                    self.command(Command::Decline { share, reason: Reason::Leaving })?;
                }
                self.turn(number, State::Failed(error.what.to_string()));
                Ok(())
            }
        }
    }

    /// What was hashed is served, and offered or told.
    fn serve(&mut self, number: u32, prepared: Prepared) -> Result<()> {
        let mut secret = [0; 32];
        aws_lc_rs::rand::fill(&mut secret)
            .map_err(|_| Error::new(Exit::Unexpected, "the system gives no random numbers"))?;
        let (share, secret) = (self.new_share(), AccessSecret(secret));
        let standing = Standing::prepared(prepared);
        self.net.handle.register(share, standing.serving(&self.run)?);
        let manifest = Arc::clone(&standing.manifest);
        self.command(Command::Share(Served::new(share, secret, Arc::clone(&manifest), standing.layers)))?;
        let Some(transfer) = self.transfers.get_mut(&number) else { return Ok(()) };
        transfer.share = Some(share);
        transfer.size = manifest.total_size();
        let content = manifest.content_id();
        match transfer.with {
            Some(to) => {
                let name = String::from_utf8_lossy(&transfer.name);
                let name = name.chars().take(60).collect::<String>();
                let (size, files) = (manifest.total_size(), manifest.file_count());
                let offer =
                    Offer { number: u64::from(number), content, secret, name: name.clone(), size, files };
                self.turn(number, State::Offered);
                self.say(to, Say::Offer(offer), format!("the offer of {name}"))
            }
            None => {
                let addresses = addresses::reachable(self.net.handle.addresses());
                let trackers = truecopy_protocol::Trackers::default();
                let ticket = Ticket { content, secret, node: self.me, addresses, trackers };
                self.turn(number, State::Running);
                self.tell(News::Ticket { number, ticket: ticket.text() });
                Ok(())
            }
        }
    }

    /// Fetches what was offered.
    pub(super) fn accept(&mut self, number: u32, folder: Option<PathBuf>, only: Vec<String>) -> Result<()> {
        let Some(Offered { from, offer, .. }) = self.offers.get(&number) else {
            return Err(Error::usage(format!("there is no offer {number}")).hint("`transfers` lists them"));
        };
        let (from, offer) = (*from, offer.clone());
        let reachable = self.present.get(&from).and_then(|present| present.reachable);
        let known = self.nodes.address(from).and_then(|address| address.parse::<Candidate>().ok());
        let addresses: Vec<Candidate> = reachable.map(Candidate::Tcp).into_iter().chain(known).collect();
        if addresses.is_empty() {
            return Err(Error::new(Exit::PeerNotFound, "it is not known where that node takes connections")
                .hint("have it listen at a port that can be reached, or connect to it"));
        }
        let peers = vec![PeerHint { key: Some(from), addresses }];
        let fetch = Fetch::new(ShareId(0), offer.content, offer.secret, peers);
        let transfer = (offer.name.into_bytes(), offer.size, Some(from));
        let Some(Offered { life, offer, .. }) = self.offers.remove(&number) else { return Ok(()) };
        self.answer(from, life, offer.number, Answer::Accepted)?;
        self.fetch(number, transfer, fetch, (folder, only))
    }

    pub(super) fn decline(&mut self, number: u32) -> Result<()> {
        match self.offers.remove(&number) {
            Some(Offered { from, life, offer }) => self.answer(from, life, offer.number, Answer::Declined),
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
        self.number += 1;
        let number = self.number;
        self.fetch(number, (name.into_bytes(), 0, None), fetch, (folder, Vec::new()))?;
        match self.transfers.get(&number).and_then(|transfer| transfer.share) {
            Some(share) if !trackers.is_empty() => self.command(Command::AddTrackers { share, trackers }),
            _ => Ok(()),
        }
    }

    fn fetch(
        &mut self,
        number: u32,
        (name, size, with): (Vec<u8>, u64, Option<NodeId>),
        fetch: Fetch,
        (folder, only): (Option<PathBuf>, Vec<String>),
    ) -> Result<()> {
        let folder = offer::destination(&folder.unwrap_or_else(|| self.folder.clone()))?;
        let share = self.new_share();
        let fetch = Fetch { share, swarm: Swarming::Off, ..fetch };
        let asked = Asked { fetch: fetch.clone(), folder, only, manifest: None, storage: None };
        let (state, way) = (State::Running, Way::In(Box::new(asked)));
        let next = Next::Nothing;
        let transfer = Transfer { share: Some(share), with, name, size, moved: 0, state, next, way };
        self.transfers.insert(number, transfer);
        self.command(Command::Fetch(fetch))?;
        self.tell_transfer(number);
        Ok(())
    }

    /// The core has the list of files: what stands in the way is looked at, beside all else.
    fn offered(&mut self, number: u32, manifest: Arc<Manifest>) -> Result<()> {
        let Some(transfer) = self.transfers.get_mut(&number) else { return Ok(()) };
        let Way::In(asked) = &mut transfer.way else { return Ok(()) };
        asked.manifest = Some(Arc::clone(&manifest));
        transfer.name = manifest.name().to_vec();
        let (folder, run) = (asked.folder.clone(), self.run.clone());
        let patterns = Patterns { only: asked.only.clone(), ..Patterns::default() };
        self.work(move || {
            let mut args = GetArgs::plain(OsString::new(), folder.clone());
            // Nobody is asked, and nothing is overwritten.
            (args.yes, args.on_conflict) = (true, Some(OnConflict::Rename));
            let reporter = Reporter::new(&OutputArgs { quiet: true, ..OutputArgs::default() });
            let before = Before::Running(&Proven::default());
            let asking = Asking { reporter: &reporter, stop: &|| None, before };
            Work::Looked(number, offer::answer((&args, &patterns), &asking, &run, &folder, &manifest))
        })
    }

    fn looked(&mut self, number: u32, looked: Looked) -> Result<()> {
        let Some(transfer) = self.transfers.get_mut(&number) else { return Ok(()) };
        let (Some(share), Way::In(asked)) = (transfer.share, &mut transfer.way) else { return Ok(()) };
        match looked {
            Looked::Accept(accepted) => {
                self.net.handle.register(share, accepted.storage.clone());
                asked.storage = Some(accepted.storage);
                let (selection, first) = (accepted.selection, accepted.first);
                self.command(Command::Accept { share, selection, first })
            }
            Looked::Here(..) => {
                self.command(Command::Decline { share, reason: Reason::Done })?;
                self.turn(number, State::Done);
                Ok(())
            }
        }
    }

    /// Somebody answers an offer of ours.
    pub(super) fn was_answered(&mut self, from: NodeId, number: u64, answer: Answer) -> Result<()> {
        let number = u32::try_from(number).unwrap_or(0);
        let is_theirs =
            |transfer: &&mut Transfer| transfer.with == Some(from) && matches!(transfer.way, Way::Out);
        match (answer, self.transfers.get_mut(&number).filter(is_theirs)) {
            (Answer::Accepted, Some(_)) => {
                self.turn(number, State::Running);
                Ok(())
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
                Ok(())
            }
            (_, None) => Ok(()),
        }
    }

    /// Something has happened to a share.
    pub(super) fn moved(&mut self, event: Event) -> Result<()> {
        let Some(number) = share_of(&event).and_then(|share| self.number_of(share)) else { return Ok(()) };
        match event {
            Event::Offer { manifest, .. } => return self.offered(number, manifest),
            Event::Progress { progress, .. } => {
                if let Some(transfer) = self.transfers.get_mut(&number) {
                    (transfer.moved, transfer.size) = (progress.verified, progress.wanted);
                }
            }
            Event::Uploaded { bytes, .. } => {
                if let Some(transfer) = self.transfers.get_mut(&number) {
                    transfer.moved = transfer.moved.max(bytes);
                }
            }
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
                    if std::mem::replace(&mut transfer.next, Next::Nothing) == Next::Again {
                        return self.retry(number);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn failed(&mut self, number: u32, why: Failure) {
        let Some(Transfer { way: Way::In(asked), .. }) = self.transfers.get_mut(&number) else { return };
        asked.storage = None;
        let why = words::failure(&why, asked.manifest.as_deref(), &asked.folder).what.to_string();
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
        let share = self.coming(number)?;
        self.turn(number, State::Running);
        self.command(Command::Resume { share })
    }

    pub(super) fn cancel(&mut self, number: u32) -> Result<()> {
        let transfer = self.transfers.get(&number).ok_or_else(|| unknown(number))?;
        let Some(share) = transfer.share else { return Err(over(number)) };
        let withdrawn = match (&transfer.way, transfer.with, &transfer.state) {
            (Way::Out, Some(to), State::Offered) => Some(to),
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
        let (fetch, folder, only) = (asked.fetch.clone(), asked.folder.clone(), asked.only.clone());
        let about = (transfer.name.clone(), transfer.size, transfer.with);
        self.fetch(number, about, fetch, (Some(folder), only))
    }

    fn coming(&self, number: u32) -> Result<ShareId> {
        let transfer = self.transfers.get(&number).ok_or_else(|| unknown(number))?;
        match (&transfer.way, transfer.share) {
            (Way::In(_), Some(share)) => Ok(share),
            (Way::In(_), None) => Err(over(number)),
            (Way::Out, _) => {
                Err(Error::usage("the other side decides what it asks for").hint("`cancel` ends it"))
            }
        }
    }

    fn number_of(&self, share: ShareId) -> Option<u32> {
        let found = self.transfers.iter().find(|(_, transfer)| transfer.share == Some(share));
        found.map(|(number, _)| *number)
    }

    /// A transfer stands so now; it is told if that is news.
    fn turn(&mut self, number: u32, state: State) {
        if let Some(transfer) = self.transfers.get_mut(&number)
            && transfer.state != state
        {
            transfer.state = state;
            self.tell_transfer(number);
        }
    }

    fn tell_transfer(&mut self, number: u32) {
        if let Some(shape) = self.shape(number) {
            self.tell(News::Transfer(shape));
        }
    }

    fn shape(&self, number: u32) -> Option<Shape> {
        let transfer = self.transfers.get(&number)?;
        Some(Shape {
            number,
            comes: matches!(transfer.way, Way::In(_)),
            name: transfer.name.clone(),
            with: transfer.with.map(|node| self.who(node)),
            state: transfer.state.clone(),
            moved: transfer.moved,
            size: transfer.size,
        })
    }

    pub(super) fn list_transfers(&mut self) {
        let transfers: Vec<News> =
            self.transfers.keys().filter_map(|number| self.shape(*number)).map(News::Transfer).collect();
        let offers = self.offers.iter().map(|(number, offered)| News::Offered {
            number: *number,
            from: self.who(offered.from),
            name: offered.offer.name.clone(),
            size: offered.offer.size,
            files: offered.offer.files,
        });
        let offers: Vec<News> = offers.collect();
        if transfers.is_empty() && offers.is_empty() {
            self.tell(News::Note("nothing moves, and nothing is offered".into()));
        }
        self.news.extend(transfers);
        self.news.extend(offers);
    }
}

const fn share_of(event: &Event) -> Option<ShareId> {
    match event {
        Event::Offer { share, .. }
        | Event::Progress { share, .. }
        | Event::Uploaded { share, .. }
        | Event::Completed { share, .. }
        | Event::Failed { share, .. }
        | Event::Receipt { share, .. }
        | Event::SourceBroken { share, .. }
        | Event::Ended { share }
        | Event::Refused { share, .. } => Some(*share),
        _ => None,
    }
}

fn unknown(number: u32) -> Error {
    Error::usage(format!("there is no transfer {number}")).hint("`transfers` lists them")
}

fn over(number: u32) -> Error {
    Error::usage(format!("transfer {number} is over"))
}
