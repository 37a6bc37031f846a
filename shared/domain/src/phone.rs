//! Phone numbers: E.164 where the text is a number, else the address as the provider gave it.

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat, Region as LibRegion};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A text that can be no phone number or provider address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a phone number")]
pub struct InvalidPhone;

/// A two-letter region that national numbers are read in; an organization's setting, never assumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Region(LibRegion);

impl FromStr for Region {
    type Err = InvalidPhone;
    fn from_str(text: &str) -> Result<Self, InvalidPhone> {
        LibRegion::from_str(text).map(Self).map_err(|_| InvalidPhone)
    }
}

impl TryFrom<String> for Region {
    type Error = InvalidPhone;
    fn try_from(text: String) -> Result<Self, InvalidPhone> {
        text.parse()
    }
}

impl From<Region> for String {
    fn from(region: Region) -> Self {
        region.0.to_string()
    }
}

/// A phone number. Starts with `+` exactly when it is E.164; short codes and other provider addresses
/// (`anonymous`, `client:alice`) are kept as given, so that they never fail a call.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PhoneNumber(Box<str>);

impl PhoneNumber {
    /// Reads a number typed by a person, in E.164, international or (with a region) national form.
    pub fn parse(text: &str, region: Option<Region>) -> Result<Self, InvalidPhone> {
        let (number, _) = read(text, region)?;
        Ok(Self(number.into()))
    }

    /// Takes an address from a provider. E.164 is taken as it is, so that the number library stays cold.
    pub fn from_provider(text: &str) -> Result<Self, InvalidPhone> {
        let text = strip_channel(text.trim());
        if is_e164(text) {
            return Ok(Self(text.into()));
        }
        let printable = (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if !printable || text.contains('#') || text.starts_with('+') {
            return Self::parse(text, None);
        }
        Ok(Self(text.into()))
    }

    /// Takes a number from a path or query: `+` that became a blank (B05) and bare digits are accepted (B20).
    pub fn from_url(text: &str, region: Option<Region>) -> Result<Self, InvalidPhone> {
        let trimmed = text.trim();
        if is_e164(trimmed) {
            return Ok(Self(trimmed.into()));
        }
        let with_plus = format!("+{trimmed}");
        let digits_only = trimmed.bytes().all(|b| b.is_ascii_digit());
        let had_plus = text.starts_with(' ');
        if digits_only && is_e164(&with_plus) && (had_plus || region.is_none() || is_valid(&with_plus)) {
            return Ok(Self(with_plus.into()));
        }
        Self::parse(trimmed, region).or_else(|_| Self::from_provider(trimmed))
    }

    /// The number or address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is a number in E.164.
    pub fn is_e164(&self) -> bool {
        self.0.starts_with('+')
    }

    /// What ids are made of: the digits without `+`, or the address with other characters replaced.
    pub fn digits(&self) -> String {
        let text = self.0.strip_prefix('+').unwrap_or(&self.0);
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PhoneNumber(***)")
    }
}

/// Whether the numbering plan of its country has this number.
pub fn is_valid(text: &str) -> bool {
    read(text, None).is_ok_and(|(_, number)| PHONE_NUMBER_UTIL.is_valid_number(&number))
}

fn read(text: &str, region: Option<Region>) -> Result<(String, rlibphonenumber::PhoneNumber), InvalidPhone> {
    let text = strip_channel(text.trim());
    if text.len() > 250 {
        return Err(InvalidPhone);
    }
    let number = PHONE_NUMBER_UTIL.parse(text, region.map(|r| r.0)).map_err(|_| InvalidPhone)?;
    let e164 = PHONE_NUMBER_UTIL.format(&number, PhoneNumberFormat::E164).into_owned();
    Ok((e164, number))
}

/// Drops the channel of an address such as `whatsapp:+14155550100`.
fn strip_channel(text: &str) -> &str {
    match text.split_once(':') {
        Some((channel, rest)) if rest.starts_with('+') && channel.bytes().all(|b| b.is_ascii_lowercase()) => rest,
        _ => text,
    }
}

fn is_e164(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next() == Some(b'+')
        && matches!(bytes.next(), Some(b'1'..=b'9'))
        && (8..=16).contains(&text.len())
        && bytes.all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(text: &str) -> String {
        PhoneNumber::from_url(text, None).unwrap().as_str().to_owned()
    }

    #[test]
    fn a_plus_lost_in_a_url_is_found_again() {
        for raw in [" 14165550123", "+14165550123", "14165550123", " 14165550123 "] {
            assert_eq!(number(raw), "+14165550123");
        }
    }

    #[test]
    fn a_national_number_is_read_in_the_organizations_region() {
        let us = "US".parse().ok();
        let national = PhoneNumber::from_url("(415) 867-5309", us).unwrap();
        assert_eq!(national.as_str(), "+14158675309");
        assert_eq!(PhoneNumber::from_url("4158675309", us).unwrap().as_str(), "+14158675309");
    }

    #[test]
    fn provider_addresses_never_fail_a_call() {
        for raw in ["22395", "anonymous", "client:alice", "sip:alice@example.com"] {
            let kept = PhoneNumber::from_provider(raw).unwrap();
            assert_eq!(kept.as_str(), raw);
            assert!(!kept.is_e164());
        }
        let whatsapp = PhoneNumber::from_provider("whatsapp:+14158675309").unwrap();
        assert_eq!(whatsapp.as_str(), "+14158675309");
    }

    proptest! {
        #[test]
        fn nothing_panics_and_a_plus_means_e164(text in "\\PC{0,40}") {
            for number in [PhoneNumber::from_provider(&text), PhoneNumber::from_url(&text, None)].into_iter().flatten() {
                prop_assert!(!number.as_str().is_empty() && !number.as_str().contains('#'));
                if number.is_e164() {
                    prop_assert!(number.as_str()[1..].bytes().all(|b| b.is_ascii_digit()));
                }
                prop_assert!(number.digits().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
            }
        }
    }
}
