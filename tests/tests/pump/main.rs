//! The byte pump and the channels on seeded faulty streams.

mod close;
mod hostile;
mod legal;
mod tls;
mod toy;
