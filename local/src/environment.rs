//! Variables: `--env` first, then the process environment, then `.env` of the working directory.
//!
//! Empty variables of the last two count as not set, so that a copy of `.env.example` changes nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::template::Template;

/// Settings of functions that the template leaves to the code's defaults; see `.env.example`.
const KNOBS: &[&str] = &[
    "CALLS_PER_MINUTE",
    "CODE_SECONDS",
    "ENABLE_LOGS",
    "HUMAN_CONTROL_SECONDS",
    "INITIATION_DEADLINE_SECONDS",
    "LLM_CONTEXT_TOKENS",
    "LLM_FIRST_TOKEN_SECONDS",
    "LLM_IDLE_SECONDS",
    "LLM_LEASE_SECONDS",
    "LLM_SAVE_MS",
    "MEDIA_ALLOWED_HOSTS",
    "QUESTIONS_PER_MINUTE",
    "SENDS_PER_MINUTE",
    "SMS_PATIENCE_SECONDS",
    "STREAM_HEARTBEAT_SECONDS",
    "STREAM_PING_SECONDS",
    "STREAM_TOKEN_IN_QUERY",
    "TICKET_SECONDS",
    "TOKEN_SECONDS",
    "WEBHOOKS_PER_MINUTE",
];

/// Variables from all three places.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment {
    /// From `--env`: goes to the functions whether they declare it or not.
    given: BTreeMap<String, String>,
    found: BTreeMap<String, String>,
}

impl Environment {
    /// Reads the process environment and `.env`.
    pub(crate) fn read(given: Vec<(String, String)>) -> Self {
        let file = std::fs::read_to_string(".env").unwrap_or_default();
        Self::from_parts(given, process(), &file)
    }

    fn from_parts(
        given: Vec<(String, String)>,
        process: impl IntoIterator<Item = (String, String)>,
        file: &str,
    ) -> Self {
        let mut found: BTreeMap<String, String> =
            parse(file).into_iter().filter(|(_, value)| !value.is_empty()).collect();
        found.extend(process.into_iter().filter(|(_, value)| !value.is_empty()));
        Self { given: given.into_iter().collect(), found }
    }

    /// The variable, if it is set.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.given.get(name).or_else(|| self.found.get(name)).map(String::as_str)
    }

    /// What functions get beside the template's values: the local endpoints, unless the user says otherwise for a
    /// variable that functions know.
    pub(crate) fn for_functions(
        &self,
        template: &Template,
        local: BTreeMap<String, String>,
    ) -> BTreeMap<String, String> {
        let mut variables = local;
        let known = |name: &str| template.declares(name) || KNOBS.contains(&name);
        let found = self.found.iter().filter(|(name, _)| known(name));
        variables.extend(found.chain(&self.given).map(|(name, value)| (name.clone(), value.clone())));
        variables
    }
}

/// Names the binary that a launcher is to become. Set for every child; only the launcher looks at it.
pub(crate) const LAUNCHED: &str = "SWITCHBOARD_LAUNCHED";

/// The binary of `--bin-dir` that this process is to become: another file than this program.
pub(crate) fn launched() -> Option<PathBuf> {
    let launched = PathBuf::from(std::env::var_os(LAUNCHED)?);
    (std::env::current_exe().ok()? != launched).then_some(launched)
}

/// The function that this process is to run.
#[expect(clippy::disallowed_methods, reason = "the one place of the local cloud that reads the environment")]
pub(crate) fn function() -> Option<String> {
    std::env::var("SWITCHBOARD_FUNCTION").ok()
}

fn process() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// The template: the given one, or that of the working directory, or that of the sources this program was built from.
pub(crate) fn find_template(given: Option<&Path>) -> std::path::PathBuf {
    let here = Path::new("template.yaml");
    match given {
        Some(path) => path.to_owned(),
        None if here.is_file() => here.to_owned(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml"),
    }
}

/// `NAME=value` lines: comments, `export`, single quotes as they are, double quotes with `\n`, `\"` and `\\`. A line
/// that is none of these is skipped.
fn parse(text: &str) -> Vec<(String, String)> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    let (name, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
    let name = name.trim();
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || !name.bytes().all(valid) {
        return None;
    }
    let value = value.trim();
    let value = if let Some(rest) = value.strip_prefix('\'') {
        rest.split('\'').next().unwrap_or_default().to_owned()
    } else if let Some(rest) = value.strip_prefix('"') {
        unescape(rest)
    } else {
        // A comment needs a space before it: URLs have fragments.
        let end = value.find(" #").unwrap_or(value.len());
        value.get(..end).unwrap_or(value).trim_end().to_owned()
    };
    Some((name.to_owned(), value))
}

fn unescape(quoted: &str) -> String {
    let mut value = String::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => match characters.next() {
                Some('n') => value.push('\n'),
                Some(other) => value.push(other),
                None => break,
            },
            other => value.push(other),
        }
    }
    value
}

#[cfg(test)]
pub(crate) fn with(variables: &[(&str, &str)]) -> Environment {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Environment::from_parts(variables.iter().map(pair).collect(), [], "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn lines_of_all_kinds() {
        let text = "# comment\n\nA=1\nexport B = two words # note\nC='a # \"b\"' # note\nD=\"x\\n\\\"y\\\"\"\nE=\nF=http://x/#y\nnonsense\n=x\na b=c";
        let expected =
            [("A", "1"), ("B", "two words"), ("C", "a # \"b\""), ("D", "x\n\"y\""), ("E", ""), ("F", "http://x/#y")];
        assert_eq!(parse(text), pairs(&expected));
    }

    #[test]
    fn the_nearest_place_wins_and_empty_is_not_set() {
        let environment = Environment::from_parts(
            pairs(&[("A", "given")]),
            pairs(&[("A", "p"), ("B", "p"), ("D", "")]),
            "A=f\nB=f\nC=f\nD=f\nE=",
        );
        let values = ["A", "B", "C", "D", "E"].map(|name| environment.get(name));
        assert_eq!(values, [Some("given"), Some("p"), Some("f"), Some("f"), None]);
    }

    #[test]
    fn functions_get_local_values_what_they_declare_knobs_and_what_was_given() {
        let template = Template::parse(include_str!("../../template.yaml"), &BTreeMap::new()).unwrap();
        let found = pairs(&[("LOG_LEVEL", "debug"), ("HOME", "x"), ("TOKEN_SECONDS", "5"), ("MAIL_FROM", "a@b.c")]);
        let environment = Environment::from_parts(pairs(&[("MINE", "1")]), found, "");
        let local: BTreeMap<String, String> =
            pairs(&[("MAIL_FROM", "local"), ("AWS_REGION", "x")]).into_iter().collect();
        let expected = pairs(&[
            ("AWS_REGION", "x"),
            ("LOG_LEVEL", "debug"),
            ("MAIL_FROM", "a@b.c"),
            ("MINE", "1"),
            ("TOKEN_SECONDS", "5"),
        ]);
        assert_eq!(environment.for_functions(&template, local), expected.into_iter().collect());
    }

    proptest! {
        #[test]
        fn a_double_quoted_value_comes_back(value in "[ -~\n]{0,20}") {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            prop_assert_eq!(parse(&format!("X=\"{quoted}\" # note")), vec![("X".to_owned(), value)]);
        }

        #[test]
        fn nothing_panics(text in "\\PC{0,60}") {
            parse(&text);
        }
    }
}
