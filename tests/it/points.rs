//! Points at the repositories: whatever happens at once, nobody pays twice, for nothing, or what they do not have (G6).

mod keys;
mod limits;
mod runs;
mod storm;
