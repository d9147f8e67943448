//! A real tracker in the process of a test.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;
use truecopy_protocol::TrackerUrl;
use truecopy_server::http::{Config, Server};

pub(crate) struct Tracker {
    /// Its origin.
    pub(crate) url: TrackerUrl,
    /// Where it listens first.
    #[allow(dead_code, reason = "each test uses its part")]
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Tracker {
    /// One on loopback, called by its address.
    pub(crate) fn start() -> Self {
        Self::at(vec![SocketAddr::from(([127, 0, 0, 1], 0))], None)
    }

    pub(crate) fn at(listen: Vec<SocketAddr>, origin: Option<String>) -> Self {
        let config = Config { listen, origin, ..Config::default() };
        let (tell, told) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let server = Server::bind(config, None).unwrap();
                tell.send((server.origin().parse().unwrap(), server.addresses()[0])).unwrap();
                server.run(async { drop(stopped.await) }).await;
            });
        });
        let (url, address) = told.recv().unwrap();
        Self { url, address, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn end(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Tracker {
    fn drop(&mut self) {
        self.end();
    }
}
