//! What people are shown of a run.

pub(crate) mod canvas;
