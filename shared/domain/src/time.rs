//! Points in time: kept as UTC milliseconds, rendered per contract (U8).

use jiff::{Timestamp as Instant, tz::TimeZone};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From UTC milliseconds; values outside the calendar are clamped into it.
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(Instant::MIN.as_millisecond(), Instant::MAX.as_millisecond()))
    }

    /// UTC milliseconds.
    pub fn millis(self) -> i64 {
        self.0
    }

    /// Whole UTC seconds, as DynamoDB's time to live and JWT claims count.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// UTC seconds with a fraction (seed C's `timestamp`).
    #[expect(clippy::cast_precision_loss, reason = "milliseconds fit 53 bits for 285,000 years")]
    pub fn float_seconds(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// This moment moved by whole seconds.
    pub fn plus_seconds(self, seconds: i64) -> Self {
        Self::from_millis(self.0.saturating_add(seconds.saturating_mul(1000)))
    }

    /// ISO 8601 with the zone's offset and whole seconds, `2025-10-03T11:58:04+05:30` (A05).
    pub fn iso_in(self, zone: &Zone) -> String {
        self.instant().to_zoned(zone.0.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }

    /// ISO 8601 in UTC with milliseconds, `2025-10-03T06:28:04.000Z`.
    pub fn iso(self) -> String {
        self.instant().to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
    }

    /// `YYYYMMDD_HHMMSS` in UTC, as ids hold it (A03).
    pub fn compact(self) -> String {
        self.instant().to_zoned(TimeZone::UTC).strftime("%Y%m%d_%H%M%S").to_string()
    }

    /// ISO 8601 in UTC without a zone and with microseconds, `2025-10-03T06:28:04.000000` (seed E).
    pub fn iso_plain(self) -> String {
        self.instant().to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S%.6f").to_string()
    }

    /// The day in UTC, `20251003`, as keys of days hold it.
    pub fn day(self) -> String {
        self.instant().to_zoned(TimeZone::UTC).strftime("%Y%m%d").to_string()
    }

    /// The month in UTC, `202510`, as keys of months hold it.
    pub fn month(self) -> String {
        self.instant().to_zoned(TimeZone::UTC).strftime("%Y%m").to_string()
    }

    fn instant(self) -> Instant {
        Instant::from_millisecond(self.0).unwrap_or(Instant::UNIX_EPOCH)
    }
}

/// A time zone of the IANA database, by its name.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone(TimeZone);

/// A time zone name that is not in the database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a time zone name of the IANA database, such as Europe/Berlin")]
pub struct UnknownZone;

impl Zone {
    /// Coordinated universal time, the default of every organization.
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// Finds a zone by its IANA name.
    pub fn named(name: &str) -> Result<Self, UnknownZone> {
        TimeZone::get(name).map(Self).map_err(|_| UnknownZone)
    }

    /// The zone's IANA name.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }
}

impl TryFrom<String> for Zone {
    type Error = UnknownZone;
    fn try_from(name: String) -> Result<Self, UnknownZone> {
        Self::named(&name)
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.name().to_owned()
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders_the_seeds_form() {
        let at = Timestamp::from_millis(1_759_472_884_000);
        let kolkata = Zone::named("Asia/Kolkata").unwrap();
        assert_eq!(at.iso_in(&kolkata), "2025-10-03T11:58:04+05:30");
        assert_eq!(at.iso_in(&Zone::utc()), "2025-10-03T06:28:04+00:00");
        assert_eq!(at.iso(), "2025-10-03T06:28:04.000Z");
        assert_eq!(at.compact(), "20251003_062804");
        assert_eq!(at.iso_plain(), "2025-10-03T06:28:04.000000");
        assert_eq!((at.day(), at.month()), ("20251003".to_owned(), "202510".to_owned()));
    }

    #[test]
    fn unknown_zones_are_refused() {
        assert_eq!(Zone::named("Mars/Olympus"), Err(UnknownZone));
    }

    #[test]
    fn extremes_do_not_panic() {
        for millis in [i64::MIN, i64::MAX] {
            let at = Timestamp::from_millis(millis).plus_seconds(i64::MAX);
            assert!(!at.iso().is_empty());
        }
    }
}
