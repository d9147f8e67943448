//! A node that does what its user orders, and tells what happens: what a console, and whatever else steers a node, share.
//!
//! Orders are carried out at once or begun; what comes of them is news. Work that takes long (hashing, looking at a
//! destination) is done on threads of its own, so that no transfer and no chat waits for another.

mod destination;
mod ending;
pub mod flow;
mod kept;
mod listing;
pub mod news;
pub mod nodes;
pub mod order;
mod room;
mod serving;
mod transfers;
mod unheard;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use truecopy_mio::Waker;
use truecopy_protocol::input::Command;
use truecopy_protocol::output::Event;
use truecopy_protocol::{Config, ConnId, Detail, NodeId, ShareId};
use truecopy_transport::keys::KeyPair;
use truecopy_transport::pace::Rates;
use zeroize::Zeroizing;

use crate::args::{Limit, LimitArgs, Listen, Pause};
use crate::exit::{Error, Exit, Result};
use crate::home::Home;
use crate::limits::Limits;
use crate::net::{Net, patience};
use crate::record::Run;
use crate::rooms::{Kind, Room};
use crate::sealed;
use crate::shares::Shares;

use news::{News, Who};
use nodes::Nodes;
use order::{HELP, Order};
pub(crate) use transfers::random_secret;
use transfers::{Offered, Transfer, Work};
use unheard::Unheard;

/// The room of this node, among the shares of the core.
const ROOM: ShareId = ShareId(0);
/// How long a node is looked for that something is to be said to.
const FINDING: Duration = Duration::from_secs(60);
/// How long a transfer that outlives runs looks for who has it: over a night, or while a network comes up.
const PATIENCE: Duration = Duration::from_secs(86_400);
/// How often it is looked how far transfers are and what goes between them and their peers.
const LOOK: Duration = Duration::from_millis(250);
/// What the file of the node's key begins with.
const KEY_MAGIC: &sealed::Magic = b"tc-node1";

/// Whose offers are accepted unasked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepting {
    /// Those of trusted nodes.
    Trusted,
    /// Everybody's: for scripts and tests.
    All,
}

/// How a node is made.
pub struct Setup<'a> {
    /// Where its key and its address book are.
    pub home: &'a Home,
    /// Where it listens.
    pub listen: Vec<Listen>,
    /// Where files go that nobody chose a folder for.
    pub folder: PathBuf,
    /// Whose offers are accepted unasked.
    pub accepting: Accepting,
    /// Limits of rates, by the hour if the user wants it so.
    pub limits: &'a LimitArgs,
    /// Whether transfers outlive this run.
    pub keeping: Keeping,
    /// In which room it is.
    pub room: Room,
}

/// Whether transfers outlive a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// They end with it.
    Nothing,
    /// They are written down at each change, and taken up again at the next start.
    Transfers,
}

/// A node that is here.
#[derive(Debug, Default)]
struct Present {
    conns: BTreeSet<ConnId>,
    /// Where it is seen.
    seen: String,
    /// Where it takes connections.
    reachable: Option<SocketAddr>,
}

/// An address that was to be met, and what is to be said there.
#[derive(Debug)]
struct Dialled {
    text: String,
    address: Option<SocketAddr>,
    port: u16,
    since: Instant,
    then: Vec<Errand>,
}

/// What is to be done as soon as a node is here; until then it is known by its tag.
#[derive(Debug)]
struct Errand {
    tag: u64,
    then: Then,
}

/// Something to be done with a node.
#[derive(Clone, Debug)]
enum Then {
    Say(String),
    Call(String),
    Offer(Vec<PathBuf>),
}

/// A node with its user.
pub struct Engine {
    net: Net,
    run: Run,
    me: NodeId,
    room: Kind,
    nodes: Nodes,
    present: BTreeMap<NodeId, Present>,
    dialled: Vec<Dialled>,
    /// What was said, by tag: to be named if it does not come.
    unheard: Unheard,
    folder: PathBuf,
    accepting: Accepting,
    offers: BTreeMap<u32, Offered>,
    transfers: BTreeMap<u32, Transfer>,
    number: u32,
    share: u32,
    works: (Sender<Work>, Receiver<Work>),
    news: VecDeque<News>,
    /// Where transfers are written down, if they are.
    kept: Option<PathBuf>,
    /// What files hashed to.
    shares: Shares,
    /// What is written down is not true any more.
    is_changed: bool,
    started: Instant,
    limits: Limits,
}

