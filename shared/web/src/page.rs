//! Opaque cursors and page sizes (G28).

use crate::error::ApiError;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A page's size when none is asked for.
pub const DEFAULT_LIMIT: usize = 20;
/// The largest page.
pub const MAX_LIMIT: usize = 100;

/// The cursor that clients hand back to get the next page.
pub fn encode(place: &str) -> String {
    URL_SAFE_NO_PAD.encode(place)
}

/// The place a cursor stands for.
pub fn decode(cursor: &str) -> Result<String, ApiError> {
    let invalid = || ApiError::invalid("The cursor is not one of ours");
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| invalid())?;
    let place = String::from_utf8(bytes).map_err(|_| invalid())?;
    if place.is_empty() || place.len() > 256 { Err(invalid()) } else { Ok(place) }
}

/// The page size to use.
pub fn limit(asked: Option<usize>) -> Result<usize, ApiError> {
    match asked {
        None => Ok(DEFAULT_LIMIT),
        Some(limit @ 1..=MAX_LIMIT) => Ok(limit),
        Some(_) => Err(ApiError::invalid("limit must be between 1 and 100")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn cursors_come_back(place in "[a-z0-9#_]{1,200}") {
            prop_assert_eq!(decode(&encode(&place)), Ok(place));
        }

        #[test]
        fn foreign_cursors_are_refused_without_a_panic(text in "\\PC{0,60}") {
            let _ = decode(&text);
        }
    }
}
