//! Names of a share that this file system cannot hold, or would take for others.

use truecopy_protocol::EntryIndex;
use truecopy_protocol::content::judge::{NameRules, collisions, judge};
use truecopy_protocol::content::manifest::Manifest;

/// The entries, ascending, that cannot exist by these rules: a name of their path is refused, or their path meets an
/// earlier entry's.
pub fn impossible_entries(manifest: &Manifest, rules: &NameRules) -> Vec<EntryIndex> {
    let refused = manifest
        .entries()
        .filter(|(_, entry)| entry.path.names().any(|name| judge(name, rules).is_err()))
        .map(|(index, _)| index);
    let mut impossible: Vec<EntryIndex> = refused.collect();
    impossible.extend(collisions(manifest, rules).into_iter().map(|collision| collision.second));
    impossible.sort_unstable();
    impossible.dedup();
    impossible
}
