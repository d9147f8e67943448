//! The reference: an unordered set of what was sent. Every arrival must be explained by one of it, under the knobs that
//! are on, each often enough and in time.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Send(usize),
    Wait(Duration),
    Restart,
}

struct Sent {
    at: Now,
    incarnation: usize,
    bytes: Vec<u8>,
}

struct Arrived {
    at: Now,
    incarnation: usize,
    bytes: Vec<u8>,
}

struct Reference {
    path: Path,
    sent: Vec<Sent>,
    arrived: Vec<Arrived>,
    /// When each incarnation began.
    began: Vec<Now>,
}

impl Reference {
    fn run(link: &mut Link, path: Path, steps: &[Step]) -> Self {
        let mut model = Self { path, sent: vec![], arrived: vec![], began: vec![Now::ZERO] };
        let mut now = Now::ZERO;
        for step in steps {
            match *step {
                Step::Send(len) => {
                    let bytes = content(model.sent.len() as u64, len);
                    link.send(now, &bytes);
                    model.sent.push(Sent { at: now, incarnation: model.began.len() - 1, bytes });
                }
                Step::Wait(duration) => {
                    now += duration;
                    model.hear(drain(link, now));
                }
                Step::Restart => {
                    link.restart(now);
                    model.began.push(now);
                }
            }
            assert!(link.memory() <= path.flight_max + 32 * path.mtu, "{}", link.memory());
        }
        model.hear(drain(link, LATER));
        model
    }

    fn hear(&mut self, arrivals: Vec<(Now, Vec<u8>)>) {
        let incarnation = self.began.len() - 1;
        self.arrived.extend(arrivals.into_iter().map(|(at, bytes)| Arrived { at, incarnation, bytes }));
    }

    /// How long the line may take for a datagram, waiting included, and how long it takes at least.
    fn line(&self, len: usize) -> (Duration, Duration) {
        let Some(bandwidth) = self.path.bandwidth else { return Default::default() };
        let time =
            |bytes: usize| Duration::from_nanos((bytes as u64 * 1_000_000_000).div_ceil(bandwidth.get()));
        let cost = len + OVERHEAD;
        // Each datagram in the queue is rounded up by itself.
        let rounding = Duration::from_nanos((self.path.queue_max / OVERHEAD) as u64);
        (time(cost), time(cost.max(self.path.queue_max)) + rounding)
    }

    fn explains(&self, sent: &Sent, arrived: &Arrived) -> bool {
        let path = &self.path;
        if sent.bytes.len() > path.mtu || sent.incarnation > arrived.incarnation {
            return false;
        }
        if sent.incarnation < arrived.incarnation {
            let first = self.began[arrived.incarnation] + path.latency;
            let is_in_time = arrived.at >= first && arrived.at <= first + path.ghost_delay;
            // Only the last link's worth of ghosts is left: those of the incarnation just before.
            let is_last = sent.incarnation + 1 == arrived.incarnation;
            return path.ghost_permille > 0 && is_in_time && is_last && sent.bytes == arrived.bytes;
        }
        let (least, most) = self.line(sent.bytes.len());
        let held_back = if path.reorder_permille > 0 { path.reorder_by } else { Duration::ZERO };
        let earliest = sent.at + least + path.latency;
        let latest = sent.at + most + path.latency + path.jitter + held_back;
        earliest <= arrived.at && arrived.at <= latest && self.became(&sent.bytes, &arrived.bytes)
    }

    /// Whether the path can make the second of the first.
    fn became(&self, sent: &[u8], arrived: &[u8]) -> bool {
        let is_length_good =
            arrived.len() == sent.len() || self.path.truncate_permille > 0 && arrived.len() < sent.len();
        let changed: Vec<usize> =
            arrived.iter().zip(sent).enumerate().filter(|(_, (a, b))| a != b).map(|(at, _)| at).collect();
        let is_content_good = match changed[..] {
            [] => true,
            [first, .., last] => self.path.corrupt_permille > 0 && last - first < 8,
            [_] => self.path.corrupt_permille > 0,
        };
        is_length_good && is_content_good
    }

    /// How many arrivals one datagram may explain.
    fn times(&self) -> usize {
        1 + usize::from(self.path.duplicate_permille > 0) + usize::from(self.path.ghost_permille > 0)
    }

    /// Gives every arrival a datagram that explains it, none too often.
    fn explain_all(&self) {
        let mut given: Vec<Vec<usize>> = self.sent.iter().map(|_| vec![]).collect();
        for arrival in 0..self.arrived.len() {
            let mut tried = vec![false; self.sent.len()];
            assert!(self.explain(arrival, &mut given, &mut tried), "arrival {arrival} came from nowhere");
        }
    }

    fn explain(&self, arrival: usize, given: &mut [Vec<usize>], tried: &mut [bool]) -> bool {
        for sent in 0..self.sent.len() {
            if tried[sent] || !self.explains(&self.sent[sent], &self.arrived[arrival]) {
                continue;
            }
            tried[sent] = true;
            if given[sent].len() < self.times() {
                given[sent].push(arrival);
                return true;
            }
            for place in 0..given[sent].len() {
                if self.explain(given[sent][place], given, tried) {
                    given[sent][place] = arrival;
                    return true;
                }
            }
        }
        false
    }

    /// Without the knob that holds back, what came whole came in its order.
    fn check_order(&self) {
        if self.path.reorder_permille > 0 || self.path.ghost_permille > 0 {
            return;
        }
        let whole = |arrived: &Arrived| {
            self.sent.iter().position(|sent| sent.bytes == arrived.bytes && sent.bytes.len() >= 16)
        };
        let order: Vec<usize> = self.arrived.iter().filter_map(whole).collect();
        assert!(order.is_sorted(), "{order:?}");
    }

