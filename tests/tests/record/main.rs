//! Recordings: a run is a value.

mod hostile;
mod replay;
mod shapes;
mod world;
