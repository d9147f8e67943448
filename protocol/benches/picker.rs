//! What it costs to choose a chunk: the choice, that it is missing no more, and that one more peer tells of it.
//!
//! `cargo bench -p truecopy-protocol --features fuzzing --bench picker`

#![allow(clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]

use std::time::{Duration, Instant};

use truecopy_protocol::fuzzing::Picking;

const PEERS: usize = 200;

/// SplitMix64.
struct Draws(u64);

impl Draws {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let word = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((((word ^ (word >> 31)) >> 32) * u64::from(bound)) >> 32) as u32
    }
}

/// Peers with these chunks each, and everything missing but what `is_here` says.
fn swarm(chunks: u32, mut has: impl FnMut(usize, u32) -> bool, is_here: impl Fn(u32) -> bool) -> Picking {
    let mut picking = Picking::new(chunks, PEERS);
    for peer in 0..PEERS {
        for chunk in (0..chunks).filter(|chunk| has(peer, *chunk)) {
            assert!(picking.tell(peer, chunk));
        }
    }
    (0..chunks).filter(|chunk| !is_here(*chunk)).for_each(|chunk| picking.miss(chunk));
    picking
}

/// A whole download: peers are asked by turns until nobody has anything more. What one of them was asked for, the next
/// one gets as well after a while.
fn download(mut picking: Picking) -> (u32, Duration) {
    let (mut choices, mut of_use, mut later) = (0, (0..PEERS).collect::<Vec<_>>(), Vec::new());
    let begun = Instant::now();
    while !of_use.is_empty() {
        of_use.retain(|peer| {
            let Some(chunk) = picking.choose(*peer) else { return false };
            choices += 1;
            later.push(((*peer + 1) % PEERS, chunk));
            true
        });
        for (peer, chunk) in later.drain(..) {
            picking.tell(peer, chunk);
        }
    }
    (choices, begun.elapsed())
}

/// One peer is asked for all that it has as soon as it tells of it: chunks from `from` on, in steps of `by`, in no order.
fn keeping_up(mut picking: Picking, chunks: u32, (from, by): (u32, u32)) -> (u32, Duration) {
    let mut draws = Draws(5);
    let mut news: Vec<u32> = (from..chunks).step_by(by as usize).collect();
    for at in (1..news.len()).rev() {
        news.swap(at, draws.below(at as u32 + 1) as usize);
    }
    let (begun, mut choices) = (Instant::now(), 0);
    for chunk in news {
        picking.tell(0, chunk);
        assert!(picking.is_of_use(0));
        assert_eq!(picking.choose(0), Some(chunk));
        assert_eq!(picking.choose(0), None);
        choices += 1;
    }
    (choices, begun.elapsed())
}

fn main() {
    const SIZES: [u32; 4] = [1 << 12, 1 << 14, 1 << 16, 1 << 18];
    type Run = fn(u32) -> (u32, Duration);
    let runs: &[(&str, Run)] = &[
        ("random halves", |chunks| {
            let mut draws = Draws(1);
            download(swarm(chunks, |_, _| draws.below(2) == 0, |_| false))
        }),
        ("nearly the same two thirds, and one seeder", |chunks| {
            let mut draws = Draws(2);
            let has = |peer, chunk: u32| peer == 0 || chunk.is_multiple_of(3) == (draws.below(50) == 0);
            download(swarm(chunks, has, |_| false))
        }),
        ("half have the even ones, half the odd ones", |chunks| {
            download(swarm(chunks, |peer, chunk| (peer as u32 + chunk).is_multiple_of(2), |_| false))
        }),
        ("a hundredth of it each", |chunks| {
            let mut draws = Draws(3);
            download(swarm(chunks, |_, _| draws.below(100) == 0, |_| false))
        }),
        ("worst: it has only news, all others have nearly everything", |chunks| {
            let mut draws = Draws(4);
            let has = |peer, _| peer != 0 && draws.below(20) != 0;
            keeping_up(swarm(chunks, has, |_| false), chunks, (0, 2))
        }),
        ("worst: it has all that is here, and its news", |chunks| {
            let mut draws = Draws(4);
            let has = |peer, chunk: u32| if peer == 0 { chunk % 2 == 1 } else { draws.below(2) == 0 };
            keeping_up(swarm(chunks, has, |chunk| chunk % 2 == 1), chunks, (0, 2))
        }),
    ];
    println!("{PEERS} peers; a choice is a pick, a removal and what one peer tells; millions a second");
    print!("{:<60}", "chunks");
    SIZES.iter().for_each(|size| print!("{size:>10}"));
    println!();
    for (name, run) in runs {
        print!("{name:<60}");
        for size in SIZES {
            // The best of three: what else the machine does only makes it slower.
            let rates =
                (0..3).map(|_| run(size)).map(|(choices, took)| f64::from(choices) / took.as_secs_f64());
            print!("{:>10.2}", rates.fold(0.0, f64::max) / 1e6);
        }
        println!();
    }
}
