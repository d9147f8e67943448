//! The store on a disk that fails, and on a real one.

mod attacks;
mod conflicts;
mod crash;
mod errors;
mod real;
mod share;
mod sizes;
