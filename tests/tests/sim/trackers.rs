//! Swarms whose peers know of each other by a tracker alone: the real tracker and its gate, in simulated worlds.

use truecopy_sim::plan::{ChannelKind, Fault, Plan, Scenario, Staying, Swarming, Told, TrackerTrouble};
use truecopy_sim::world::{Options, Run, Verdict, run};

/// One sender, and receivers that are told of so many trackers and nothing else.
fn plan(channel: ChannelKind, receivers: u16, trackers: u16) -> Plan {
    let mut scenario = Scenario::new(1, receivers, &[2_000_000]);
    scenario.swarm = Swarming::On;
    scenario.staying = Staying::Seed;
    (scenario.trackers, scenario.told) = (trackers, Told::TrackersAlone);
    let mut plan = Plan::calm(11, channel, scenario);
    plan.network.latency_us = 20_000;
    plan.network.rate = 256 << 10;
    plan.network.window = 64 << 10;
    plan
}

fn passes(plan: &Plan) -> Run {
    let run = run(plan, &Options::default()).unwrap();
    assert_eq!(run.verdict, Verdict::Pass);
    run
}

fn trouble(tracker: u16, from_ms: u64, to_ms: u64, trouble: TrackerTrouble) -> Fault {
    Fault::Tracker { tracker, from_ms, to_ms, trouble }
}

#[test]
fn receivers_that_know_a_tracker_alone_find_the_sender_and_each_other() {
    for channel in [ChannelKind::Clear, ChannelKind::Tls] {
        let run = passes(&plan(channel, 4, 1));
        assert_eq!(run.coverage.of_branch("met by a tracker alone"), 4);
        assert!(run.coverage.of_branch("announce answered") >= 5);
        assert_eq!(run.coverage.of_branch("announce denied"), 0, "every signature holds");
        // Each has to take the share once: without each other the sender's line would be needed four times.
        assert!(run.stats.completed == 4 && run.stats.connections > 4);
    }
}

#[test]
fn a_tracker_that_dies_when_all_have_met_is_missed_by_nobody() {
    let mut plan = plan(ChannelKind::Clear, 4, 1);
    plan.heal.at_ms = 600_000;
    let alone = passes(&plan);
    // Long before the first of them is done, and for the rest of the run.
    let first = alone.finished.iter().map(|(_, at)| at / 1_000_000).min().unwrap();
    plan.faults.push(trouble(0, first / 2, 600_000, TrackerTrouble::Gone));
    let orphaned = passes(&plan);
    assert!(orphaned.coverage.of_fault("tracker-gone") > 0);
    assert!(orphaned.finished.iter().all(|(_, at)| at / 1_000_000 < 600_000), "nobody waits for it");
}

#[test]
fn a_tracker_that_begins_anew_wants_signatures_and_learns_again_who_is_there() {
    let mut plan = plan(ChannelKind::Clear, 2, 1);
    // So slow that everybody announces again.
    plan.network.rate = 16 << 10;
    plan.heal.at_ms = 900_000;
    plan.faults.push(trouble(0, 20_000, 30_000, TrackerTrouble::Forgets));
    let run = passes(&plan);
    assert!(run.coverage.of_fault("tracker-forgets") > 0);
    assert!(run.coverage.of_branch("announce with a token that does not hold") > 0);
}

#[test]
fn of_two_trackers_one_is_enough_and_lost_answers_are_asked_for_again() {
    let mut gone = plan(ChannelKind::Clear, 3, 2);
    gone.heal.at_ms = 600_000;
    gone.faults.push(trouble(0, 0, 600_000, TrackerTrouble::Gone));
    assert!(
        passes(&gone).finished.iter().all(|(_, at)| *at < 100_000_000_000),
        "the other one is asked at once"
    );
    let mut deaf = plan(ChannelKind::Clear, 5, 1);
    deaf.faults.push(trouble(0, 0, 30_000, TrackerTrouble::LosesAnswers));
    let run = passes(&deaf);
    assert!(run.coverage.of_fault("answer-lost") > 0 && run.coverage.of_branch("announce lost") > 0);
}

#[test]
fn plans_whose_trackers_make_no_sense_are_refused() {
    let good = plan(ChannelKind::Clear, 2, 1);
    good.check().unwrap();
    let mut off = good.clone();
    off.scenario.swarm = Swarming::Off;
    let mut none = good.clone();
    none.scenario.trackers = 0;
    let mut many = good.clone();
    many.scenario.trackers = 9;
    let absent = good.clone().with(trouble(1, 0, 1, TrackerTrouble::Gone));
    let unannounced = good.with(Fault::NewerPeer { host: 0 });
    for plan in [off, none, many, absent, unannounced] {
        let error = plan.check().unwrap_err().to_string();
        assert!(error.contains("tracker"), "{error}");
    }
}
