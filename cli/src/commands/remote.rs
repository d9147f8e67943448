//! Commands that talk to the daemon of this home.

use crate::api::Place;
use crate::api::client::Client;
use crate::api::orders::Given;
use crate::api::shapes::{Peers, Status, Transfer, Transfers};
use crate::args::{StatusArgs, SteerArgs};
use crate::engine::news::News;
use crate::exit::{Error, Exit, Result};
use crate::output::count;
use crate::rooms::Kind;
use crate::run::Context;

/// `truecopy status`: the node, who is here, what moves.
pub fn status(_: &StatusArgs, context: &Context) -> Result<Exit> {
    let client = client(context)?;
    let Status { node, room, addresses, active, transfers, offers, .. } = client.get("/v1/status")?;
    let Peers { peers } = client.get("/v1/peers")?;
    let moving: Transfers = client.get("/v1/transfers")?;
    let node = crate::engine::nodes::parse_key(&node).ok_or_else(strange)?;
    let room = Kind::read(&room).ok_or_else(strange)?;
    let mut news = vec![News::Myself(node), News::Room(room)];
    news.extend(addresses.into_iter().map(News::Listening));
    for peer in peers {
        let who = peer.who().ok_or_else(strange)?;
        news.push(News::Here { who, address: peer.address.unwrap_or_default() });
    }
    news.extend(shown(&moving)?);
    for offer in &moving.offers {
        news.push(News::Offered(offer.offering().ok_or_else(strange)?));
    }
    let of = count(transfers, "transfer");
    news.push(News::Note(format!("{of}, {active} of them under way; {}", count(offers, "offer"))));
    news.iter().for_each(|news| tell(context, news));
    Ok(Exit::Success)
}

/// The transfers of the daemon, for `truecopy ls`; nothing if none runs.
///
/// # Errors
/// If it says what is not understood.
pub fn transfers(context: &Context) -> Result<()> {
    let moving: Transfers = match client(context).and_then(|client| client.get("/v1/transfers")) {
        Ok(moving) => moving,
        Err(error) if matches!(error.exit, Exit::NoDaemon | Exit::Usage) => return Ok(()),
        Err(error) => return Err(error),
    };
    let news = shown(&moving)?;
    news.iter().for_each(|news| tell(context, news));
    if news.is_empty() {
        tell(context, &News::Note("the daemon has no transfers".into()));
    }
    Ok(())
}

fn shown(moving: &Transfers) -> Result<Vec<News>> {
    let news = |transfer: &Transfer| transfer.shape().map(News::Transfer).ok_or_else(strange);
    moving.transfers.iter().map(news).collect()
}

/// How a transfer is steered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steer {
    /// `truecopy pause`.
    Pause,
    /// `truecopy resume`.
    Resume,
    /// `truecopy cancel`.
    Cancel,
    /// `truecopy retry`.
    Retry,
    /// `truecopy rm`.
    Rm,
}

impl Steer {
    const fn order(self, transfer: u32) -> Given {
        match self {
            Self::Pause => Given::Pause { transfer },
            Self::Resume => Given::Resume { transfer },
            Self::Cancel => Given::Cancel { transfer },
            Self::Retry => Given::Retry { transfer },
            Self::Rm => Given::Rm { transfer },
        }
    }
}

/// Steers a transfer, and tells how it stands then.
pub fn steer(steer: Steer, args: &SteerArgs, context: &Context) -> Result<Exit> {
    let client = client(context)?;
    let number = args.transfer;
    client.give(&steer.order(number))?;
    if steer == Steer::Rm {
        tell(context, &News::Forgotten { number });
        return Ok(Exit::Success);
    }
    let Transfers { transfers, .. } = client.get("/v1/transfers")?;
    if let Some(transfer) = transfers.iter().find(|transfer| transfer.transfer == number) {
        tell(context, &News::Transfer(transfer.shape().ok_or_else(strange)?));
    }
    Ok(Exit::Success)
}

fn client(context: &Context) -> Result<Client> {
    Client::find(&Place::new(context.home()?))
}

fn tell(context: &Context, news: &News) {
    context.reporter.line(&news.line(), &news.json(context.reporter.elapsed()));
}

fn strange() -> Error {
    Error::new(Exit::Unexpected, "the daemon says what this program does not understand")
        .hint("it may be of another version: start it again")
}
