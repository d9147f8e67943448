//! The steps, in the order in which they save most.

use super::ddmin::ddmin;
use super::{Shrinker, value};
use crate::plan::{Beside, Fault, Heal, KnownFrom, Network, Plan, Talk, Told, Tuning};

/// Nanoseconds of a millisecond.
const MS: u64 = 1_000_000;

/// The smallest chunk.
const CHUNK: u64 = 256 << 10;

/// A kind of step: its name, and what it tries.
type Step<'a> = (&'static str, fn(&mut Shrinker<'a>));

impl<'a> Shrinker<'a> {
    pub(super) fn all_steps(&mut self) {
        let steps: [Step<'a>; 10] = [
            ("cut after the failure", Self::cut),
            ("drop kinds of faults", Self::drop_kinds),
            ("drop faults", Self::drop_faults),
            ("fewer hosts", Self::fewer_hosts),
            ("fewer words", Self::fewer_words),
            ("fewer files", Self::fewer_files),
            ("smaller files", Self::smaller_files),
            ("round numbers", Self::round),
            ("constant latency", Self::constant_latency),
            ("plain sizes and limits", Self::plain),
        ];
        for (name, step) in steps {
            self.step = name;
            step(self);
        }
    }

    /// What begins after the failure did not cause it.
    fn cut(&mut self) {
        let at = self.failure.at;
        self.attempt_with(|plan| {
            plan.faults.retain(|fault| value::starts_ms(fault).is_none_or(|start| start * MS <= at));
        });
        let heal = self.plan.heal.at_ms;
        for sooner in [at / MS + 1, heal / 8, heal / 2] {
            if sooner < heal && self.attempt_with(|plan| plan.heal.at_ms = sooner) {
                break;
            }
        }
    }

    fn drop_kinds(&mut self) {
        let mut kinds: Vec<&str> = self.plan.faults.iter().map(|fault| fault.name()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        for kind in kinds {
            self.attempt_with(|plan| plan.faults.retain(|fault| fault.name() != kind));
        }
    }

    fn drop_faults(&mut self) {
        let all = self.plan.faults.clone();
        let needed = ddmin(&all, &mut |faults| {
            let faults = faults.to_vec();
            faults == self.plan.faults || self.attempt_with(|plan| plan.faults = faults)
        });
        debug_assert!(needed.len() >= self.plan.faults.len());
    }

    fn fewer_hosts(&mut self) {
        let mut host = self.plan.scenario.hosts();
        while host > 0 {
            host -= 1;
            let mut plan = self.plan.clone();
            if remove_host(&mut plan, host as u16) {
                self.attempt(plan);
            }
        }
        self.attempt_with(|plan| plan.scenario.sources = 0);
        self.attempt_with(|plan| plan.scenario.told = Told::Addresses);
        self.attempt_with(|plan| {
            plan.scenario.trackers = 0;
            plan.faults.retain(|fault| !matches!(fault, Fault::Tracker { .. }));
        });
    }

    /// What is said is drawn one after another, so that fewer words are the first ones.
    fn fewer_words(&mut self) {
        let mut attempt = |change: &dyn Fn(&mut Talk)| {
            let mut talk = self.plan.scenario.talk.clone();
            talk.as_mut().is_some_and(|talk| {
                let before = talk.clone();
                change(talk);
                *talk != before
            }) && self.attempt_with(|plan| plan.scenario.talk = talk)
        };
        attempt(&|talk| talk.calls = 0);
        attempt(&|talk| talk.made.clear());
        attempt(&|talk| talk.known_from = KnownFrom::Next);
        attempt(&|talk| talk.outsiders = 0);
        attempt(&|talk| talk.patience_ms = None);
        attempt(&|talk| talk.beside = Beside::Nothing);
        while attempt(&|talk| talk.texts /= 2) {}
    }

    fn fewer_files(&mut self) {
        let files = self.plan.scenario.files.clone();
        ddmin(&files, &mut |files| {
            let files = files.to_vec();
            !files.is_empty()
                && (files == self.plan.scenario.files
                    || self.attempt_with(|plan| {
                        plan.scenario.present.retain(|path| files.iter().any(|file| file.path == *path));
                        plan.scenario.files = files;
                    }))
        });
        self.attempt_with(|plan| plan.scenario.present.clear());
    }

    fn smaller_files(&mut self) {
        for file in 0..self.plan.scenario.files.len() {
            let size = self.plan.scenario.files[file].size;
            let powers = (0..40).map(|power| 1_u64 << power);
            let sizes = [0].into_iter().chain(powers).chain([CHUNK - 1, CHUNK + 1]);
            for smaller in sizes.filter(|smaller| *smaller < size) {
                if self.attempt_with(|plan| plan.scenario.files[file].size = smaller) {
                    break;
                }
            }
        }
    }

    /// Numbers of faults become 0, 1, or their first digit.
    fn round(&mut self) {
        for fault in 0..self.plan.faults.len() {
            for (path, number) in value::numbers(&self.plan.faults[fault]) {
                let magnitude = 10_i64.pow(number.unsigned_abs().max(1).ilog10());
                for rounder in [0, 1, number / magnitude * magnitude] {
                    if rounder == number {
                        break;
                    }
                    let Some(changed) = value::with_number(&self.plan.faults[fault], &path, rounder) else {
                        continue;
                    };
                    if self.attempt_with(|plan| plan.faults[fault] = changed) {
                        break;
                    }
                }
            }
        }
    }

    fn constant_latency(&mut self) {
        let plain = Network::default();
        self.attempt_with(|plan| plan.network.jitter_us = 0);
        self.attempt_with(|plan| plan.network.latency_us = plain.latency_us);
        self.attempt_with(|plan| plan.network.rate = 0);
    }

    /// Sizes that are drawn become all or one byte, limits what they usually are.
    fn plain(&mut self) {
        self.attempt_with(|plan| {
            plan.network = Network { latency_us: plan.network.latency_us, ..Network::default() };
        });
        self.attempt_with(|plan| plan.tuning = Tuning::default());
        let allowed = self.plan.heal.allowed.clone();
        self.attempt_with(|plan| plan.heal = Heal { allowed, ..Heal::default() });
        self.attempt_with(|plan| plan.network.would_block_permille = 0);
        self.attempt_with(|plan| plan.network.interrupted_permille = 0);
        self.attempt_with(|plan| plan.network.window = Network::default().window);
        let sizes: [fn(&mut Network) -> &mut u32; 3] = [
            |network| &mut network.write_max,
            |network| &mut network.read_max,
            |network| &mut network.segment_max,
        ];
        for size in sizes {
            for plain in [0, 1] {
                let is_plain = *size(&mut self.plan.network) == plain;
                if is_plain || self.attempt_with(|plan| *size(&mut plan.network) = plain) {
                    break;
                }
            }
        }
    }
}

/// Takes a host out, with what was about it. Whether there are enough left.
fn remove_host(plan: &mut Plan, host: u16) -> bool {
    let scenario = &mut plan.scenario;
    let of = if host < scenario.senders { &mut scenario.senders } else { &mut scenario.receivers };
    if *of == 1 {
        return false;
    }
    *of -= 1;
    if let Some(talk) = &mut scenario.talk {
        talk.made.retain(|call| call.host != host);
        talk.made.iter_mut().filter(|call| call.host > host).for_each(|call| call.host -= 1);
    }
    scenario.sources = scenario.sources.min(scenario.senders);
    plan.faults =
        plan.faults.iter().filter_map(|fault| value::without_host(fault, i64::from(host))).collect();
    true
}
