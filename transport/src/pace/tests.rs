use super::*;

const SECOND: u64 = 1_000_000_000;
const MS: u64 = 1_000_000;
const MEBI: u64 = 1 << 20;

fn rate(bytes: u64) -> Option<Rate> {
    Some(Rate::new(bytes).expect("above the least"))
}

const fn up(rate: Option<Rate>) -> Rates {
    Rates { up: rate, down: None }
}

/// Connections that move what they are given, up to a speed of their own, on a clock that is late.
struct Run {
    pacer: Pacer,
    now: u64,
    /// What each moved, and how many bytes a second it could at most.
    conns: Vec<(u64, u64)>,
    /// When each has its next turn.
    due: Vec<Now>,
    begun: u64,
    late: u64,
}

impl Run {
    fn new(rates: Rates, speeds: &[u64], late: u64) -> Self {
        let mut pacer = Pacer::default();
        pacer.set(Now::ZERO, rates);
        let conns = speeds.iter().map(|speed| (0, *speed)).collect();
        Self { pacer, now: 0, conns, due: vec![Now::ZERO; speeds.len()], begun: 0, late }
    }

    /// Goes on for so long; what each connection moved meanwhile.
    fn pass(&mut self, time: u64) -> Vec<u64> {
        self.begun = self.now;
        self.conns.iter_mut().for_each(|(moved, _)| *moved = 0);
        let until = self.now + time;
        while self.now < until {
            self.now += MS + self.now % (self.late + 1);
            // As drivers do: turns in the order of their times; whoever is not through has another one after the others.
            let mut busy: Vec<usize> = (0..self.conns.len()).collect();
            busy.sort_by_key(|conn| self.due[*conn]);
            while !busy.is_empty() {
                busy.retain(|conn| self.turn(*conn));
            }
        }
        self.conns.iter().map(|(moved, _)| *moved).collect()
    }

    fn turn(&mut self, index: usize) -> bool {
        let (conn, now) = (ConnId(index as u64), Now::from_nanos(self.now));
        let (moved, speed) = &mut self.conns[index];
        let could = (u128::from(self.now - self.begun) * u128::from(*speed) / u128::from(SECOND)) as u64;
        let ready = could.saturating_sub(*moved);
        if ready == 0 {
            self.pacer.settle(conn, Direction::Up, 0);
            return false;
        }
        match self.pacer.ask(now, conn, Direction::Up) {
            Grant::Unlimited => {
                *moved += ready;
                false
            }
            Grant::Later(at) => {
                assert!(at > now, "a time to come");
                self.due[index] = at;
                false
            }
            Grant::Bytes(most) => {
                let used = ready.min(most as u64);
                *moved += used;
                self.pacer.settle(conn, Direction::Up, used as usize);
                used < ready
            }
        }
    }
}

fn close(real: u64, wanted: u64, percent: u64) -> bool {
    real.abs_diff(wanted) * 100 <= wanted * percent
}

#[test]
fn ten_seconds_hold_the_rate_to_five_percent() {
    for bytes in [RATE_MIN, 100_000, MEBI, 5 * MEBI, 100 * MEBI, 2000 * MEBI] {
        for speeds in [&[u64::MAX >> 8][..], &[u64::MAX >> 8; 3], &[u64::MAX >> 8; 8]] {
            for late in [0, 3 * MS, 15 * MS] {
                let mut run = Run::new(up(rate(bytes)), speeds, late);
                for _ in 0..3 {
                    let moved: u64 = run.pass(10 * SECOND).iter().sum();
                    assert!(close(moved, 10 * bytes, 5), "{bytes} late {late}: {moved}");
                }
            }
        }
    }
}

#[test]
fn rest_saves_up_for_a_tenth_of_a_second_at_most() {
    let mut run = Run::new(up(rate(MEBI)), &[u64::MAX >> 8], 0);
    run.now = 3600 * SECOND;
    let moved = run.pass(SECOND)[0];
    assert!(moved < MEBI + MEBI * 15 / 100, "{moved}");
}

#[test]
fn peers_of_equal_speed_get_equal_shares() {
    let mut run = Run::new(up(rate(5 * MEBI)), &[u64::MAX >> 8; 3], 3 * MS);
    for moved in run.pass(10 * SECOND) {
        assert!(close(moved, 50 * MEBI / 3, 5), "{moved}");
    }
}