impl Engine {
    /// Starts a node, in its room.
    ///
    /// # Errors
    /// If it cannot listen there, or its key or address book cannot be read.
    pub fn start(setup: &Setup<'_>) -> Result<Self> {
        let seed = key_seed(setup.home)?;
        let me = KeyPair::from_seed(Zeroizing::new(seed)).node_id();
        let timeout = (setup.keeping == Keeping::Transfers).then_some(Pause(PATIENCE));
        let config = Config { detail: Detail::Peers, progress_interval: LOOK, ..patience(timeout) };
        let run = Run::unrecorded(config)?;
        let kept = (setup.keeping == Keeping::Transfers).then(|| setup.home.state().join(kept::FILE));
        let limits = Limits::new(setup.limits);
        let before = kept.as_deref().map_or_else(|| Ok(kept::Kept::default()), kept::read)?;
        let words = kept.is_some().then(|| setup.home.state().join(unheard::FILE));
        let left = words.as_deref().map_or_else(|| Ok(unheard::Left::default()), unheard::read)?;
        let net = listening(&setup.listen, before.port, seed, &run, limits.rates())?;
        let mut engine = Self {
            net,
            run,
            me,
            room: setup.room.kind(),
            nodes: Nodes::read(setup.home)?,
            present: BTreeMap::new(),
            dialled: Vec::new(),
            unheard: words.map_or_else(Unheard::nowhere, |path| Unheard::at(path, &left)),
            folder: setup.folder.clone(),
            accepting: setup.accepting,
            offers: BTreeMap::new(),
            transfers: BTreeMap::new(),
            number: 0,
            share: ROOM.0,
            works: channel(),
            news: VecDeque::new(),
            kept,
            shares: Shares::new(setup.home),
            is_changed: false,
            started: Instant::now(),
            limits,
        };
        let port = engine.port();
        let secret = setup.room.secret();
        engine.command(Command::Room { room: ROOM, secret, local: me, port })?;
        engine.tell(News::Myself(me));
        engine.tell(News::Room(engine.room));
        for address in crate::addresses::reachable(engine.net.handle.addresses()) {
            engine.tell(News::Listening(address.to_string()));
        }
        engine.take_up(before)?;
        engine.tell_left(left);
        Ok(engine)
    }

    /// Carries out an order, or begins to. The number of the transfer that it began, if it did; what is kept is written
    /// down by then.
    ///
    /// # Errors
    /// What is wrong with the order, in words for the user; the node goes on. [`Exit::Unexpected`] if it cannot.
    pub fn order(&mut self, order: Order) -> Result<Option<u32>> {
        let before = self.number;
        self.obey(order)?;
        self.settle();
        Ok((self.number > before).then_some(self.number))
    }

    fn obey(&mut self, order: Order) -> Result<()> {
        match order {
            Order::Connect(to) => self.connect(&to, None),
            Order::Send(to, text) => self.with(&to, Then::Say(text)),
            Order::SendFile(to, paths) => self.with(&to, Then::Offer(paths)),
            Order::Broadcast(text) => self.broadcast(text),
            Order::Share(paths) => self.offer_to(None, paths),
            Order::Get(source, folder) => self.get(&source, folder),
            Order::Accept(number, folder, only) => self.accept(number, folder, only),
            Order::Decline(number) => self.decline(number),
            Order::Pause(number) => self.pause(number),
            Order::Resume(number) => self.resume(number),
            Order::Cancel(number) => self.cancel(number),
            Order::Retry(number) => self.retry(number),
            Order::Remove(number) => self.remove(number),
            Order::Limit(Limit(up), Limit(down)) => self.set_rates(Rates { up, down }),
            Order::Name(node, name) => {
                let node = self.meant(&node)?;
                self.nodes.call(node, &name)
            }
            Order::Trust(node, trusted) => {
                let node = self.meant(&node)?;
                self.nodes.trust(node, trusted)
            }
            Order::Peers => {
                self.list_peers();
                Ok(())
            }
            Order::Transfers => {
                self.list_transfers();
                Ok(())
            }
            Order::Help => {
                for (form, about) in HELP {
                    self.tell(News::Note(format!("{form:<40} {about}")));
                }
                Ok(())
            }
            Order::Quit => Ok(()),
        }
    }

    /// What has happened; waits a moment for it. None: nothing yet.
    ///
    /// # Errors
    /// If the network part of the program has ended.
    pub fn next_news(&mut self) -> Result<Option<News>> {
        if self.news.is_empty() {
            self.give_up_old_dials();
            if let Some(rates) = self.limits.due() {
                self.set_rates(rates)?;
            }
            while let Ok(work) = self.works.1.try_recv() {
                self.worked(work)?;
            }
        }
        if self.news.is_empty()
            && let Some(event) = self.net.next()?
        {
            self.happened(event)?;
        }
        // Nothing is told before it would outlive a crash.
        self.settle();
        let news = self.news.pop_front();
        if let Some(News::Delivered { tag, .. } | News::Undelivered { tag, .. }) = &news {
            // Written down the next time, when it was told: better twice than never.
            self.unheard.told(*tag);
        }
        Ok(news)
    }

