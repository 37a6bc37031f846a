//! Counters against guessing (G45): per client network, per address, in windows of time.
//!
//! Each try counts before it is looked at, so that many at once are no way around. Keys hold keyed digests, never an
//! address: the table is read by more people than may know who signs in.

use crate::State;
use axum::extract::FromRequestParts;
use http::request::Parts;
use identity::code;
use std::net::IpAddr;
use web::lambda::ClientAddress;
use web::{ApiError, Code};

/// So many of something in a window of time, and the answer to more.
pub(crate) struct Limit {
    limit: store::Limit,
    refusal: Code,
}

/// Requests of one client network to the public routes.
const VISITS: Limit = limit("auth-visit", 300, 300, Code::RateLimited);
/// Wrong passwords of one address, whether it has an account or not.
pub(crate) const PASSWORDS: Limit = limit("auth-password", 5, 900, Code::AccountLocked);
/// Codes of one purpose mailed to one address and not used. With five guesses a code, a day of guessing finds one in ten thousand.
pub(crate) const CODES: Limit = limit("auth-code", 20, 86_400, Code::RateLimited);

const fn limit(what: &'static str, max: u32, seconds: i64, refusal: Code) -> Limit {
    Limit { limit: store::Limit { what, max, seconds }, refusal }
}

impl Limit {
    /// Counts one more; refuses when there were too many.
    pub(crate) async fn count(&self, state: &State, who: &str) -> Result<(), ApiError> {
        let who = self.digest(state, who);
        ApiError::unless_within(state.store.exceeded(&self.limit, &who).await?, self.refusal)
    }

    /// Starts the present window again.
    pub(crate) async fn forget(&self, state: &State, who: &str) -> Result<(), ApiError> {
        let who = self.digest(state, who);
        Ok(state.store.reset_count(self.limit.what, &who, self.limit.seconds).await?)
    }

    fn digest(&self, state: &State, who: &str) -> String {
        code::digest(&state.pepper, "counter", self.limit.what, who)
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
        assert_eq!(PASSWORDS.limit.rest(0), 900);
        assert_eq!(PASSWORDS.limit.rest(899), 1);
        assert_eq!(PASSWORDS.limit.rest(900), 900);
        assert_eq!(PASSWORDS.limit.rest(-1), 1);
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
