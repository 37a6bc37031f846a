//! HTTP glue shared by all HTTP functions: errors, authentication of a request, SSE, paging, the request log.
//!
//! - [`error`]: the closed list of errors a client can get, with status, `code` and `hint` in one place (U13).
//! - [`auth`]: who is calling; [`access`]: what of a conversation they may see.
//! - [`sse`]: the two encoders the seeds' parsers need (U11).
//! - [`lambda`]: between a Lambda event and an axum router.

pub mod access;
pub mod auth;
mod chat;
pub mod cookies;
pub mod cursor;
pub mod error;
pub mod extract;
pub mod lambda;
pub mod page;
pub mod sse;

pub use auth::{Authenticator, Caller, StreamCaller};
pub use chat::trouble;
pub use error::{ApiError, Code};
