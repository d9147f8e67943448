//! Runs in which everything may happen, by a seed: harm to the bytes of both directions on one connection after another,
//! and either process killed in between. The copy is right, or the error is an honest one and the next run is right.
//!
//! `TRUECOPY_TEST_SEEDS=20` runs so many times as many seeds.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use truecopy_sim::stream::Random;

use crate::common::World;
use crate::process::{Process, Sender, assert_same, get, names, write_random};
use crate::proxy::{Harm, Proxy, Way};

const SEEDS: u64 = 8;
/// Runs at once: most of their time is patience.
const AT_ONCE: usize = 8;
const LARGE: usize = 3 << 20;
/// The receiver's patience.
const PATIENCE: Duration = Duration::from_secs(2);

const HARMS: [Harm; 8] = [
    Harm::Flip,
    Harm::Drop,
    Harm::Duplicate,
    Harm::Cut,
    Harm::Stall,
    Harm::Reset,
    Harm::Swap,
    Harm::OneByOne,
];

/// Who is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Sender,
    Receiver,
}

/// What happens in a run.
#[derive(Debug)]
struct Plan {
    /// To one connection after another; those that follow are left alone.
    harms: Vec<(Way, u64, Harm)>,
    /// After so many bytes more.
    kills: Vec<(u64, Victim)>,
}

impl Plan {
    fn of(seed: u64) -> Self {
        let mut random = Random::new(seed, "campaign");
        let harms = (0..2 + random.below(6)).map(|_| {
            let way = if random.below(3) == 0 { Way::Up } else { Way::Down };
            // In the handshake, in the list of files and the first requests, in the data.
            let limit = [800, 4000, LARGE][random.below(3)];
            let harm = HARMS[random.below(HARMS.len())];
            (way, random.below(limit) as u64, harm)
        });
        let harms = harms.collect();
        let kills = (0..random.below(4)).map(|_| {
            let victim = if random.below(2) == 0 { Victim::Sender } else { Victim::Receiver };
            (random.below(LARGE / 2) as u64, victim)
        });
        Self { harms, kills: kills.collect() }
    }
}

/// A run, and what is told of it when it fails.
struct Run {
    seed: u64,
    plan: Plan,
    world: World,
    sender: Sender,
    ticket: String,
}

impl Drop for Run {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the seed was {}: {:?}", self.seed, self.plan);
        }
    }
}

impl Run {
    fn of(seed: u64) -> Self {
        let world = World::new();
        fs::create_dir(world.path("share")).unwrap();
        for n in 0..5 {
            write_random(&world.path(&format!("share/small{n}")), 9000 * n, n as u64);
        }
        write_random(&world.path("share/large"), LARGE, seed);
        let sender = Sender::start(&world, &["share"]);
        let ticket = sender.ticket.clone();
        Self { seed, plan: Plan::of(seed), world, sender, ticket }
    }

    fn get(&self, ticket: &str) -> Process {
        let timeout = format!("{}s", PATIENCE.as_secs());
        get(&self.world, ticket, &["-o", "there", "--timeout", &timeout])
    }

    fn restart_sender(&mut self) {
        let address = self.sender.address.to_string();
        self.sender.process.kill();
        self.sender = Sender::start(&self.world, &["--listen", &address, "share"]);
        assert_eq!(self.sender.ticket, self.ticket, "the ticket stays good");
    }

    /// Returns how many connections it took.
    fn go(&mut self) -> usize {
        let proxy = Proxy::start(self.sender.address).harm_ways(self.plan.harms.clone());
        let ticket = self.sender.ticket_at(proxy.address);
        let mut receiver = self.get(&ticket);
        for (after, victim) in self.plan.kills.clone() {
            proxy.hold_after(after);
            // It may have given up before, or may have everything.
            proxy.is_held_within(PATIENCE);
            if victim == Victim::Receiver {
                receiver.kill();
            }
            proxy.open();
            match victim {
                Victim::Sender => self.restart_sender(),
                Victim::Receiver => receiver = self.get(&ticket),
            }
        }
        let ended = receiver.ends();
        match ended.status.code() {
            Some(0) => {}
            // Not found, or lost: whoever runs it again without the harm has it.
            Some(code @ (5 | 6)) => {
                let error = ended.event("error");
                assert_eq!((&error["exit"], &error["retryable"]), (&code.into(), &true.into()));
                assert!(!self.world.path("there/share").exists(), "nothing half-done has a final name");
                self.get(&self.ticket).exits(0);
            }
            code => panic!("{code:?} is no honest end\n{}\n{}", ended.out, ended.err),
        }
        assert_same(&self.world.path("share"), &self.world.path("there/share"));
        assert_eq!(names(&self.world.path("there")), ["share"]);
        proxy.connections()
    }
}

#[test]
fn whatever_happens_by_whatever_seed_the_copy_is_right_in_the_end() {
    let times = std::env::var("TRUECOPY_TEST_SEEDS").map_or(1, |times| times.parse().unwrap());
    let seeds: Vec<u64> = (0..SEEDS * times).collect();
    let connections = AtomicUsize::new(0);
    for some in seeds.chunks(AT_ONCE) {
        std::thread::scope(|scope| {
            for seed in some {
                scope.spawn(|| connections.fetch_add(Run::of(*seed).go(), Ordering::Relaxed));
            }
        });
    }
    let connections = connections.into_inner();
    assert!(connections >= 2 * seeds.len(), "{connections} connections: there was harm on the way");
}
