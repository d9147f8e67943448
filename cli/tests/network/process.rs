//! Running processes: their lines as they come, deadlines for everything, an end by handle alone.

use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use truecopy_protocol::content::ticket::Ticket;

use crate::common::World;
use crate::schema;

/// Nothing that a test waits for takes longer.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// What a process wrote so far.
#[derive(Default)]
struct Written {
    state: Mutex<Streams>,
    more: Condvar,
}

#[derive(Default)]
struct Streams {
    out: Vec<u8>,
    err: Vec<u8>,
    closed: usize,
}

/// A running process; killed when dropped.
pub(crate) struct Process {
    child: Child,
    written: Arc<Written>,
    readers: Vec<JoinHandle<()>>,
}

fn follow(
    mut from: impl Read + Send + 'static,
    written: &Arc<Written>,
    stream: fn(&mut Streams) -> &mut Vec<u8>,
) -> JoinHandle<()> {
    let written = Arc::clone(written);
    std::thread::spawn(move || {
        let mut buf = [0; 4096];
        loop {
            let len = from.read(&mut buf).unwrap_or(0);
            let mut state = written.state.lock().unwrap_or_else(PoisonError::into_inner);
            if len == 0 {
                state.closed += 1;
            }
            stream(&mut state).extend_from_slice(&buf[..len]);
            written.more.notify_all();
            if len == 0 {
                return;
            }
        }
    })
}

impl Process {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        Self::with_input(command, Stdio::null()).0
    }

    /// The same, and where to type.
    pub(crate) fn piped(command: &mut Command) -> (Self, ChildStdin) {
        let (process, input) = Self::with_input(command, Stdio::piped());
        (process, input.unwrap())
    }

    fn with_input(command: &mut Command, input: Stdio) -> (Self, Option<ChildStdin>) {
        command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let written = Arc::<Written>::default();
        let readers = vec![
            follow(child.stdout.take().unwrap(), &written, |streams| &mut streams.out),
            follow(child.stderr.take().unwrap(), &written, |streams| &mut streams.err),
        ];
        let input = child.stdin.take();
        (Self { child, written, readers }, input)
    }

    /// Waits until `look` finds something in what was written (standard output, standard error).
    #[track_caller]
    pub(crate) fn until<T>(&self, what: &str, look: impl Fn(&str, &str) -> Option<T>) -> T {
        let until = Instant::now() + DEADLINE;
        let mut state = self.written.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let (out, err) = (String::from_utf8_lossy(&state.out), String::from_utf8_lossy(&state.err));
            if let Some(found) = look(&out, &err) {
                return found;
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero() && state.closed < 2, "no {what} in\n{out}\n{err}");
            state = self.written.more.wait_timeout(state, left).unwrap().0;
        }
    }

    /// Waits for a JSON event that is as wanted.
    #[track_caller]
    pub(crate) fn event(&self, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.until(name, |out, _| {
            let whole = &out[..out.rfind('\n').map_or(0, |end| end + 1)];
            let found = |event: &Value| event["ev"] == name && wanted(event);
            whole.lines().map(|line| serde_json::from_str(line).unwrap()).find(found)
        })
    }

    /// Bytes that it has read so far, from wherever.
    #[cfg(target_os = "linux")]
    pub(crate) fn bytes_read(&self) -> u64 {
        let counts = std::fs::read_to_string(format!("/proc/{}/io", self.child.id())).unwrap();
        counts.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Ends it as a power cut would: nothing of it runs any more when this returns.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn ends(mut self) -> Ended {
        let until = Instant::now() + DEADLINE;
        let mut state = self.written.state.lock().unwrap_or_else(PoisonError::into_inner);
        while state.closed < 2 {
            let left = until.saturating_duration_since(Instant::now());
            let (out, err) = (String::from_utf8_lossy(&state.out), String::from_utf8_lossy(&state.err));
            assert!(!left.is_zero(), "it does not end\n{out}\n{err}");
            state = self.written.more.wait_timeout(state, left).unwrap().0;
        }
        let (out, err) = (std::mem::take(&mut state.out), std::mem::take(&mut state.err));
        drop(state);
        let status = self.child.wait().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ended { status, out: text(out), err: text(err) }
    }

    /// Waits for its end with this code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Ended {
        let ended = self.ends();
        assert_eq!(ended.status.code(), Some(code), "{}\n{}", ended.out, ended.err);
        ended
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }
}

