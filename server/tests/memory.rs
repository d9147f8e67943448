//! What a peer costs in memory. Alone in its process, for it looks at the whole of it.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::net::Ipv4Addr;

use truecopy_protocol::{DiscoveryKey, NodeId, UnixTime};
use truecopy_server::record::{Key, Value};
use truecopy_server::tracker::{Config, Contact, Peer, Random, Tracker};

const NOW: UnixTime = UnixTime(1_800_000_000);
const PEERS: u64 = 1_000_000;
/// A GiB for a million of them.
const BYTES_MAX: u64 = (1 << 30) / PEERS;

fn key(random: &mut Random) -> [u8; 32] {
    let mut key = [0; 32];
    key.chunks_mut(8).for_each(|part| part.copy_from_slice(&random.next().to_le_bytes()));
    key
}

/// Bytes of this process in memory, where the system tells.
fn resident() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// A tracker with a million peers, `per_share` in each share.
fn fill(per_share: u64) -> Tracker {
    let mut tracker = Tracker::new(Config::default(), 1);
    let mut random = Random::new(2);
    let port = 7000.try_into().unwrap();
    for _ in 0..PEERS / per_share {
        let share = DiscoveryKey(key(&mut random));
        for _ in 0..per_share {
            // A source for each: what is counted of sources has its price too.
            let ip = Ipv4Addr::from_bits(random.next() as u32);
            let v4 = Some(Contact { ip, port, seen: NOW.0 as u32 });
            let peer = Peer { left: 5, v4, v6: None };
            tracker.restore(NOW, &Key::Peer(share, NodeId(key(&mut random))), Value::Peer(peer));
        }
    }
    tracker
}

#[test]
fn a_million_peers_fit_into_a_gib_however_they_are_spread() {
    if resident().is_none() {
        eprintln!("skipped: the system does not tell how much memory a process has");
        return;
    }
    let mut all = Vec::new();
    for per_share in [1, 20, PEERS] {
        let before = resident().unwrap();
        // Kept until the end, so that the next one does not get its memory.
        all.push(fill(per_share));
        let bytes = (resident().unwrap() - before) / PEERS;
        println!("{per_share} peers a share: {bytes} bytes a peer");
        assert!((80..BYTES_MAX).contains(&bytes), "{per_share} peers a share: {bytes} bytes a peer");
    }
    assert!(all.iter().all(|tracker| tracker.peers() as u64 == PEERS));
}
