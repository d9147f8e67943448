//! Honest nodes: a receiver with a real destination, as the program runs it, and a sender of real files.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use truecopy_mio::disk::RealDisk;
use truecopy_mio::prepare::{Links, Monitor, Options, Prepared, prepare};
use truecopy_mio::{Events, Handle, Listen, Reactor, ReactorConfig};
use truecopy_protocol::content::judge::NameRules;
use truecopy_protocol::content::manifest::Manifest;
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::content::tree::OneByOne;
use truecopy_protocol::input::{Command, Fetch, PeerHint, Share as Offered};
use truecopy_protocol::job::Outcome;
use truecopy_protocol::output::{Event, Failure};
use truecopy_protocol::wire::Reason;
use truecopy_protocol::{AccessSecret, Candidate, ContentId, NodeId, ShareId, UnixTime};
use truecopy_transport::keys::KeyPair;
use truecopy_transport::store::{
    Conflict, Holder, OnConflict, OnImpossible, Receiving, Share, Source, SourceTop, Staging, StagingOptions,
    Survey, TrustDisk, impossible_entries,
};

use super::world::PATIENCE;

pub(crate) const SHARE: ShareId = ShareId(3);
pub(crate) const SECRET: AccessSecret = AccessSecret([9; 32]);

/// A running node.
pub(crate) struct Host {
    pub(crate) id: NodeId,
    pub(crate) handle: Handle,
    pub(crate) events: Events,
    thread: Option<JoinHandle<io::Result<()>>>,
}

/// A node on loopback that loses its patience sooner than the program, so that tests end.
pub(crate) fn config() -> ReactorConfig {
    let mut config = ReactorConfig::new(KeyPair::generate().unwrap(), [1; 32]);
    config.listen = vec![Listen::At(SocketAddr::from(([127, 0, 0, 1], 0)))];
    config.config.backoff_min = Duration::from_millis(10);
    config.config.backoff_max = Duration::from_millis(100);
    config.config.find_timeout = Duration::from_secs(10);
    config.config.lost_timeout = Duration::from_secs(10);
    config
}

impl Host {
    pub(crate) fn start(config: ReactorConfig) -> Self {
        let id = config.keys[0].node_id();
        let (reactor, handle, events) = Reactor::new(config).unwrap();
        let thread = Some(reactor.spawn().unwrap());
        Self { id, handle, events, thread }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.handle.addresses()[0]
    }

    /// Waits for an event.
    #[track_caller]
    pub(crate) fn until<T>(&self, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let event = self.events.recv_timeout(left).expect("it happens in time");
            if let Some(found) = wanted(event) {
                return found;
            }
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.handle.stop();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(std::thread::panicking() || matches!(ended, Ok(Ok(()))), "the loop failed: {ended:?}");
        }
    }
}

/// Real files behind a real node.
pub(crate) struct Sender {
    pub(crate) host: Host,
    pub(crate) manifest: Arc<Manifest>,
}

impl Sender {
    pub(crate) fn of(path: &Path, config: ReactorConfig) -> Self {
        let options = Options { links: Links::Keep, hasher: &OneByOne };
        let Prepared { manifest, layers, sources, .. } =
            prepare(&[path.to_owned()], &options, None, &Monitor::new()).unwrap();
        let roots = sources.tops().iter().map(|top| RealDisk::open_root(top.folder()).unwrap()).collect();
        let tops = (0..)
            .zip(sources.tops())
            .map(|(root, top)| SourceTop { root, name: Some(top.name().to_owned()) })
            .collect();
        let source =
            Source::new(Arc::clone(&manifest), roots, tops, sources.identities(), Arc::new(OneByOne))
                .unwrap();
        let host = Host::start(config);
        host.handle.register(SHARE, Arc::new(Share::Serving(source)));
        let offered = Offered::new(SHARE, SECRET, Arc::clone(&manifest), Arc::new(layers));
        host.handle.command(Command::Share(offered)).unwrap();
        Self { host, manifest }
    }

    pub(crate) fn content_id(&self) -> ContentId {
        self.manifest.content_id()
    }
}

/// How a fetch ended.
#[derive(Debug)]
pub(crate) enum End {
    Placed(Outcome),
    /// The core gave up.
    Failed(Failure),
    /// Names are taken, or cannot exist.
    Conflicts(Vec<Conflict>),
    /// So much is needed and so much is free.
    NoSpace(u64, u64),
}

/// A receiver as the program runs it: offer, survey, plan, space, staging.
pub(crate) struct Receiver<'a> {
    pub(crate) host: Host,
    pub(crate) dest: &'a Path,
    pub(crate) policy: OnConflict,
    pub(crate) rules: NameRules,
}

impl<'a> Receiver<'a> {
    pub(crate) fn new(dest: &'a Path) -> Self {
        Self::with(dest, config())
    }

    pub(crate) fn with(dest: &'a Path, config: ReactorConfig) -> Self {
        Self { host: Host::start(config), dest, policy: OnConflict::Fail, rules: NameRules::LINUX }
    }

    pub(crate) fn seek(&self, content: ContentId, key: Option<NodeId>, address: SocketAddr) {
        let peers = vec![PeerHint { key, addresses: vec![Candidate::Tcp(address)] }];
        let fetch = Fetch::new(SHARE, content, SECRET, peers);
        self.host.handle.command(Command::Fetch(fetch)).unwrap();
    }

    /// Looks at what is offered as the program does: `Err` is how it ends.
    fn answer(&self, manifest: &Arc<Manifest>) -> Result<(), End> {
        let disk = RealDisk::open_root(self.dest).unwrap();
        let impossible = impossible_entries(manifest, &self.rules);
        let mut survey = Survey::take(&disk, Arc::clone(manifest), Selection::All, impossible).unwrap();
        survey.check_all(&disk, &OneByOne).unwrap();
        let plan = survey.decide(&disk, self.policy, OnImpossible::Fail).unwrap().map_err(End::Conflicts)?;
        if let Some(free) = survey.free_space().filter(|free| *free < plan.needed()) {
            return Err(End::NoSpace(plan.needed(), free));
        }
        let options = StagingOptions {
            manifest: Arc::clone(manifest),
            selection: Selection::All,
            plan,
            trust: TrustDisk::No,
            holder: Holder { pid: 7, host: "here".into(), since: UnixTime(9) },
            hasher: Arc::new(OneByOne),
        };
        let staging = Staging::open(disk, options).unwrap();
        let storage = Share::Receiving(Box::new(Receiving::opened(staging)));
        self.host.handle.register(SHARE, Arc::new(storage));
        self.host.handle.command(Command::accept(SHARE, Selection::All)).unwrap();
        Ok(())
    }

    /// Goes on to the end; `see` is told everything.
    #[track_caller]
    pub(crate) fn run(&self, mut see: impl FnMut(&Event)) -> End {
        let end = self.host.until(|event| {
            see(&event);
            match event {
                Event::Offer { manifest, .. } => self.answer(&manifest).err(),
                Event::Completed { outcome, .. } => Some(End::Placed(outcome)),
                Event::Failed { why, .. } => Some(End::Failed(why)),
                _ => None,
            }
        });
        if matches!(end, End::Conflicts(_) | End::NoSpace(..)) {
            self.host.handle.command(Command::Decline { share: SHARE, reason: Reason::Refused }).unwrap();
        }
        self.host.until(|event| matches!(event, Event::Ended { .. }).then_some(()));
        end
    }

    #[track_caller]
    pub(crate) fn fetch(&self, from: &Sender) -> End {
        self.seek(from.content_id(), Some(from.host.id), from.host.address());
        self.run(|_| {})
    }
}
