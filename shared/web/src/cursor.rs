//! Where a client of a stream wants to go on.

use http::HeaderMap;

/// The number of the last event that the client has: `Last-Event-ID` of a reconnect, else the query's `since_seq`. What
/// is not a number of ours is passed over, as untrusted text must be.
pub fn of(headers: &HeaderMap, since_seq: Option<u64>) -> Option<u64> {
    let header = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    header.and_then(number).or(since_seq)
}

fn number(text: &str) -> Option<u64> {
    let digits = (1..=18).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn the_header_of_a_reconnect_wins_and_nonsense_is_passed_over() {
        let with = |value: &'static [u8]| {
            let mut headers = HeaderMap::new();
            headers.insert("last-event-id", HeaderValue::from_bytes(value).unwrap());
            headers
        };
        assert_eq!(of(&with(b"42"), Some(7)), Some(42));
        for nonsense in [&b""[..], b"-1", b"+1", b"1e3", b"99999999999999999999", b"\xff"] {
            let headers = HeaderValue::from_bytes(nonsense).map(|value| {
                let mut headers = HeaderMap::new();
                headers.insert("last-event-id", value);
                headers
            });
            assert_eq!(of(&headers.unwrap(), Some(7)), Some(7));
        }
        assert_eq!(of(&HeaderMap::new(), None), None);
    }
}
