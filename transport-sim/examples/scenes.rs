//! Plays swarms at scale and prints how long they take.

use truecopy_sim::scenes::{SIZE, Scene};

fn main() {
    let named = std::env::args().nth(1).unwrap_or_default();
    let scenes = [
        ("crowd20", Scene::crowd(1, 20, SIZE)),
        ("crowd100", Scene::crowd(1, 100, SIZE)),
        ("free", Scene::free_riders(50, 10, SIZE)),
        ("clean19", Scene::crowd(1, 19, SIZE)),
        ("poison19", Scene::poisoned(1, 19, SIZE)),
        ("slow", Scene::slow_seeder(30, SIZE)),
        ("unequal", Scene::unequal(30, SIZE)),
        ("churn", Scene::churn(30, SIZE)),
        ("crowd1000", Scene::crowd(1, 1000, SIZE / 8)),
    ];
    for (name, scene) in scenes.iter().filter(|(name, _)| named.is_empty() || named == *name) {
        let mut scene = scene.clone();
        scene.plan.tuning.upload_slots = std::env::var("SLOTS").ok().and_then(|v| v.parse().ok());
        scene.plan.tuning.choke_ms = std::env::var("CHOKE").ok().and_then(|v| v.parse().ok());
        let Some(played) = scene.play() else { continue };
        println!(
            "{name}: {:?} {} honest, first {:.1}, last {:.1} s of at least {:.1} ({:.2}); free {:.2}; {} MiB came, {:.1} real s",
            played.run.verdict,
            played.honest.len(),
            played.honest.first().copied().unwrap_or(0.0),
            played.last(),
            scene.least(),
            played.last() / scene.least(),
            played.free_to_honest(),
            played.run.stats.received >> 20,
            played.took,
        );
    }
}
