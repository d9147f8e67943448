//! The same with a real Redis, which each test starts for itself.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::shared::{is_shared, tells_what_was_missed};
use super::*;

/// So that a test that would hang fails instead.
const PATIENCE: Duration = Duration::from_secs(20);

/// A Redis at a socket in a folder of its own. Ends with its owner.
struct Redis {
    child: Child,
    socket: PathBuf,
    _folder: tempfile::TempDir,
}

impl Redis {
    /// None, and a word about it, where there is no `redis-server`.
    fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let started = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "yes", "--unixsocket"])
            .arg(&socket)
            .arg("--dir")
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn();
        let Ok(child) = started else {
            eprintln!("skipped: redis-server is not installed (Debian has it as redis-server)");
            return None;
        };
        let redis = Self { child, socket, _folder: folder };
        redis.wait();
        Some(redis)
    }

    /// Until it answers: it says nothing when it does.
    fn wait(&self) {
        let start = Instant::now();
        while UnixStream::connect(&self.socket).is_err() {
            assert!(start.elapsed() < PATIENCE, "redis-server does not answer");
            std::thread::yield_now();
        }
    }

    fn url(&self) -> String {
        format!("redis+unix://{}", self.socket.display())
    }

    fn open(&self) -> Open {
        let url = self.url();
        Box::new(move || Box::new(RedisStore::open(&url).unwrap()))
    }

    /// Says something to it beside the store.
    fn say(&self, words: &str) {
        use std::io::Write;
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(format!("{words}\r\n").as_bytes()).unwrap();
        // An answer of any kind.
        stream.read_exact(&mut [0]).unwrap();
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_store_in_redis_conforms() {
    let Some(redis) = Redis::start() else { return };
    conforms(&redis.open());
}

#[test]
fn the_store_in_redis_is_shared() {
    let Some(redis) = Redis::start() else { return };
    is_shared(&redis.open());
}

#[test]
fn whoever_was_away_from_redis_for_too_long_is_told() {
    let Some(redis) = Redis::start() else { return };
    tells_what_was_missed(&redis.open());
}

#[test]
fn a_redis_that_lost_everything_is_noticed_and_filled_anew() {
    let Some(redis) = Redis::start() else { return };
    let open = redis.open();
    let (mut one, mut other) = (open(), open());
    let mut handle = other.shared().unwrap().unwrap();
    one.apply(&[Change::put(key(1), peer(1))]).unwrap();
    redis.say("FLUSHALL");
    assert_eq!(handle.news(Duration::from_millis(1), &mut |_| ()).unwrap(), News::Missed);
    assert_eq!(handle.agree([3; 32]).unwrap(), [3; 32]);
    one.apply(&[Change::put(key(2), peer(2))]).unwrap();
    assert_eq!(records(&mut *other).len(), 2);
}

#[test]
fn a_connection_to_redis_that_broke_is_made_anew() {
    let Some(redis) = Redis::start() else { return };
    let mut store = redis.open()();
    store.apply(&[Change::put(key(1), peer(1))]).unwrap();
    redis.say("CLIENT KILL TYPE normal SKIPME yes");
    assert!(matches!(store.apply(&[Change::put(key(2), peer(2))]), Err(StoreError::Failed(_))));
    store.apply(&[Change::put(key(2), peer(2))]).unwrap();
    assert_eq!(records(&mut *store).len(), 2);
}

#[test]
fn a_mark_in_redis_is_free_again_after_its_time() {
    let Some(redis) = Redis::start() else { return };
    let mut store = redis.open()();
    let mut handle = store.shared().unwrap().unwrap();
    let mark = [([1; 16], Duration::from_secs(1))];
    assert_eq!(handle.claim(&mark).unwrap(), [Claim::First]);
    let start = Instant::now();
    while handle.claim(&mark).unwrap() == [Claim::Taken] {
        assert!(start.elapsed() < PATIENCE, "marks are forgotten");
        std::thread::yield_now();
    }
    assert!(start.elapsed() > Duration::from_millis(900));
}

#[test]
fn a_redis_that_is_not_there_is_an_error_that_names_no_password() {
    let error = RedisStore::open("redis://user:secret@127.0.0.1:1").unwrap_err();
    assert!(matches!(error, StoreError::Failed(_)));
    assert!(!error.to_string().contains("secret"));
}
