//! Bodies of the fuzz targets that need a simulated disk or world. See `truecopy_protocol::fuzzing`.

mod journal;

pub use journal::journal;

use truecopy_protocol::fuzzing::Target;

/// The targets of this crate.
pub const TARGETS: &[Target] = &[Target::new("journal", journal, 4 << 20)];
