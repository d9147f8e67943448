//! What a node serves: hashed beside all else, then offered to one node or told to everybody by its ticket.

use std::sync::Arc;

use truecopy_mio::hash::AtOnce;
use truecopy_mio::prepare::{self, Links, Monitor, Options, Prepared};
use truecopy_protocol::content::ticket::Ticket;
use truecopy_protocol::input::{Command, Say, Share as Served, Swarming};
use truecopy_protocol::wire::{Offer, Reason};
use truecopy_protocol::{ShareId, Trackers};

use super::Engine;
use super::news::{News, State};
use super::transfers::{Transfer, Way, Work, random_secret};
use crate::addresses;
use crate::args::LinkPolicy;
use crate::commands::reading;
use crate::exit::Result;
use crate::standing::Standing;

impl Engine {
    /// Hashes what is to be served, beside all else.
    pub(super) fn hash(&mut self, number: u32) -> Result<()> {
        let Some(Transfer { way: Way::Out(given), .. }) = self.transfers.get(&number) else { return Ok(()) };
        let (paths, known) = (given.paths.clone(), given.known);
        self.is_changed = true;
        if let Some((content, secret)) = known {
            // Whoever comes for it meanwhile waits, and is not told that it is not here.
            let share = self.new_share();
            self.command(Command::Announce { share, content, secret })?;
            if let Some(transfer) = self.transfers.get_mut(&number) {
                transfer.share = Some(share);
            }
        }
        let shares = self.shares.clone();
        self.work(move || {
            let options = Options { links: Links::Keep, hasher: &AtOnce };
            // As `send` does: files that are remembered and unchanged are not read.
            let known = shares.known(&paths, LinkPolicy::Keep);
            let prepared = prepare::prepare(&paths, &options, known, &Monitor::new());
            if let Ok(prepared) = &prepared {
                let warn = |why: &str| tracing::warn!(why, "what files hash to is not remembered");
                shares.keep_known(&paths, LinkPolicy::Keep, prepared, &warn);
            }
            Work::Prepared(number, prepared.map_err(|error| reading::explain(&error)))
        })
    }

    /// What was hashed is served, and offered or told.
    pub(super) fn serve(&mut self, number: u32, prepared: Prepared) -> Result<()> {
        let transfer = self.transfers.get_mut(&number).filter(|transfer| transfer.state == State::Preparing);
        let Some(Transfer { way: Way::Out(given), with, .. }) = transfer else {
            // It was ended meanwhile.
            return Ok(());
        };
        let (content, with) = (prepared.manifest.content_id(), *with);
        let secret = match given.known {
            Some((known, _)) if known != content => {
                let why = "its files are not what they were: share them again";
                return self.not_served(number, why.into(), Reason::SourceChanged);
            }
            Some((_, secret)) => secret,
            None => random_secret()?,
        };
        given.known = Some((content, secret));
        let is_accepted = given.is_accepted;
        // Before anybody is offered it: after a crash it is the same.
        self.is_changed = true;
        self.keep();
        let announced = self.share_of(number);
        let share = announced.unwrap_or_else(|| self.new_share());
        let standing = Standing::prepared(prepared);
        self.net.handle.register(share, standing.serving(&self.run)?);
        let manifest = Arc::clone(&standing.manifest);
        let served = Served::new(share, secret, Arc::clone(&manifest), standing.layers);
        self.command(Command::Share(Served { swarm: Swarming::On, port: self.port(), ..served }))?;
        let Some(transfer) = self.transfers.get_mut(&number) else { return Ok(()) };
        transfer.share = Some(share);
        transfer.size = manifest.total_size();
        match with {
            Some(to) if is_accepted => {
                self.turn(number, State::Running);
                self.call_on(to)
            }
            Some(to) => {
                let name = String::from_utf8_lossy(&transfer.name);
                let name = name.chars().take(60).collect::<String>();
                let (size, files) = (manifest.total_size(), manifest.file_count());
                let offer =
                    Offer { number: u64::from(number), content, secret, name: name.clone(), size, files };
                self.turn(number, State::Offered);
                self.say_now(to, Say::Offer(offer), format!("the offer of {name}"))
            }
            None => {
                let addresses = addresses::reachable(self.net.handle.addresses());
                let trackers = Trackers::default();
                let ticket = Ticket { content, secret, node: self.me, addresses, trackers }.text();
                if let Way::Out(given) = &mut transfer.way {
                    given.ticket = Some(ticket.clone());
                }
                self.turn(number, State::Running);
                self.tell(News::Ticket { number, ticket });
                Ok(())
            }
        }
    }

    /// What was to be served is not; who waits for it is told why.
    pub(super) fn not_served(&mut self, number: u32, why: String, reason: Reason) -> Result<()> {
        let share = self.share_of(number);
        if self.transfers.get(&number).is_some_and(|transfer| transfer.state == State::Preparing) {
            self.turn(number, State::Failed(why));
        }
        share.map_or(Ok(()), |share| self.command(Command::End { share, reason }))
    }

    fn share_of(&self, number: u32) -> Option<ShareId> {
        self.transfers.get(&number).and_then(|transfer| transfer.share)
    }
}
