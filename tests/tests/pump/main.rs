//! The byte pump and the channels on seeded faulty streams.

#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic")]

mod close;
mod foreign;
mod hostile;
mod legal;
mod real;
mod records;
mod shapes;
mod socket;
mod tls;
mod toy;
