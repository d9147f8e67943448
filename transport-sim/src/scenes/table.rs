//! The scenes that have names: what each shows, and what it should come to.

use std::collections::BTreeMap;

use super::{MIB, Played, Scene};
use crate::bench::{Figure, Target};
use crate::content::BadContent;
use crate::plan::Script;
use crate::world::Options;

/// The size of the share in the scenes that are measured.
const SIZE: u64 = 32 * MIB;

/// What a scene should come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// It shows something, and has no figure that it must reach.
    None,
    /// The last honest receiver is done within so many times the least possible.
    Ratio(f64),
    /// The median of those that give nothing is at least so many times that of the honest.
    FreeRiders(f64),
    /// No node holds more than its limits allow.
    Memory,
    /// The last honest receiver is done within so many times what the last one takes in the scene of that name.
    Against(&'static str, f64),
    /// Every call is heard by everybody within so many seconds.
    Heard(f64),
}

impl Goal {
    /// Digits behind the point of its seconds that mean something.
    pub const fn places(&self) -> usize {
        match self {
            Self::Heard(_) => 3,
            _ => 1,
        }
    }

    /// The unit of its figure.
    const fn unit(&self) -> &'static str {
        match self {
            Self::Memory => "MiB",
            Self::Heard(_) => "s",
            _ => "x",
        }
    }
}

/// How long a scene takes in real time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// Up to a minute or so, of a program that is optimised.
    Short,
    /// Many minutes, and gigabytes of memory: played only by those that ask for it.
    Long,
}

/// A scene with a name.
#[derive(Clone, Copy, Debug)]
pub struct Named {
    /// By which it is asked for.
    pub name: &'static str,
    /// What it shows, in a line.
    pub about: &'static str,
    /// What it should come to.
    pub goal: Goal,
    /// How long it takes.
    pub length: Length,
    make: fn() -> Scene,
}

impl Named {
    /// The scene.
    pub fn scene(&self) -> Scene {
        let mut scene = (self.make)();
        scene.plan.about = format!("{}: {}", self.name, self.about);
        scene
    }

    /// What it should come to, in words; nothing if it need not come to anything.
    pub fn goal_in_words(&self) -> String {
        match self.goal {
            Goal::None => String::new(),
            Goal::Ratio(most) => format!("the last within {most} x the least possible"),
            Goal::FreeRiders(least) => {
                format!("the median of free riders at least {least} x that of the others")
            }
            Goal::Memory => "no node holds more than its limits allow".to_owned(),
            Goal::Heard(most) => format!("everybody hears every call, the last within {most} s"),
            Goal::Against(other, most) => format!("the last within {most} x the last of {other}"),
        }
    }
}

/// All scenes, in the order in which they are told.
pub const fn all() -> &'static [Named] {
    SCENES
}

/// The scene of this name.
pub fn named(name: &str) -> Option<&'static Named> {
    SCENES.iter().find(|scene| scene.name == name)
}

/// Five ways to be of no use, for a fifth of 25 peers.
const FIVE_SCRIPTS: &[Script] =
    &[Script::WrongBytes, Script::OldVersion, Script::LyingHave, Script::Silent, Script::WrongHashes];

const SCENES: &[Named] = &[
    Named {
        name: "small",
        about: "8 receivers come at once to one seeder, for an eighth of the share: done in a moment",
        goal: Goal::None,
        length: Length::Short,
        make: || Scene::crowd(1, 8, SIZE / 8),
    },
    Named {
        name: "crowd20",
        about: "20 receivers come at once to one seeder",
        goal: Goal::None,
        length: Length::Short,
        make: || Scene::crowd(1, 20, SIZE),
    },
    Named {
        name: "crowd100",
        about: "100 receivers come at once to one seeder",
        goal: Goal::Ratio(1.35),
        length: Length::Short,
        make: || Scene::crowd(1, 100, SIZE),
    },
    Named {
        name: "free",
        about: "10 of 50 receivers give nothing, and whoever has everything leaves",
        goal: Goal::FreeRiders(2.0),
        length: Length::Short,
        make: || Scene::free_riders(50, 10, SIZE),
    },
    Named {
        name: "clean19",
        about: "19 receivers, one seeder and nobody who lies: what poison19 is compared with",
        goal: Goal::None,
        length: Length::Short,
        make: || Scene::crowd(1, 19, SIZE),
    },
    Named {
        name: "poison19",
        about: "19 receivers, one honest seeder and one that gives wrong bytes",
        goal: Goal::Against("clean19", 1.10),
        length: Length::Short,
        make: || Scene::poisoned(&[Script::WrongBytes], 19, SIZE),
    },
    Named {
        name: "hostile20",
        about: "a fifth of 25 peers is hostile: five seeders, each in another way, beside an honest one",
        goal: Goal::None,
        length: Length::Short,
        make: || Scene::poisoned(FIVE_SCRIPTS, 19, SIZE),
    },
    Named {
        name: "partial",
        about: "20 receivers and four seeders that have a quarter of the share each: nobody has all of it",
        goal: Goal::None,
        length: Length::Short,
        make: || Scene::partial(4, 20, SIZE),
    },
    Named {
        name: "slow",
        about: "the seeder has a quarter of a receiver's line",
        goal: Goal::None,
        length: Length::Short,
        make: || Scene::slow_seeder(30, SIZE),
    },
    Named {
        name: "unequal",
        about: "half of 30 receivers have a fifth of the others' line",
        goal: Goal::None,
        length: Length::Short,
        make: || Scene::unequal(30, SIZE),
    },
    Named {
        name: "churn",
        about: "each of 30 receivers is killed once, and comes back after three seconds",
        goal: Goal::None,
        length: Length::Short,
        make: || Scene::churn(30, SIZE),
    },
    Named {
        name: "crowd1000",
        about: "1,000 receivers come at once to one seeder, for an eighth of the share",
        goal: Goal::None,
        length: Length::Long,
        make: || Scene::crowd(1, 1000, SIZE / 8),
    },
    Named {
        name: "idle1000",
        about: "1,000 receivers are there for a minute and want nothing: what they cost a node",
        goal: Goal::Memory,
        length: Length::Short,
        make: || Scene::idle(1_000),
    },
    Named {
        name: "idle10000",
        about: "the same with 10,000",
        goal: Goal::Memory,
        length: Length::Long,
        make: || Scene::idle(10_000),
    },
    Named {
        name: "broadcast500",
        about: "a node calls to 500 that are connected to it, 50 ms away each way",
        goal: Goal::Heard(1.0),
        length: Length::Short,
        make: || Scene::broadcast(500, 0),
    },
    Named {
        name: "leaf500",
        about: "the same room; one of the 500 calls, and the node in the middle passes it on",
        goal: Goal::Heard(1.0),
        length: Length::Short,
        make: || Scene::broadcast(500, 500),
    },
    Named {
        name: "gossip500",
        about: "500 nodes that are connected to 16 others or so, 50 ms away each way: one calls, all pass it on",
        goal: Goal::Heard(1.0),
        length: Length::Short,
        make: || Scene::gossip(500, 8),
    },
];

