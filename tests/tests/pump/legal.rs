//! Whatever a legal stream does, both directions arrive whole, in order and once.

use truecopy_protocol::NodeId;
use truecopy_sim::clear::Clear;
use truecopy_sim::stream::{Random, Shape, pair};
use truecopy_transport::channel::Channel;
use truecopy_transport::channel::buffers::Pool;
use truecopy_transport::stream::Stream;

use crate::toy::{Closing, End, Last, run};

pub(crate) fn exchange<C: Channel>(
    seed: u64,
    channels: (C, C),
    shapes: (Shape, Shape),
    lens: (usize, usize),
) {
    exchange_over(seed, channels, pair(seed, shapes.0.into(), shapes.1.into()), lens);
}

/// The same over any pair of streams.
pub(crate) fn exchange_over<C: Channel, S: Stream>(
    seed: u64,
    channels: (C, C),
    (left, right): (S, S),
    lens: (usize, usize),
) {
    let mut a = End::new(channels.0, left, (1, lens.0), 2, Closing::AfterHearing(lens.1)).hindered(seed);
    let mut b = End::new(channels.1, right, (2, lens.1), 1, Closing::AfterHearing(lens.0)).hindered(!seed);
    run(seed, &mut a, &mut b);
    assert_eq!((a.heard.len, b.heard.len), (lens.1, lens.0), "seed {seed}");
    // Who closes first throws away what follows, and hears no closing word.
    let lasts = [a.heard.last, b.heard.last];
    assert!(lasts.iter().all(|last| matches!(last, None | Some(Last::Closed))), "seed {seed}: {lasts:?}");
    for end in [a.memory_peak, b.memory_peak] {
        assert!(end <= 700 * 1024, "seed {seed}: {end} bytes of memory");
    }
}

pub(crate) fn seeded_lens(seed: u64, max: usize) -> (usize, usize) {
    let mut random = Random::new(seed, "lens");
    let mut len = || match random.below(8) {
        0 => 0,
        1 => 1 + random.below(100),
        _ => random.below(max),
    };
    (len(), len())
}

pub(crate) fn clear_pair() -> (Clear, Clear) {
    let pool = Pool::default();
    (
        Clear::new(NodeId([1; 32]), Some(NodeId([2; 32])), pool.clone()),
        Clear::new(NodeId([2; 32]), None, pool),
    )
}

#[test]
fn clear_streams_arrive_whole_over_thousands_of_shapes() {
    for seed in 0..3000 {
        let shapes = (Shape::seeded(seed), Shape::seeded(seed + 1_000_000));
        exchange(seed, clear_pair(), shapes, seeded_lens(seed, 60_000));
    }
}

#[test]
fn clear_streams_of_megabytes_arrive_whole() {
    for seed in 0..12 {
        exchange(seed, clear_pair(), (Shape::SMOOTH, Shape::seeded(seed)), (3_000_000, 2_000_000));
    }
}

#[test]
fn one_byte_at_a_time_is_enough() {
    exchange(0, clear_pair(), (Shape::BYTEWISE, Shape::BYTEWISE), (3000, 2000));
}