    fn check_counts(&self, counts: LinkCounts) {
        let (path, c) = (&self.path, counts);
        assert_eq!((c.sent, c.received), (self.sent.len() as u64, self.arrived.len() as u64));
        assert_eq!(c.oversized, self.sent.iter().filter(|sent| sent.bytes.len() > path.mtu).count() as u64);
        for (permille, count) in [
            (path.loss_permille, c.lost),
            (path.duplicate_permille, c.duplicated),
            (path.reorder_permille, c.reordered),
            (path.truncate_permille, c.truncated),
            (path.corrupt_permille, c.corrupted),
            (path.ghost_permille, c.ghosts),
        ] {
            assert!(permille > 0 || count == 0, "{c:?}");
        }
        assert!(path.bandwidth.is_some() || c.queue_full == 0);
        let came = c.received + c.cut_off;
        let accepted = c.sent - c.oversized - c.lost - c.queue_full;
        if c.flight_full == 0 && path.ghost_permille == 0 {
            assert_eq!(came, accepted + c.duplicated, "{c:?}");
        }
        assert!(came <= accepted + c.duplicated + 32 * (self.began.len() as u64 - 1), "{c:?}");
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..1600_usize).prop_map(Step::Send),
        6 => (0..30_000_000_u64).prop_map(|nanos| Step::Wait(Duration::from_nanos(nanos))),
        1 => Just(Step::Restart),
    ]
}

fn path() -> impl Strategy<Value = Path> {
    let permille = || prop_oneof![3 => Just(0_u16), 1 => 1..500_u16, 1 => Just(1000)];
    let millis = |max: u64| (0..max).prop_map(Duration::from_millis);
    let chances = (permille(), permille(), permille(), permille(), permille(), permille());
    let times = (millis(40), millis(500), millis(100), prop_oneof![Just(Duration::ZERO), millis(20)]);
    let bandwidth = prop_oneof![Just(None), (1000..1_000_000_u64).prop_map(NonZeroU64::new)];
    let limits = (500..1700_usize, bandwidth, 0..20_000_usize, 2000..100_000_usize);
    (chances, times, limits).prop_map(|(chances, times, limits)| Path {
        loss_permille: chances.0,
        duplicate_permille: chances.1,
        reorder_permille: chances.2,
        truncate_permille: chances.3,
        corrupt_permille: chances.4,
        ghost_permille: chances.5,
        reorder_by: times.0,
        ghost_delay: times.1,
        latency: times.2,
        jitter: times.3,
        mtu: limits.0,
        bandwidth: limits.1,
        queue_max: limits.2,
        flight_max: limits.3,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_arrival_is_explained_by_a_datagram_that_was_sent(
        seed: u64,
        path in path(),
        steps in proptest::collection::vec(step(), 1..80),
    ) {
        let mut link = Link::new(seed, "there", path);
        let model = Reference::run(&mut link, path, &steps);
        model.explain_all();
        model.check_order();
        model.check_counts(link.counts());
        assert_eq!((link.in_flight(), link.next_arrival()), (0, None));

        let again = Reference::run(&mut Link::new(seed, "there", path), path, &steps);
        let arrivals = |model: Reference| -> Vec<_> {
            model.arrived.into_iter().map(|arrived| (arrived.at, arrived.bytes)).collect()
        };
        assert!(arrivals(model) == arrivals(again), "equal seeds, other results");
    }

    #[test]
    fn without_trouble_a_link_is_a_queue_with_a_latency(
        latency in (0..1_000_000_000_u64).prop_map(Duration::from_nanos),
        sends in proptest::collection::vec((0..1_000_000_u64, 0..2000_usize), 0..200),
    ) {
        let path = Path { latency, ..Path::SMOOTH };
        let mut link = Link::new(1, "there", path);
        let (mut now, mut expected) = (Now::ZERO, vec![]);
        for (number, (gap, len)) in sends.into_iter().enumerate() {
            now += Duration::from_nanos(gap);
            link.send(now, &content(number as u64, len));
            expected.push((now + latency, content(number as u64, len)));
        }
        assert_eq!(link.in_flight(), expected.len());
        assert!(drain(&mut link, LATER) == expected);
    }

    #[test]
    fn a_line_sends_one_after_another_and_drops_what_its_queue_cannot_hold(
        bandwidth in 1000..10_000_000_u64,
        queue_max in 0..20_000_usize,
        sends in proptest::collection::vec((0..1_000_000_u64, 0..2000_usize), 0..200),
    ) {
        let path = Path { bandwidth: NonZeroU64::new(bandwidth), queue_max, ..Path::SMOOTH };
        let mut link = Link::new(1, "there", path);
        let (mut now, mut line, mut expected, mut dropped) = (0, Vec::<(u64, usize)>::new(), vec![], 0);
        for (number, (gap, len)) in sends.into_iter().enumerate() {
            now += gap;
            let (bytes, cost) = (content(number as u64, len), len + OVERHEAD);
            link.send(Now::from_nanos(now), &bytes);
            line.retain(|(left, _)| *left > now);
            if !line.is_empty() && line.iter().map(|(_, cost)| cost).sum::<usize>() + cost > queue_max {
                dropped += 1;
                continue;
            }
            let start = line.last().map_or(now, |(left, _)| *left);
            let left = start + (cost as u64 * 1_000_000_000).div_ceil(bandwidth);
            line.push((left, cost));
            expected.push((Now::from_nanos(left), bytes));
        }
        assert_eq!(link.counts().queue_full, dropped);
        assert!(drain(&mut link, LATER) == expected);
    }
}