#[test]
fn a_slow_peer_gets_all_it_can_take_and_the_others_the_rest() {
    let mut run = Run::new(up(rate(5 * MEBI)), &[u64::MAX >> 8, 100_000, u64::MAX >> 8], 3 * MS);
    let moved = run.pass(10 * SECOND);
    assert!(close(moved[1], 1_000_000, 5), "{moved:?}");
    assert!(close(moved.iter().sum(), 50 * MEBI, 5), "{moved:?}");
    assert!(close(moved[0], moved[2], 5), "{moved:?}");
}

#[test]
fn a_change_holds_at_once() {
    let mut run = Run::new(up(rate(RATE_MIN)), &[u64::MAX >> 8; 3], 0);
    run.pass(5 * SECOND);
    run.pacer.set(Now::from_nanos(run.now), up(rate(8 * MEBI)));
    assert!(close(run.pass(SECOND).iter().sum(), 8 * MEBI, 8));
    run.pacer.set(Now::from_nanos(run.now), up(rate(MEBI)));
    assert!(close(run.pass(10 * SECOND).iter().sum(), 10 * MEBI, 5));
    run.pacer.set(Now::from_nanos(run.now), up(None));
    assert_eq!(run.pacer.ask(Now::from_nanos(run.now), ConnId(0), Direction::Up), Grant::Unlimited);
}

#[test]
fn a_share_has_its_own_limit_and_all_together_that_of_all() {
    let mut run = Run::new(up(rate(5 * MEBI)), &[u64::MAX >> 8; 5], 2 * MS);
    let slow = ShareId(7);
    run.pacer.set_share(Now::ZERO, slow, up(rate(MEBI / 2)));
    run.pacer.belongs(ConnId(0), slow);
    run.pacer.belongs(ConnId(1), slow);
    let moved = run.pass(10 * SECOND);
    assert!(close(moved[0] + moved[1], 5 * MEBI, 5), "{moved:?}");
    assert!(close(moved[0], moved[1], 10), "{moved:?}");
    assert!(close(moved.iter().sum(), 50 * MEBI, 5), "{moved:?}");
    assert!(close(moved[2], moved[4], 5), "{moved:?}");
}

#[test]
fn a_limit_of_one_share_costs_others_nothing() {
    let mut pacer = Pacer::default();
    pacer.set_share(Now::ZERO, ShareId(1), up(rate(MEBI)));
    pacer.belongs(ConnId(1), ShareId(1));
    assert_eq!(pacer.ask(Now::ZERO, ConnId(2), Direction::Up), Grant::Unlimited);
    assert!(matches!(pacer.ask(Now::ZERO, ConnId(1), Direction::Up), Grant::Bytes(_)));
    assert!(!pacer.is_limited(Direction::Down));
    pacer.set_share(Now::ZERO, ShareId(1), Rates::default());
    assert!(!pacer.is_limited(Direction::Up));
}

#[test]
fn who_leaves_gives_back_what_it_waited_for() {
    let mut pacer = Pacer::default();
    pacer.set(Now::ZERO, up(rate(MEBI)));
    let last = |pacer: &mut Pacer| {
        let asked = (0..100).map(|conn| pacer.ask(Now::ZERO, ConnId(conn), Direction::Up)).last();
        match asked {
            Some(Grant::Later(at)) => at,
            other => panic!("{other:?}"),
        }
    };
    let first = last(&mut pacer);
    (0..100).for_each(|conn| pacer.forget(ConnId(conn)));
    // Rounding is a nanosecond a slot.
    assert!(last(&mut pacer).since(first) < Duration::from_micros(1));
}

#[test]
fn asking_again_changes_nothing() {
    let mut pacer = Pacer::default();
    pacer.set(Now::ZERO, up(rate(MEBI)));
    assert!(matches!(pacer.ask(Now::ZERO, ConnId(1), Direction::Up), Grant::Bytes(_)));
    let later = pacer.ask(Now::ZERO, ConnId(2), Direction::Up);
    assert!(matches!(later, Grant::Later(_)));
    for _ in 0..10 {
        assert_eq!(pacer.ask(Now::ZERO, ConnId(2), Direction::Up), later);
    }
}

#[test]
fn limits_below_the_least_are_none() {
    assert_eq!(Rate::new(RATE_MIN - 1), None);
    assert_eq!(Rate::new(RATE_MIN).map(Rate::bytes_a_second), Some(RATE_MIN));
}
