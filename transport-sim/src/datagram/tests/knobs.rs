//! Each knob alone: it happens, as often as it is set to, and shifts nothing of the others.

use super::*;

const MANY: u64 = 10_000;
const GAP: Duration = Duration::from_micros(100);

/// Sends numbered datagrams of 100 bytes at even distances.
fn many(path: Path) -> (Vec<(Now, Vec<u8>)>, LinkCounts) {
    let mut link = Link::new(7, "there", path);
    for number in 0..MANY {
        link.send(Now::ZERO + GAP * number as u32, &content(number, 100));
    }
    let arrived = drain(&mut link, LATER);
    (arrived, link.counts())
}

/// 120 in a thousand of [`MANY`], within five standard deviations.
fn assert_about_120_permille(count: u64) {
    assert!((1200_u64 - 163..1200 + 163).contains(&count), "{count}");
}

#[test]
fn a_lossy_path_loses_as_many_as_it_says_and_nothing_else_happens() {
    let (arrived, counts) = many(Path { loss_permille: 120, ..Path::SMOOTH });
    assert_about_120_permille(counts.lost);
    assert_eq!(arrived.len() as u64, MANY - counts.lost);
    assert_eq!(
        counts,
        LinkCounts { sent: MANY, received: counts.received, lost: counts.lost, ..Default::default() }
    );
    assert_eq!(many(Path { loss_permille: 1000, ..Path::SMOOTH }).0, []);
}

#[test]
fn a_duplicating_path_delivers_a_datagram_twice() {
    let (arrived, counts) = many(Path { duplicate_permille: 120, ..Path::SMOOTH });
    assert_about_120_permille(counts.duplicated);
    let twice = arrived.windows(2).filter(|pair| pair[0].1 == pair[1].1).count() as u64;
    assert_eq!((twice, arrived.len() as u64), (counts.duplicated, MANY + counts.duplicated));
}

#[test]
fn a_reordering_path_lets_later_datagrams_overtake() {
    let reorder_by = Duration::from_millis(5);
    let path = Path { reorder_permille: 120, reorder_by, ..Path::SMOOTH };
    let (arrived, counts) = many(path);
    let mut latest = 0;
    let mut late = 0;
    for (at, bytes) in &arrived {
        let number = u64::from_le_bytes(bytes[..8].try_into().unwrap());
        assert!(at.since(Now::ZERO + GAP * number as u32) <= reorder_by);
        late += u64::from(number < latest);
        latest = latest.max(number);
    }
    assert_eq!((late, arrived.len() as u64), (counts.reordered, MANY));
    // Of those held back by 5 ms at most, one in fifty is not overtaken by one that comes 0.1 ms later.
    assert!((900..1363).contains(&late), "{late}");
}

#[test]
fn a_truncating_path_cuts_off_ends() {
    let (arrived, counts) = many(Path { truncate_permille: 120, ..Path::SMOOTH });
    assert_about_120_permille(counts.truncated);
    let mut lens = std::collections::BTreeSet::new();
    for (number, (_, bytes)) in arrived.iter().enumerate() {
        assert!(content(number as u64, 100).starts_with(bytes));
        lens.insert(bytes.len());
    }
    let cut = arrived.iter().filter(|(_, bytes)| bytes.len() < 100).count() as u64;
    assert_eq!(cut, counts.truncated);
    assert_eq!(lens.len(), 101, "every length occurs");
}

#[test]
fn a_corrupting_path_changes_bytes_and_keeps_lengths() {
    let (arrived, counts) = many(Path { corrupt_permille: 120, ..Path::SMOOTH });
    assert_about_120_permille(counts.corrupted);
    let mut changed = 0;
    for (number, (_, bytes)) in arrived.iter().enumerate() {
        let sent = content(number as u64, 100);
        assert_eq!(bytes.len(), 100);
        let differing = bytes.iter().zip(&sent).filter(|(a, b)| a != b).count();
        assert!(differing <= 8);
        changed += u64::from(differing > 0);
    }
    assert_eq!(changed, counts.corrupted);
}

#[test]
fn what_is_longer_than_the_path_takes_vanishes() {
    let mut link = Link::new(1, "there", Path { mtu: 1200, ..Path::SMOOTH });
    for len in [0, 1200, 1201, 65_507] {
        link.send(Now::ZERO, &content(1, len));
    }
    let lens: Vec<_> = drain(&mut link, LATER).into_iter().map(|(_, bytes)| bytes.len()).collect();
    assert_eq!((lens, link.counts().oversized), (vec![0, 1200], 2));
}

#[test]
fn jitter_delays_within_its_bound_and_keeps_the_order() {
    let jitter = Duration::from_millis(3);
    let (arrived, counts) = many(Path { jitter, ..Path::SMOOTH });
    let mut delays = vec![];
    for (number, (at, bytes)) in arrived.iter().enumerate() {
        assert_eq!(*bytes, content(number as u64, 100));
        delays.push(at.since(Now::ZERO + GAP * number as u32));
    }
    assert!(delays.iter().all(|delay| *delay <= jitter) && counts.reordered == 0);
    assert!(delays.iter().any(|delay| *delay > jitter * 9 / 10));
    assert!(delays.iter().any(|delay| *delay < jitter * 5 / 10));
}

