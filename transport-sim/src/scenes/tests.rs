use super::*;
use crate::bench::Target;

/// Small enough for a test.
fn played(scene: &Scene) -> Played {
    scene.play(&Options::default()).unwrap()
}

#[test]
fn every_scene_can_be_played_and_is_compared_with_one_that_is_there() {
    for scene in all() {
        let plan = scene.scene().plan;
        assert_eq!(Plan::from_toml(&plan.to_toml()).unwrap(), plan);
        assert_eq!(named(scene.name).map(|found| found.about), Some(scene.about));
        assert_eq!(scene.goal == Goal::None, scene.goal_in_words().is_empty(), "{}", scene.name);
        if let Goal::Against(other, _) = scene.goal {
            assert!(named(other).is_some(), "{other}");
        }
    }
}

#[test]
fn a_swarm_takes_no_less_than_the_least_possible_and_its_figures_are_in_order() {
    let played = played(&Scene::crowd(1, 4, MIB));
    assert!(played.is_passed(), "{:?}", played.run.verdict);
    assert_eq!(played.honest.len(), 4);
    assert!(played.first() <= played.median() && played.median() <= played.last());
    assert!(played.ratio() >= 1.0, "{}", played.ratio());
    assert_eq!(played.free_to_honest(), None);
}

#[test]
fn those_that_give_nothing_are_counted_apart() {
    let played = played(&Scene::free_riders(5, 2, MIB));
    assert_eq!((played.honest.len(), played.free.len()), (3, 2));
    assert!(played.free_to_honest().is_some_and(f64::is_finite));
}

#[test]
fn what_no_seeder_has_as_a_whole_is_put_together() {
    let played = played(&Scene::partial(2, 3, 4 * MIB));
    assert!(played.is_passed(), "{:?}", played.run.verdict);
    assert_eq!(played.honest.len(), 3);
}

#[test]
fn those_that_want_nothing_stay_connected_and_are_counted() {
    let played = played(&Scene::idle(20));
    assert!(played.is_passed(), "{:?}", played.run.verdict);
    assert!(played.last() >= IDLE_MS as f64 / 1e3, "{}", played.last());
    let figure = Stage::default().figure(named("idle1000").unwrap(), &played).unwrap().unwrap();
    assert!(figure.is_met() && figure.value > 0.0, "{figure:?}");
}

#[test]
fn a_stage_has_its_own_seed_and_limits() {
    let stage = Stage::new(Changes { seed: Some(9), upload_slots: Some(3), choke_ms: None });
    let plan = stage.set(&all()[0]).plan;
    assert_eq!((plan.seed, plan.tuning.upload_slots, plan.tuning.choke_ms), (9, Some(3), None));
}

#[test]
fn a_figure_is_missed_by_who_finishes_nothing() {
    let mut played = played(&Scene::crowd(1, 2, 70_000));
    played.honest.clear();
    let figure = Stage::default().figure(named("crowd100").unwrap(), &played).unwrap().unwrap();
    assert_eq!(figure.target, Target::AtMost(1.35));
    assert!(!figure.is_met());
}

/// Plays a room of a scene in which so many others hear every call, once: what comes twice is no pass.
fn heard_by_all(name: &str, scene: &Scene, others: usize) -> Played {
    let played = played(scene);
    assert!(played.is_passed(), "{:?}", played.run.verdict);
    assert_eq!(played.honest.len(), others * CALLS as usize);
    let figure = Stage::default().figure(named(name).unwrap(), &played).unwrap().unwrap();
    assert!(figure.is_met() && figure.value >= played.least, "{figure:?}");
    played
}

#[test]
fn five_hundred_that_are_connected_to_whoever_calls_hear_it_within_a_second() {
    let name = "broadcast500";
    let played = heard_by_all(name, &named(name).unwrap().scene(), 500);
    assert!(played.first() >= 0.050, "{}", played.first());
}

#[test]
fn five_hundred_hear_within_a_second_what_one_of_them_calls() {
    heard_by_all("leaf500", &named("leaf500").unwrap().scene(), 500);
}

#[test]
fn a_call_reaches_all_of_a_room_without_a_middle() {
    let scene = Scene::gossip(60, 5);
    let known = scene.plan.scenario.hosts() as u64 * 5;
    let played = heard_by_all("gossip500", &scene, 59);
    assert_eq!(played.run.stats.connections, known);
}

#[test]
fn a_call_that_one_does_not_hear_misses_its_figure() {
    let mut scene = Scene::broadcast(3, 0);
    // It is gone when the first calls are made.
    let (from_ms, to_ms) = (CALLS_MS - 1_000, CALLS_MS + 3_000);
    scene.plan.faults.push(Fault::Hang { host: 3, from_ms, to_ms });
    let played = played(&scene);
    let figure = Stage::default().figure(named("broadcast500").unwrap(), &played).unwrap().unwrap();
    assert!(!figure.is_met(), "{figure:?}");
    let heard = Called { host: 0, heard: vec![1] };
    assert_eq!(super::heard(&heard, 2).collect::<Vec<_>>(), [1e-9, f64::INFINITY]);
}