    /// Writes down what has changed. That it cannot be is told.
    fn settle(&mut self) {
        self.keep();
        if let Err(error) = self.unheard.write() {
            let error = crate::escape::Shown::io(&error);
            self.tell(News::Trouble(format!("what is said would not be known after this run: {error}")));
        }
    }

    /// What ends the wait for news early.
    pub fn waker(&self) -> Waker {
        self.net.waker()
    }

    /// Whether something is still on its way: transfers that come or are being taken, and words that wait.
    pub fn is_busy(&self) -> bool {
        !self.unheard.is_empty() || self.transfers.values().any(Transfer::is_busy)
    }

    fn happened(&mut self, event: Event) -> Result<()> {
        match event {
            Event::PeerUp { share: ROOM, conn, peer, role, path } => self.came(conn, peer, role, path),
            Event::PeerDown { share: ROOM, conn, peer, why } => {
                self.went(conn, peer, why);
                Ok(())
            }
            Event::Reachable { peer, address, .. } => {
                if let Some(present) = self.present.get_mut(&peer) {
                    present.reachable = Some(address);
                }
                Ok(())
            }
            Event::Waiting { share: ROOM, why } => {
                self.waits(why);
                Ok(())
            }
            Event::Unmet { why, .. } => {
                self.unmet(why);
                Ok(())
            }
            Event::Heard { from, heard, .. } => self.heard(from, heard),
            Event::Delivered { to, tag, .. } => {
                self.delivered(to, tag);
                Ok(())
            }
            Event::Undelivered { tag, .. } => {
                self.undelivered(tag, "it was not acknowledged in time, or too much waits for that node");
                Ok(())
            }
            Event::Refused { share: ROOM, why } => {
                self.tell(News::Trouble(format!("that cannot be said: {why}")));
                Ok(())
            }
            other => self.moved(other),
        }
    }

    fn set_rates(&self, rates: Rates) -> Result<()> {
        self.net.handle.set_rates(rates).map_err(|stopped| Error::new(Exit::Unexpected, stopped))
    }

    fn command(&self, command: Command) -> Result<()> {
        self.net.handle.command(command).map_err(|stopped| Error::new(Exit::Unexpected, stopped))
    }

    /// Where others find this node.
    fn port(&self) -> Option<u16> {
        self.net.handle.addresses().first().map(SocketAddr::port)
    }

    fn tell(&mut self, news: News) {
        self.news.push_back(news);
    }

    fn who(&self, node: NodeId) -> Who {
        Who { node, name: self.nodes.shown(node) }
    }
}

/// Listens where the user said; where any port does, on that of the last time if it is free, so that tickets stay true.
fn listening(listen: &[Listen], port: Option<u16>, seed: [u8; 32], run: &Run, rates: Rates) -> Result<Net> {
    let known = match (listen, port) {
        ([Listen::Address(address)], Some(port)) if address.port() == 0 => {
            Some(Listen::Address(SocketAddr::new(address.ip(), port)))
        }
        _ => None,
    };
    if let Some(known) = known
        && let Ok(net) = Net::listening((&[known], None), seed, run, rates)
    {
        return Ok(net);
    }
    Net::listening((listen, port), seed, run, rates)
}

/// The seed of this node's own key: made when it is first needed.
fn key_seed(home: &Home) -> Result<[u8; 32]> {
    let path = home.state().join("node.key");
    let read = sealed::read(&path, KEY_MAGIC).map_err(|error| Error::local("read", &path, &error))?;
    if let Some(bytes) = read {
        return bytes[..].try_into().map_err(|_| {
            Error::new(Exit::LocalIo, format!("{} is damaged", path.display()))
                .hint("move it away: then this node gets a new key, which others do not know")
        });
    }
    let mut seed = [0; 32];
    aws_lc_rs::rand::fill(&mut seed)
        .map_err(|_| Error::new(Exit::Unexpected, "the system gives no random numbers"))?;
    sealed::write(&path, KEY_MAGIC, |mut bytes| {
        bytes.extend_from_slice(&seed);
        Ok(bytes)
    })
    .map_err(|error| Error::local("write", &path, &error))?;
    Ok(seed)
}
