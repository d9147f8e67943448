use super::*;
use crate::campaign::{Cast, Mix};
use crate::plan::{ChannelKind, End, Fault, SeedText, Way};

/// A plan with a bit of everything.
fn rich() -> Plan {
    let seed = (0..).map(|seed| SeedText::new(Cast::Five, ChannelKind::Clear, Mix::All, seed));
    seed.map(Plan::of_seed).find(|plan| plan.faults.len() > 20).unwrap()
}

fn failure(oracle: Oracle, class: &'static str) -> Option<Failure> {
    Some(Failure { oracle, class, at: 5_000_000_000 })
}

fn crash(host: u16) -> Fault {
    Fault::Crash { host, at_ms: 1234, down_ms: 777, end: End::Kill }
}

#[test]
fn a_plan_shrinks_to_the_one_fault_that_is_needed() {
    let plan = rich().with(crash(3));
    let mut test = |plan: &Plan| {
        let is_there =
            plan.faults.iter().any(|fault| matches!(fault, Fault::Crash { host: 2.., end: End::Kill, .. }));
        is_there.then(|| failure(Oracle::Claim, "planted")).flatten()
    };
    let shrunk = shrink_with(&plan, Budget::default(), &mut test).unwrap();
    assert_eq!(shrunk.ending, Ending::Minimal);
    assert_eq!(shrunk.again, Again::Same);
    let [Fault::Crash { host, at_ms, down_ms, .. }] = shrunk.plan.faults[..] else {
        panic!("{:?}", shrunk.plan.faults)
    };
    assert_eq!((host, at_ms, down_ms), (2, 0, 0));
    assert_eq!((shrunk.plan.scenario.hosts(), shrunk.plan.scenario.size()), (3, 0));
    assert_eq!(shrunk.plan.network, crate::plan::Network::default());
    assert!(shrunk.runs < 300, "{}", shrunk.runs);
}

#[test]
fn faults_that_are_needed_together_stay_together() {
    let lost = Fault::Partition { receiver: 2, sender: 0, way: Some(Way::Up), from_ms: 250, to_ms: 900 };
    let plan = rich().with(crash(2)).with(lost);
    let mut test = |plan: &Plan| {
        let has = |wanted: fn(&Fault) -> bool| plan.faults.iter().any(wanted);
        let both = has(|fault| matches!(fault, Fault::Crash { at_ms: 1000.., .. }))
            && has(|fault| matches!(fault, Fault::Partition { .. }));
        (both && plan.scenario.size() > 5000).then(|| failure(Oracle::Completion, "planted")).flatten()
    };
    let shrunk = shrink_with(&plan, Budget::default(), &mut test).unwrap();
    assert_eq!(shrunk.plan.faults.len(), 2, "{:?}", shrunk.plan.faults);
    assert_eq!(shrunk.plan.scenario.size(), 8192);
    assert!(shrunk.plan.faults.iter().any(|fault| matches!(fault, Fault::Crash { at_ms: 1000, .. })));
}

#[test]
fn another_oracle_or_class_is_another_bug() {
    let plan = rich().with(crash(2));
    let crashes = |plan: &Plan| plan.faults.iter().filter(|fault| fault.name() == "crash").count();
    let others = |plan: &Plan| plan.faults.len() - crashes(plan);
    let mut test = |plan: &Plan| match (crashes(plan), others(plan)) {
        (0, _) => failure(Oracle::FinalBytes, "without a crash"),
        (_, 0) => failure(Oracle::Claim, "crashes alone"),
        _ => failure(Oracle::Claim, "planted"),
    };
    let shrunk = shrink_with(&plan, Budget::default(), &mut test).unwrap();
    assert_eq!((shrunk.failure.oracle, shrunk.failure.class), (Oracle::Claim, "planted"));
    assert_eq!((crashes(&shrunk.plan), others(&shrunk.plan)), (1, 1));
}

#[test]
fn the_budget_is_kept_and_what_passes_is_not_shrunk() {
    let mut runs = 0;
    let mut test = |_: &Plan| {
        runs += 1;
        failure(Oracle::Spin, "always")
    };
    let budget = Budget { runs: 3, ..Budget::default() };
    let shrunk = shrink_with(&rich(), budget, &mut test).unwrap();
    assert_eq!((shrunk.ending, shrunk.runs, runs), (Ending::Exhausted, 5, 5));
    assert!(shrink_with(&rich(), Budget::default(), &mut |_| None).is_none());
}

#[test]
fn a_failure_that_comes_and_goes_is_called_unsteady() {
    let mut calls = 0;
    let mut test = |_: &Plan| {
        calls += 1;
        if calls <= 10 { failure(Oracle::Spin, "at times") } else { None }
    };
    let budget = Budget { runs: 10, ..Budget::default() };
    let shrunk = shrink_with(&rich(), budget, &mut test).unwrap();
    assert_eq!(shrunk.again, Again::Unsteady);
}

#[test]
fn a_small_plan_becomes_a_unit_test() {
    let text = unit_test("lost-claim.toml", &failure(Oracle::Claim, "planted").unwrap());
    assert!(
        text.contains("fn the_plan_lost_claim_passes()")
            && text.contains("include_str!(\"lost-claim.toml\")")
    );
    assert!(text.contains("S2 Claim (planted)"));
}
