//! What is on the screen.

use std::collections::VecDeque;

use crate::api::shapes::{Details, Offer, Peer, Status, Transfer, Transfers};
use crate::exit::{Error, Result};

/// Messages that are held; those that fit are shown.
const MESSAGES_MAX: usize = 500;

/// What can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chosen {
    /// A transfer, by its number.
    Transfer(u32),
    /// An offer, by its number.
    Offer(u32),
}

/// Something that comes from the daemon.
#[derive(Debug)]
pub(super) enum Update {
    /// How things are.
    Seen(Box<Seen>),
    /// It does not answer.
    Away(Error),
    /// An order was carried out, or not.
    Done(Result<()>),
    /// Something has happened.
    Told(Message),
}

/// How things are.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) status: Status,
    pub(super) transfers: Transfers,
    pub(super) peers: Vec<Peer>,
    /// Of the one that is chosen.
    pub(super) details: Option<Details>,
}

/// How a line is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Said,
    Good,
    Bad,
}

/// A line among the messages, safe for a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) tone: Tone,
    pub(super) text: String,
}

/// What is on the screen.
#[derive(Debug, Default)]
pub(super) struct Model {
    seen: Option<Box<Seen>>,
    /// Why nothing is seen just now.
    away: Option<Error>,
    chosen: Option<Chosen>,
    messages: VecDeque<Message>,
    /// What is said of the last key.
    note: Option<Message>,
    /// The order that is being typed.
    typed: Option<String>,
}

impl Model {
    /// Takes in what has come.
    pub(super) fn take(&mut self, update: Update) {
        match update {
            Update::Seen(seen) => {
                self.away = None;
                self.seen = Some(seen);
                self.keep_choice();
            }
            Update::Away(error) => self.away = Some(error),
            Update::Done(Ok(())) => self.note = None,
            Update::Done(Err(error)) => {
                let hint = error.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
                self.complain(format!("{}{hint}", error.what));
            }
            Update::Told(message) => self.tell(message),
        }
    }

    /// One more message; the oldest go.
    pub(super) fn tell(&mut self, message: Message) {
        if self.messages.len() == MESSAGES_MAX {
            self.messages.pop_front();
        }
        self.messages.push_back(message);
    }

    pub(super) fn complain(&mut self, text: String) {
        self.note = Some(Message { tone: Tone::Bad, text });
    }

    /// The last key is answered: nothing is said of it any more.
    pub(super) fn forget_note(&mut self) {
        self.note = None;
    }

    pub(super) fn seen(&self) -> Option<&Seen> {
        self.seen.as_deref()
    }

    pub(super) const fn away(&self) -> Option<&Error> {
        self.away.as_ref()
    }

    pub(super) const fn note(&self) -> Option<&Message> {
        self.note.as_ref()
    }

    pub(super) const fn chosen(&self) -> Option<Chosen> {
        self.chosen
    }

    pub(super) fn typed(&self) -> Option<&str> {
        self.typed.as_deref()
    }

    pub(super) const fn typed_mut(&mut self) -> &mut Option<String> {
        &mut self.typed
    }

    /// The newest ones, of so many at most, the oldest of them first.
    pub(super) fn newest(&self, most: usize) -> impl Iterator<Item = &Message> {
        self.messages.iter().skip(self.messages.len().saturating_sub(most))
    }

    /// Offers first, for they wait for somebody; then transfers, the newest first.
    pub(super) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let seen = self.seen.iter();
        seen.flat_map(|seen| {
            let offers = seen.transfers.offers.iter().map(Row::Offer);
            offers.chain(seen.transfers.transfers.iter().rev().map(Row::Transfer))
        })
    }

    /// Where the chosen one is among the rows.
    pub(super) fn place(&self) -> Option<usize> {
        self.rows().position(|row| Some(row.id()) == self.chosen)
    }

    /// Another one is chosen, so many rows further.
    pub(super) fn step(&mut self, by: isize) {
        let last = self.rows().count().saturating_sub(1);
        let at = self.place().unwrap_or(0).saturating_add_signed(by).min(last);
        let chosen = self.rows().nth(at).map(|row| row.id());
        self.chosen = chosen;
    }

    /// Details of the one that is chosen, once they are there.
    pub(super) fn details(&self) -> Option<&Details> {
        let details = self.seen()?.details.as_ref()?;
        (self.chosen == Some(Chosen::Transfer(details.transfer.transfer))).then_some(details)
    }

    /// What is chosen stays chosen while it is there; an offer that was accepted is a transfer of the same number.
    fn keep_choice(&mut self) {
        if self.place().is_some() {
            return;
        }
        if let Some(Chosen::Offer(number)) = self.chosen {
            self.chosen = Some(Chosen::Transfer(number));
        }
        if self.place().is_none() {
            let first = self.rows().next().map(|row| row.id());
            self.chosen = first;
        }
    }
}

/// A line of the list.
#[derive(Clone, Copy, Debug)]
pub(super) enum Row<'a> {
    Offer(&'a Offer),
    Transfer(&'a Transfer),
}

impl Row<'_> {
    pub(super) const fn id(&self) -> Chosen {
        match self {
            Self::Offer(offer) => Chosen::Offer(offer.offer),
            Self::Transfer(transfer) => Chosen::Transfer(transfer.transfer),
        }
    }
}
