//! Limits of rates, as every driver obeys them: exact over ten seconds, the same for every peer, changed while it runs.

use truecopy_sim::campaign::{Cast, Mix};
use truecopy_sim::plan::{ChannelKind, Fault, Plan, Scenario, SeedText, Tuning};
use truecopy_sim::world::{Keep, Options, Run, Verdict, What, run};

const MEBI: u64 = 1 << 20;
const SECOND: u64 = 1_000_000_000;
const ALWAYS: u64 = 600_000;

/// So many receivers of so many bytes, on lines that are faster than any limit here.
fn plan(receivers: u16, bytes: u64) -> Plan {
    let mut plan = Plan::calm(3, ChannelKind::Clear, Scenario::new(1, receivers, &[bytes]));
    plan.network.rate = 100 * MEBI;
    plan.heal.at_ms = ALWAYS;
    plan
}

fn limited(mut plan: Plan, tuning: Tuning) -> Plan {
    plan.tuning = tuning;
    plan
}

fn passes(plan: &Plan) -> Run {
    plan.check().unwrap();
    let run = run(plan, &Options { keep: Keep::All, ..Options::default() }).unwrap();
    assert_eq!(run.verdict, Verdict::Pass);
    run
}

/// Bytes that a host sent or received within the ten seconds from then on, by connection.
fn in_ten_seconds(run: &Run, host: u16, from: u64, wanted: impl Fn(&What) -> Option<(u64, u32)>) -> Vec<u64> {
    let mut moved = std::collections::BTreeMap::new();
    let within = |at: u64| (from * SECOND..(from + 10) * SECOND).contains(&at);
    for record in run.trace.records().filter(|record| record.host == Some(host) && within(record.at)) {
        if let Some((conn, len)) = wanted(&record.what) {
            *moved.entry(conn).or_default() += u64::from(len);
        }
    }
    moved.into_values().collect()
}

fn sent(what: &What) -> Option<(u64, u32)> {
    if let What::Sent(conn, len) = what { Some((conn.0, *len)) } else { None }
}

fn received(what: &What) -> Option<(u64, u32)> {
    if let What::Received(conn, len) = what { Some((conn.0, *len)) } else { None }
}

fn assert_close(real: u64, wanted: u64) {
    assert!(real.abs_diff(wanted) * 20 <= wanted, "{real} bytes, not {wanted}");
}

#[test]
fn what_is_sent_and_received_keeps_to_its_limit_within_five_percent() {
    for rate in [64 << 10, MEBI, 5 * MEBI] {
        let up = Tuning { limit_up: Some(rate), ..Tuning::default() };
        let run = passes(&limited(plan(1, 22 * rate), up));
        assert_close(in_ten_seconds(&run, 0, 1, sent).iter().sum(), 10 * rate);
        assert_close(in_ten_seconds(&run, 0, 11, sent).iter().sum(), 10 * rate);
        let down = Tuning { limit_down: Some(rate), ..Tuning::default() };
        let run = passes(&limited(plan(1, 22 * rate), down));
        assert_close(in_ten_seconds(&run, 1, 1, received).iter().sum(), 10 * rate);
        assert_close(in_ten_seconds(&run, 1, 11, received).iter().sum(), 10 * rate);
    }
}

#[test]
fn three_receivers_get_a_third_each() {
    let limit = Fault::Limit { host: 0, from_ms: 0, to_ms: ALWAYS, up: 3 * MEBI, down: 0 };
    let run = passes(&plan(3, 12 * MEBI).with(limit));
    let moved = in_ten_seconds(&run, 0, 1, sent);
    assert_eq!(moved.len(), 3);
    moved.iter().for_each(|moved| assert_close(*moved, 10 * MEBI));
}

#[test]
fn a_slow_receiver_keeps_its_part_and_leaves_the_rest_to_the_others() {
    let limit = Fault::Limit { host: 0, from_ms: 0, to_ms: ALWAYS, up: 3 * MEBI, down: 0 };
    let slow = Fault::Limit { host: 2, from_ms: 0, to_ms: ALWAYS, up: 0, down: MEBI / 2 };
    let run = passes(&plan(3, 18 * MEBI).with(limit).with(slow));
    // What fills the buffers at the beginning is not counted.
    let mut moved = in_ten_seconds(&run, 0, 3, sent);
    moved.sort_unstable();
    assert_close(moved.iter().sum(), 30 * MEBI);
    assert_close(moved[0], 5 * MEBI);
    assert_close(moved[1], moved[2]);
    assert_close(in_ten_seconds(&run, 2, 3, received).iter().sum(), 5 * MEBI);
}

#[test]
fn several_sources_are_received_from_within_one_limit() {
    let mut plan = plan(1, 24 * MEBI);
    plan.scenario = Scenario::new(3, 1, &[24 * MEBI]);
    let plan = limited(plan, Tuning { limit_down: Some(2 * MEBI), ..Tuning::default() });
    let run = passes(&plan);
    assert_close(in_ten_seconds(&run, 3, 1, received).iter().sum(), 20 * MEBI);
}

#[test]
fn a_limit_is_changed_while_it_runs() {
    let limit = |from_ms, to_ms, up| Fault::Limit { host: 0, from_ms, to_ms, up, down: 0 };
    let slow_then_fast = plan(1, 80 * MEBI)
        .with(limit(0, 10_000, MEBI))
        .with(limit(10_000, 20_000, 4 * MEBI))
        .with(limit(20_000, ALWAYS, MEBI / 2));
    let run = passes(&slow_then_fast);
    assert_close(in_ten_seconds(&run, 0, 0, sent).iter().sum(), 10 * MEBI);
    assert_close(in_ten_seconds(&run, 0, 10, sent).iter().sum(), 40 * MEBI);
    assert_close(in_ten_seconds(&run, 0, 20, sent).iter().sum(), 5 * MEBI);
}

#[test]
fn a_peer_stays_alive_at_the_least_limit() {
    let least = truecopy_transport::pace::RATE_MIN;
    let tuning = Tuning { limit_up: Some(least), limit_down: Some(least), ..Tuning::default() };
    let run = passes(&limited(plan(8, 2 * MEBI), tuning));
    assert_eq!(run.stats.connections, 8, "nobody was hung up on");
}

#[test]
fn limits_change_nothing_but_the_speed_whatever_goes_wrong() {
    for seed in 0..60 {
        let mut plan =
            Plan::of_seed(SeedText { cast: Cast::Pair, channel: ChannelKind::Clear, mix: Mix::Swarm, seed });
        plan.tuning.limit_up = Some(MEBI << (seed % 3));
        plan.tuning.limit_down = Some(MEBI << (seed % 4));
        let run = run(&plan, &Options::default()).unwrap();
        assert_eq!(run.verdict, Verdict::Pass, "seed {seed}");
    }
}
