//! Tests of the whole: one binary, a file per function and per journey, against the local cloud over real sockets.

// Tells clippy that helpers outside #[test] functions are test code too.
#![cfg(test)]

mod support;

mod journeys;
mod vectors;