/// What a process left.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// Standard output as events, each as the schema says.
    #[track_caller]
    pub(crate) fn events(&self) -> Vec<Value> {
        self.out.lines().map(schema::check_line).collect()
    }

    #[track_caller]
    pub(crate) fn event(&self, name: &str) -> Value {
        let events = self.events();
        events
            .into_iter()
            .rfind(|event| event["ev"] == name)
            .unwrap_or_else(|| panic!("no {name} in {}", self.out))
    }
}

/// A running `send --json`.
pub(crate) struct Sender {
    pub(crate) process: Process,
    pub(crate) ticket: String,
    pub(crate) address: SocketAddr,
}

impl Sender {
    /// Sends from the world's folder, on a free port of loopback, out of the home called `sender`.
    #[track_caller]
    pub(crate) fn start(world: &World, args: &[&str]) -> Self {
        Self::from_home(world, "sender", args)
    }

    #[track_caller]
    pub(crate) fn from_home(world: &World, home: &str, args: &[&str]) -> Self {
        let listens = args.contains(&"--listen");
        let mut all = vec!["send", "--json"];
        if !listens {
            all.extend(["--listen", "127.0.0.1:0"]);
        }
        all.extend(args);
        let process = Process::spawn(world.command(&all).env("TRUECOPY_HOME", world.path(home)));
        let ticket = process.event("ticket", |_| true)["ticket"].as_str().unwrap().to_owned();
        let listening = process.event("listening", |_| true);
        let address = listening["address"].as_str().unwrap().parse().unwrap();
        Self { process, ticket, address }
    }

    /// The same ticket, but at another address.
    pub(crate) fn ticket_at(&self, address: SocketAddr) -> String {
        at(&self.ticket, address)
    }
}

/// A port of loopback at which nobody listens now.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A ticket, but at another address.
pub(crate) fn at(ticket: &str, address: SocketAddr) -> String {
    let mut ticket: Ticket = ticket.parse().unwrap();
    ticket.addresses = vec![address.into()];
    ticket.text()
}

/// Starts `get --json` out of the home called `receiver`.
pub(crate) fn get(world: &World, ticket: &str, args: &[&str]) -> Process {
    let all: Vec<&str> = ["get", "--json", ticket].iter().chain(args).copied().collect();
    Process::spawn(world.command(&all).env("TRUECOPY_HOME", world.path("receiver")))
}

/// Panics unless two trees are the same: names, kinds, bytes, links, modes and times of files.
#[track_caller]
pub(crate) fn assert_same(one: &Path, other: &Path) {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let (a, b) = (std::fs::symlink_metadata(one).unwrap(), std::fs::symlink_metadata(other));
    let b = b.unwrap_or_else(|error| panic!("{}: {error}", other.display()));
    assert_eq!(a.file_type(), b.file_type(), "{}", other.display());
    if a.is_symlink() {
        assert_eq!(std::fs::read_link(one).unwrap(), std::fs::read_link(other).unwrap());
    } else if a.is_file() {
        assert!(std::fs::read(one).unwrap() == std::fs::read(other).unwrap(), "{} differs", other.display());
        let umask_free = 0o700;
        assert_eq!(a.permissions().mode() & umask_free, b.permissions().mode() & umask_free);
        assert_eq!((a.mtime(), a.mtime_nsec()), (b.mtime(), b.mtime_nsec()), "{}", other.display());
    } else {
        assert_eq!(names(one), names(other), "{}", other.display());
        for name in names(one) {
            assert_same(&one.join(&name), &other.join(&name));
        }
    }
}

/// The names in a folder, sorted.
pub(crate) fn names(folder: &Path) -> Vec<std::ffi::OsString> {
    let mut names: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}

/// A file of bytes that look random, others for each seed.
pub(crate) fn write_random(path: &Path, len: usize, seed: u64) {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = vec![0_u8; len.next_multiple_of(8)];
    for word in bytes.chunks_exact_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        word.copy_from_slice(&state.to_le_bytes());
    }
    std::fs::write(path, &bytes[..len]).unwrap();
}
