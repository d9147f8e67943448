//! The score board: every bug against every single kind of faults. A bug that no kind shows tells of a fault that is
//! missing.

use truecopy_protocol::planted::{Bug, set};

use super::hunt::{each, hunt};
use super::probe::Probe;
use super::table::ROWS;
use crate::campaign::{Cast, Kind, Mix};
use crate::plan::ChannelKind;

/// Seeds of each kind and cast.
const SEEDS: u64 = 100;

pub(super) fn all(only: &[u8], jobs: usize, say: &mut dyn FnMut(&str)) -> bool {
    let mut passed = true;
    for bug in Bug::ALL.iter().copied().filter(|bug| !bug.is_harmless()) {
        let in_store = ROWS.iter().any(|row| row.bug == bug && matches!(row.probe, Probe::Store(_)));
        if in_store || !(only.is_empty() || only.contains(&bug.number())) {
            continue;
        }
        let twice = ROWS.iter().any(|row| row.bug == bug && matches!(row.probe, Probe::Twice(..)));
        set(Some(bug));
        let kinds: Vec<Option<Kind>> =
            [None].into_iter().chain(Kind::ALL.iter().copied().map(Some)).collect();
        let found = each(kinds.len(), jobs, |number| {
            let mix = kinds[number].map_or(Mix::Calm, Mix::Only);
            [Cast::Varied, Cast::Five, Cast::Swarm].into_iter().find_map(|cast| {
                let probe = if twice { Probe::Twice } else { Probe::Run }(cast, ChannelKind::Clear, mix);
                hunt(probe, 1 << 40, SEEDS).map(|(seed, _)| seed - (1 << 40) + 1)
            })
        });
        set(None);
        let seen: Vec<String> = kinds
            .iter()
            .zip(&found)
            .filter_map(|(kind, found)| Some(format!("{} {}", kind.map_or("calm", Kind::name), (*found)?)))
            .collect();
        let list = if seen.is_empty() { "nothing: a fault is missing".into() } else { seen.join(", ") };
        say(&format!("{:>3}  {:<17}  {list}", bug.number(), bug.name()));
        passed &= !seen.is_empty();
    }
    passed
}
