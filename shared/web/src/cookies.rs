//! Cookies of browsers on our own origin (U5): the session, which scripts cannot read, and its CSRF token, which they
//! copy into a header.

use http::{HeaderMap, HeaderValue, header};

/// Holds the token. `HttpOnly`.
pub const SESSION: &str = "switchboard_session";
/// Holds the CSRF token.
pub const CSRF: &str = "switchboard_csrf";
/// Header in which a state-changing request proves that it read the CSRF cookie.
pub const CSRF_HEADER: &str = "x-csrf-token";

/// A cookie of a request.
pub fn get<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

/// `Set-Cookie` of a cookie for `seconds`; 0 removes it.
pub fn set(name: &str, value: &str, seconds: i64, http_only: bool, secure: bool) -> Option<HeaderValue> {
    let http_only = if http_only { "; HttpOnly" } else { "" };
    let secure = if secure { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path=/; Max-Age={seconds}; SameSite=Lax{http_only}{secure}");
    HeaderValue::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_cookie_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; switchboard_session=x.y.z"));
        headers.append(header::COOKIE, HeaderValue::from_static("b=2"));
        assert_eq!(get(&headers, SESSION), Some("x.y.z"));
        assert_eq!(get(&headers, "b"), Some("2"));
        assert_eq!(get(&headers, "session"), None);
    }
}
