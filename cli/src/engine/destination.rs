//! Where a fetch goes: what stands there already is looked at before anything moves, beside all else.

use std::ffi::OsString;
use std::sync::Arc;

use truecopy_protocol::ShareId;
use truecopy_protocol::content::manifest::Manifest;
use truecopy_protocol::input::Command;
use truecopy_protocol::wire::Reason;

use super::Engine;
use super::news::{News, State};
use super::transfers::{Next, Way, Work};
use crate::args::{GetArgs, OnConflict, OutputArgs};
use crate::commands::get::offer::{self, Answer as Looked, Asking, Before, Patterns};
use crate::exit::{Exit, Result};
use crate::output::Reporter;
use crate::witness::Proven;

impl Engine {
    /// The core has the list of files: what stands in the way is looked at, beside all else.
    pub(super) fn offered(&mut self, number: u32, manifest: Arc<Manifest>) -> Result<()> {
        let Some(transfer) = self.transfers.get_mut(&number) else { return Ok(()) };
        let (Some(share), Way::In(asked)) = (transfer.share, &mut transfer.way) else { return Ok(()) };
        (asked.manifest, asked.is_looking) = (Some(Arc::clone(&manifest)), true);
        transfer.name = manifest.name().to_vec();
        let folder = asked.place.folder.clone().unwrap_or_else(|| self.folder.clone());
        let run = self.run.clone();
        let patterns = Patterns { only: asked.place.only.clone(), ..Patterns::default() };
        self.work(move || {
            let mut args = GetArgs::plain(OsString::new(), folder.clone());
            // Nobody is asked, and nothing is overwritten.
            (args.yes, args.on_conflict) = (true, Some(OnConflict::Rename));
            let reporter = Reporter::new(&OutputArgs { quiet: true, ..OutputArgs::default() });
            let before = Before::Running(&Proven::default());
            let asking = Asking { reporter: &reporter, stop: &|| None, before };
            let looked = offer::answer((&args, &patterns), &asking, &run, &folder, &manifest);
            Work::Looked(number, share, looked)
        })
    }

    pub(super) fn looked(&mut self, number: u32, share: ShareId, looked: Result<Looked>) -> Result<()> {
        let Some(transfer) = self.transfers.get_mut(&number) else { return Ok(()) };
        let Way::In(asked) = &mut transfer.way else { return Ok(()) };
        asked.is_looking = false;
        let is_wanted = matches!(transfer.state, State::Running | State::Paused);
        if !is_wanted || transfer.share != Some(share) {
            // It was ended meanwhile. Only now is the destination free, for whoever wants it again.
            drop(looked);
            return self.again(number);
        }
        match looked {
            Err(error) => {
                self.command(Command::Decline { share, reason: Reason::Leaving })?;
                self.turn(number, State::Failed(error.what.to_string()));
                Ok(())
            }
            Ok(Looked::Accept(accepted)) => {
                self.net.handle.register(share, accepted.storage.clone());
                asked.storage = Some(accepted.storage);
                let (selection, first) = (accepted.selection, accepted.first);
                self.command(Command::Accept { share, selection, first })
            }
            Ok(Looked::Here(..)) => {
                self.command(Command::Decline { share, reason: Reason::Done })?;
                self.turn(number, State::Done);
                Ok(())
            }
        }
    }

    /// Fetches what has ended once more, if the user wanted that while it was still being ended.
    pub(super) fn again(&mut self, number: u32) -> Result<()> {
        let Some(transfer) = self.transfers.get_mut(&number) else { return Ok(()) };
        let is_looking = matches!(&transfer.way, Way::In(asked) if asked.is_looking);
        let is_free = transfer.share.is_none() && !is_looking;
        if !is_free || std::mem::replace(&mut transfer.next, Next::Nothing) != Next::Again {
            return Ok(());
        }
        match self.retry(number) {
            Err(error) if error.exit != Exit::Unexpected => {
                self.tell(News::Trouble(error.what.to_string()));
                Ok(())
            }
            other => other,
        }
    }
}
