//! Finding words in chats (E25): anywhere in a text, whatever its case.

/// Characters of a snippet, as much before the match as after it.
const SNIPPET_CHARS: usize = 160;
/// Most characters of what is looked for.
pub const NEEDLE_CHARS: usize = 200;

/// What is looked for.
pub struct Needle(Box<str>);

impl Needle {
    /// Words to look for; `None` when there are none, or too many to be meant.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let fits = (1..=NEEDLE_CHARS).contains(&text.chars().count());
        fits.then(|| Self(text.chars().flat_map(folded).collect()))
    }

    /// Where the first match in a text is, with what stands around it, in one line.
    pub fn snippet(&self, text: &str) -> Option<String> {
        let lower: String = text.chars().flat_map(folded).collect();
        let begin = lower.find(&*self.0)?;
        let (first, after) = (original(text, begin), original(text, begin + self.0.len() - 1) + 1);
        let beside = SNIPPET_CHARS.saturating_sub(after - first) / 2;
        let from = first.saturating_sub(beside);
        let shown: String = text.chars().skip(from).take(after + beside - from).collect();
        let cut_before = if from > 0 { "\u{2026}" } else { "" };
        let cut_after = if text.chars().nth(after + beside).is_some() { "\u{2026}" } else { "" };
        let line: Vec<&str> = shown.split_whitespace().collect();
        Some(format!("{cut_before}{}{cut_after}", line.join(" ")))
    }
}

/// A letter without its case. A sigma at a word's end is one too.
fn folded(letter: char) -> impl Iterator<Item = char> {
    letter.to_lowercase().map(|lower| if lower == '\u{3c2}' { '\u{3c3}' } else { lower })
}

/// Which character of a text became the one that holds this byte of the folded text: folding changes lengths.
fn original(text: &str, byte: usize) -> usize {
    let mut end = 0;
    let holds = |letter: char| {
        end += folded(letter).map(char::len_utf8).sum::<usize>();
        byte < end
    };
    text.chars().position(holds).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn snippet(needle: &str, text: &str) -> Option<String> {
        Needle::new(needle).unwrap().snippet(text)
    }

    #[test]
    fn words_are_found_whatever_their_case() {
        for (needle, text) in [
            ("hello", "Well, HELLO there"),
            ("  Strasse ", "die STRASSE"),
            ("\u{416}\u{418}", "\u{436}\u{438}\u{437}\u{43d}\u{44c}"),
            ("\u{3bf}\u{3b4}\u{3bf}\u{3c2}", "\u{39f}\u{394}\u{39f}\u{3a3}"),
            ("\u{130}stanbul", "in \u{130}STANBUL"),
            ("\u{1f600}", "a \u{1f600} b"),
            ("a  b", "A  B"),
        ] {
            assert!(snippet(needle, text).is_some(), "{needle} in {text}");
        }
        for (needle, text) in [("hello", "help"), ("b", ""), ("ab", "a b")] {
            assert_eq!(snippet(needle, text), None, "{needle} in {text}");
        }
        assert!(Needle::new(" \n").is_none() && Needle::new(&"x".repeat(201)).is_none());
    }

    #[test]
    fn a_snippet_shows_what_is_around_the_match() {
        assert_eq!(snippet("two", "one\n\n two  three"), Some("one two three".to_owned()));
        let text = format!("{}Needle{}", "\u{130}".repeat(500), "\u{130}".repeat(500));
        let shown = snippet("NEEDLE", &text).unwrap();
        assert_eq!(shown, format!("\u{2026}{0}Needle{0}\u{2026}", "\u{130}".repeat(77)));
        assert_eq!(snippet("needle", &format!("needle{}", "x".repeat(77))).unwrap().chars().count(), 83);
        let long = "y".repeat(200);
        assert_eq!(snippet(&long, &format!("{long}z")), Some(format!("{long}\u{2026}")));
    }

    proptest! {
        #[test]
        fn a_text_is_found_in_whatever_holds_it_and_the_match_is_shown(
            before in "\\PC{0,200}", needle in "[a-z\u{130}\u{df}\u{3a3}\u{1f600}]{1,20}", after in "\\PC{0,200}",
        ) {
            let shown = snippet(&needle, &format!("{before}{needle}{after}"));
            prop_assert!(shown.is_some());
            prop_assert!(snippet(&needle, &shown.unwrap()).is_some());
        }
    }
}
