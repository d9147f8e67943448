//! A process without descriptors left: in a process of its own, for the limit is the whole process's.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use truecopy_mio::{Listen, Reactor, ReactorConfig};
use truecopy_protocol::ShareId;
use truecopy_protocol::input::Command;
use truecopy_protocol::output::Event;
use truecopy_transport::keys::KeyPair;

/// Processor time of this process, in seconds.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn is_ended(stream: &TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    matches!(std::io::Read::read(&mut &*stream, &mut [0; 16]), Ok(0))
}

#[test]
fn without_descriptors_nobody_is_accepted_and_nothing_spins() {
    let mut config = ReactorConfig::new(KeyPair::generate().unwrap(), [0; 32]);
    config.listen = vec![Listen::At(SocketAddr::from(([127, 0, 0, 1], 0)))];
    config.limits.handshake_timeout = Duration::from_secs(3600);
    let (reactor, handle, events) = Reactor::new(config).unwrap();
    let thread = reactor.spawn().unwrap();
    let address = handle.addresses()[0];
    // Strangers are let in once the node has heard a command, even one that makes no sense.
    handle.command(Command::Pause { share: ShareId(1) }).unwrap();
    let refused = events.recv_timeout(Duration::from_secs(20));
    assert!(matches!(refused, Ok(Event::Refused { .. })));

    let before = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(40), ..before }).unwrap();
    let strangers: Vec<TcpStream> = std::iter::from_fn(|| TcpStream::connect(address).ok()).collect();
    assert!(strangers.len() > 5, "some got through");
    // Nothing happens, which takes a while to be seen.
    assert!(events.recv_timeout(Duration::from_millis(100)).is_err());
    setrlimit(Resource::Nofile, Rlimit { current: Some(200), ..before }).unwrap();
    let begun = cpu();
    setrlimit(Resource::Nofile, Rlimit { current: Some(40), ..before }).unwrap();
    assert!(events.recv_timeout(Duration::from_secs(1)).is_err());
    setrlimit(Resource::Nofile, Rlimit { current: Some(200), ..before }).unwrap();
    assert!(cpu() - begun < 0.3, "the loop spins");

    // There is room again: whoever speaks nonsense is heard, and hung up on.
    drop(strangers);
    let stranger = TcpStream::connect(address).unwrap();
    std::io::Write::write_all(&mut &stranger, &[0; 100]).unwrap();
    std::io::Read::read(&mut &stranger, &mut [0; 16]).unwrap();
    stranger.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(is_ended(&stranger));
    handle.stop();
    thread.join().unwrap().unwrap();
}
