//! Counters against guessing (G45): per client network, per address, in windows of time.
//!
//! Each try counts before it is looked at, so that many at once are no way around. Keys hold keyed digests, never an
//! address: the table is read by more people than may know who signs in.

use crate::State;
use axum::extract::FromRequestParts;
use http::request::Parts;
use identity::code;
use std::net::IpAddr;
use store::now;
use web::lambda::ClientAddress;
use web::{ApiError, Code};

/// So many of something in a window of time.
pub(crate) struct Limit {
    what: &'static str,
    max: u32,
    window_seconds: i64,
    refusal: Code,
}

/// Requests of one client network to the public routes.
const VISITS: Limit = Limit { what: "auth-visit", max: 300, window_seconds: 300, refusal: Code::RateLimited };
/// Wrong passwords of one address, whether it has an account or not.
pub(crate) const PASSWORDS: Limit =
    Limit { what: "auth-password", max: 5, window_seconds: 900, refusal: Code::AccountLocked };
/// Codes of one purpose mailed to one address and not used. With five guesses a code, a day of guessing finds one in ten thousand.
pub(crate) const CODES: Limit =
    Limit { what: "auth-code", max: 20, window_seconds: 86_400, refusal: Code::RateLimited };

impl Limit {
    /// Counts one more; refuses when there were too many.
    pub(crate) async fn count(&self, state: &State, who: &str) -> Result<(), ApiError> {
        let who = self.digest(state, who);
        if state.store.count(self.what, &who, self.max, self.window_seconds).await? {
            return Ok(());
        }
        Err(ApiError::from(self.refusal).retry_after(self.rest(now().seconds())))
    }

    /// Starts the present window again.
    pub(crate) async fn forget(&self, state: &State, who: &str) -> Result<(), ApiError> {
        let who = self.digest(state, who);
        Ok(state.store.reset_count(self.what, &who, self.window_seconds).await?)
    }

    /// Seconds until the window ends, at least one.
    fn rest(&self, now: i64) -> u32 {
        u32::try_from(self.window_seconds - now.rem_euclid(self.window_seconds)).unwrap_or(1)
    }

    fn digest(&self, state: &State, who: &str) -> String {
        code::digest(&state.pepper, "counter", self.what, who)
    }
}

/// Anybody who comes to a public route, as long as their network does not come too often.
pub(crate) struct Visitor;

impl FromRequestParts<State> for Visitor {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, ApiError> {
        let address = parts.extensions.get::<ClientAddress>().map_or("", |address| &address.0);
        VISITS.count(state, &network(address)).await.map(|()| Self)
    }
}

/// What one client has: an IPv4 address, or the 64-bit network of an IPv6 address.
fn network(address: &str) -> String {
    match address.parse() {
        Ok(IpAddr::V6(ip)) => match ip.to_ipv4_mapped() {
            Some(ip) => ip.to_string(),
            None => format!("{:x}", ip.to_bits() >> 64),
        },
        _ => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_ends_after_one_second_to_its_whole_length() {
        assert_eq!(PASSWORDS.rest(0), 900);
        assert_eq!(PASSWORDS.rest(899), 1);
        assert_eq!(PASSWORDS.rest(900), 900);
        assert_eq!(PASSWORDS.rest(-1), 1);
    }

    #[test]
    fn one_client_cannot_change_its_network() {
        assert_eq!(network("203.0.113.7"), "203.0.113.7");
        assert_eq!(network("::ffff:203.0.113.7"), "203.0.113.7");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), network("2001:db8:1:2:ffff::1"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network(""), "");
    }
}
