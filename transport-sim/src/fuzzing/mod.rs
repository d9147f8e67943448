//! Bodies of the fuzz targets that need a simulated disk or world. See `truecopy_protocol::fuzzing`.

mod journal;
mod pair_plan;

pub use journal::journal;
pub use pair_plan::{pair_plan, plan_of_bytes};

use truecopy_protocol::fuzzing::Target;

/// The targets of this crate.
pub const TARGETS: &[Target] =
    &[Target::new("journal", journal, 4 << 20), Target::new("pair_plan", pair_plan, 96 << 20)];
