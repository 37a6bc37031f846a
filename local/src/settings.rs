//! What the command line decides, as the rest of the local cloud needs it.

use std::path::PathBuf;
use std::time::Duration;

/// The settings of one run of the local cloud.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Port of everything a client sees.
    pub port: u16,
    /// Folder of the data that survives a restart.
    pub data_dir: PathBuf,
    /// How many times faster than real the long limits run: 60 makes ten minutes ten seconds.
    pub time_scale: f64,
    /// One invocation at a time per process, as on classic Lambda, to catch code that relies on sharing.
    pub strict: bool,
    /// Folder of real `bootstrap` binaries to run instead of this executable.
    pub bin_dir: Option<PathBuf>,
    /// This program, which starts such a binary so that it ends with us, however we end.
    pub launcher: Option<PathBuf>,
    /// Seed of the disturbances, when there shall be any.
    pub chaos: Option<u64>,
    /// Queues whose messages nobody gets.
    pub hold: Vec<String>,
    /// Also listen on the ports that the seeds' clients expect.
    pub seed_ports: bool,
}

impl Settings {
    /// A limit of the real cloud, in the time of this run.
    #[must_use]
    pub fn scaled(&self, duration: Duration) -> Duration {
        Duration::try_from_secs_f64(duration.as_secs_f64() / self.time_scale).unwrap_or(duration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(time_scale: f64) -> Settings {
        Settings {
            port: 8000,
            data_dir: PathBuf::from("x"),
            time_scale,
            strict: false,
            bin_dir: None,
            launcher: None,
            chaos: None,
            hold: Vec::new(),
            seed_ports: false,
        }
    }

    #[test]
    fn a_scale_of_sixty_turns_minutes_into_seconds() {
        assert_eq!(settings(60.0).scaled(Duration::from_secs(600)), Duration::from_secs(10));
    }

    #[test]
    fn a_scale_that_makes_no_sense_changes_nothing() {
        assert_eq!(settings(0.0).scaled(Duration::from_secs(600)), Duration::from_secs(600));
        assert_eq!(settings(f64::NAN).scaled(Duration::from_secs(600)), Duration::from_secs(600));
    }
}
