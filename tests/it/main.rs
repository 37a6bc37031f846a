//! Tests of the whole: one binary, a file per function and per journey.

// Tells clippy that helpers outside #[test] functions are test code too.
#![cfg(test)]

mod vectors;