/// What of a scene is played in another way than it stands in the table. None: as it stands there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Where the draws come from.
    pub seed: Option<u64>,
    /// `Config::upload_slots` of all hosts.
    pub upload_slots: Option<u32>,
    /// `Config::choke_interval` of all hosts, in milliseconds.
    pub choke_ms: Option<u64>,
}

/// Plays scenes one after another, and remembers how long they took: one may be judged by another.
#[derive(Debug, Default)]
pub struct Stage {
    changes: Changes,
    lasts: BTreeMap<&'static str, f64>,
}

impl Stage {
    /// One on which nothing was played yet.
    pub const fn new(changes: Changes) -> Self {
        Self { changes, lasts: BTreeMap::new() }
    }

    /// The scene as it is played here.
    pub fn set(&self, named: &Named) -> Scene {
        let Changes { seed, upload_slots, choke_ms } = self.changes;
        let mut scene = named.scene();
        let plan = &mut scene.plan;
        plan.seed = seed.unwrap_or(plan.seed);
        plan.tuning.upload_slots = upload_slots.or(plan.tuning.upload_slots);
        plan.tuning.choke_ms = choke_ms.or(plan.tuning.choke_ms);
        scene
    }

    /// Plays a scene.
    ///
    /// # Errors
    /// If its files make no share.
    pub fn play(&mut self, named: &Named, options: &Options) -> Result<Played, BadContent> {
        let played = self.set(named).play(options)?;
        self.lasts.insert(named.name, played.last());
        Ok(played)
    }

    /// The figure that a scene must reach; none if it has none. What it is compared with is played first, unless it was.
    ///
    /// # Errors
    /// If the files of what it is compared with make no share.
    pub fn figure(&mut self, named: &Named, played: &Played) -> Result<Option<Figure>, BadContent> {
        let (what, value, target) = match named.goal {
            Goal::None => return Ok(None),
            Goal::Ratio(most) => ("last to the least possible", played.ratio(), Target::AtMost(most)),
            Goal::FreeRiders(least) => {
                let ratio = played.free_to_honest().unwrap_or(0.0);
                ("free riders to the others", ratio, Target::AtLeast(least))
            }
            Goal::Memory => {
                let config = self.set(named).plan.tuning.config();
                let mib = |bytes: u64| bytes as f64 / MIB as f64;
                // Channels have an allowance of their own, and are looked at apart.
                (
                    "most that a node holds",
                    mib(played.run.stats.memory),
                    Target::AtMost(mib(config.memory_max(0))),
                )
            }
            Goal::Heard(most) => ("the last hears a call", played.last(), Target::AtMost(most)),
            Goal::Against(other, most) => {
                let last = self.last_of(other)?;
                ("last to that without liars", played.last() / last, Target::AtMost(most))
            }
        };
        Ok(Some(Figure {
            what: format!("swarm {}, {what}", named.name),
            value,
            unit: named.goal.unit(),
            target,
            remark: format!(
                "{:?}; {:.places$} s of at least {:.places$} s, simulated in {:.1} s",
                played.run.verdict,
                played.last(),
                played.least,
                played.took,
                places = named.goal.places()
            ),
        }))
    }

    fn last_of(&mut self, name: &str) -> Result<f64, BadContent> {
        if let Some(last) = self.lasts.get(name) {
            return Ok(*last);
        }
        let Some(other) = named(name) else { return Ok(f64::INFINITY) };
        self.play(other, &Options::default()).map(|played| played.last())
    }
}