#[test]
fn after_a_restart_ghosts_of_the_earlier_incarnation_come_late() {
    let ghost_delay = Duration::from_millis(300);
    let latency = Duration::from_millis(10);
    let mut came = 0;
    for seed in 0..200 {
        let path = Path { ghost_permille: 250, ghost_delay, latency, ..Path::SMOOTH };
        let mut link = Link::new(seed, "there", path);
        for number in 0..40 {
            link.send(Now::ZERO, &content(number, 100));
        }
        // Half of them arrive before the restart: a ghost may also be a second copy.
        let early = (0..20).filter_map(|_| link.receive(Now::ZERO + latency)).count();
        let now = Now::ZERO + Duration::from_secs(1);
        link.restart(now);
        link.send(now, &content(1000, 100));
        let arrived = drain(&mut link, LATER);
        let counts = link.counts();
        assert_eq!((early, counts.cut_off, counts.reordered), (20, 20, 0));
        assert!(arrived.iter().any(|(at, bytes)| *at == now + latency && *bytes == content(1000, 100)));
        for (at, bytes) in arrived.iter().filter(|(_, bytes)| *bytes != content(1000, 100)) {
            let number = u64::from_le_bytes(bytes[..8].try_into().unwrap());
            assert!((8..40).contains(&number), "one of the last 32");
            assert!(*at >= now + latency && *at <= now + latency + ghost_delay);
        }
        assert_eq!(counts.ghosts, arrived.len() as u64 - 1);
        came += counts.ghosts;
        link.restart(LATER);
        let none = Path { ghost_permille: 0, ..path };
        link.set_path(none);
        link.send(now, b"1");
        link.restart(now);
        assert_eq!(link.next_arrival(), None, "without the knob there are none");
    }
    assert!((1600_u64 - 173..1600 + 173).contains(&came), "{came}");
}

#[test]
fn memory_is_bounded_however_much_is_sent_and_not_received() {
    let path = Path {
        flight_max: 50_000,
        mtu: 1500,
        duplicate_permille: 500,
        ghost_permille: 1000,
        bandwidth: NonZeroU64::new(1_000_000),
        queue_max: 20_000,
        ..Path::SMOOTH
    };
    let mut link = Link::new(1, "there", path);
    for number in 0..20_000 {
        link.send(Now::from_nanos(number * 100_000), &content(number, (number % 1500) as usize));
        assert!(link.memory() <= 50_000 + 32 * 1500 && link.in_flight() <= 50_000 / OVERHEAD);
    }
    let counts = link.counts();
    assert!(counts.flight_full > 1000 && counts.queue_full > 1000, "{counts:?}");
    link.restart(Now::from_nanos(1 << 40));
    assert!(link.memory() <= 50_000 && link.in_flight() <= 32);
}

const ALL: Path = Path {
    loss_permille: 100,
    duplicate_permille: 100,
    reorder_permille: 100,
    truncate_permille: 100,
    corrupt_permille: 100,
    ..Path::SMOOTH
};

/// What became of a datagram: all that came of it, and after how long.
type Fate = Vec<(Duration, Vec<u8>)>;

fn fates(path: Path) -> Vec<Fate> {
    let mut link = Link::new(5, "there", path);
    (0..2000)
        .map(|number| {
            // One at a time: so that what arrives is known to be this one, whatever was done to it.
            let now = Now::ZERO + Duration::from_secs(number);
            link.send(now, &content(number, 100));
            let arrived = drain(&mut link, now + Duration::from_millis(999));
            arrived.into_iter().map(|(at, bytes)| (at.since(now), bytes)).collect()
        })
        .collect()
}

#[test]
fn removing_one_knob_shifts_no_draw_of_another() {
    let with = fates(ALL);
    let compare = |path: Path, same: &dyn Fn(&Fate, &Fate) -> bool| {
        let without = fates(path);
        assert_ne!(with, without, "the knob did something");
        for (number, (with, without)) in with.iter().zip(&without).enumerate() {
            assert!(same(with, without), "{number}: {with:?} became {without:?}");
        }
    };
    compare(Path { loss_permille: 0, ..ALL }, &|with, without| with.is_empty() || with == without);
    compare(Path { duplicate_permille: 0, ..ALL }, &|with, without| {
        with == without || with.len() == 2 && with.contains(&without[0])
    });
    compare(Path { reorder_permille: 0, ..ALL }, &|with, without| {
        let bytes = |fate: &Fate| fate.iter().map(|(_, bytes)| bytes.clone()).collect::<Vec<_>>();
        bytes(with) == bytes(without)
    });
    compare(Path { truncate_permille: 0, ..ALL }, &|with, without| {
        let times = |fate: &Fate| fate.iter().map(|(delay, _)| *delay).collect::<Vec<_>>();
        times(with) == times(without) && (with == without || with[0].1.len() < 100)
    });
    compare(Path { corrupt_permille: 0, ..ALL }, &|with, without| {
        let shape = |fate: &Fate| fate.iter().map(|(delay, bytes)| (*delay, bytes.len())).collect::<Vec<_>>();
        shape(with) == shape(without)
    });
}

#[test]
fn the_two_directions_of_a_pair_are_told_apart_and_drawn_apart() {
    let path = Path { loss_permille: 500, latency: Duration::from_millis(1), ..Path::SMOOTH };
    let mut pair = DatagramPair::new(3, path, path);
    for number in 0..100 {
        pair.send(End::First, Now::ZERO, &content(number, 20));
        pair.send(End::Second, Now::ZERO, &content(number, 20));
    }
    assert_eq!(pair.next_arrival(), Some((Now::ZERO + path.latency, End::First)));
    let mut heard = [vec![], vec![]];
    while let Some((now, end)) = pair.next_arrival() {
        heard[end as usize].push(pair.receive(end, now).unwrap());
    }
    assert_ne!(heard[0], heard[1]);
    assert_eq!(pair.counts(End::First).received, heard[1].len() as u64);
    assert_eq!(pair.counts(End::Second).received, heard[0].len() as u64);
    pair.send(End::First, Now::ZERO, b"1");
    pair.send(End::Second, Now::ZERO, b"1");
    pair.restart(Now::ZERO);
    assert_eq!(pair.next_arrival(), None);
}
