//! Where one character, as people count them, ends: enough of Unicode's rules (UAX 29) for texts between people, in
//! which a cut inside one would show. Not the whole tables: a rare script may be cut, never lost.

/// Reads a text, character by character.
#[derive(Default)]
pub(super) struct Graphemes {
    last: Option<char>,
    /// Half a flag came last.
    in_flag: bool,
}

impl Graphemes {
    /// Takes the next character and tells whether what was before it may end there.
    pub(super) fn ends_before(&mut self, c: char) -> bool {
        let last = self.last.replace(c);
        let completes_flag = is_flag_half(c) && self.in_flag;
        self.in_flag = is_flag_half(c) && !completes_flag;
        last.is_some_and(|last| !completes_flag && !belong_together(last, c))
    }
}

fn belong_together(last: char, c: char) -> bool {
    match (last, c) {
        ('\r', '\n') => true,
        _ if last.is_control() || last.is_whitespace() => false,
        _ => last == '\u{200d}' || extends(c) || is_conjunct(last, c) || is_hangul_syllable(last, c),
    }
}

fn is_flag_half(c: char) -> bool {
    matches!(c, '\u{1f1e6}'..='\u{1f1ff}')
}

/// Marks, selectors, skin tones, joiners and tags: never the beginning of anything.
fn extends(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}'..='\u{5c5}'
        | '\u{5c7}' | '\u{610}'..='\u{61a}' | '\u{64b}'..='\u{65f}' | '\u{670}' | '\u{6d6}'..='\u{6dc}'
        | '\u{6df}'..='\u{6e4}' | '\u{6e7}' | '\u{6e8}' | '\u{6ea}'..='\u{6ed}' | '\u{730}'..='\u{74a}'
        | '\u{e31}' | '\u{e33}'..='\u{e3a}' | '\u{e47}'..='\u{e4e}' | '\u{eb1}' | '\u{eb3}'..='\u{ebc}'
        | '\u{ec8}'..='\u{ece}' | '\u{f71}'..='\u{f84}' | '\u{102b}'..='\u{103e}' | '\u{17b4}'..='\u{17d3}'
        | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{200c}' | '\u{200d}' | '\u{20d0}'..='\u{20f0}'
        | '\u{302a}'..='\u{302f}' | '\u{3099}' | '\u{309a}' | '\u{fe00}'..='\u{fe0f}' | '\u{fe20}'..='\u{fe2f}'
        | '\u{1f3fb}'..='\u{1f3ff}' | '\u{e0020}'..='\u{e007f}' | '\u{e0100}'..='\u{e01ef}')
        || is_indic(c) && matches!(u32::from(c) & 0x7f, 0x00..=0x03 | 0x3c | 0x3e..=0x4d | 0x51..=0x57 | 0x62 | 0x63)
}

/// The blocks from Devanagari to Malayalam have the same places for the same kinds of letters.
fn is_indic(c: char) -> bool {
    matches!(c, '\u{900}'..='\u{d7f}')
}

/// A consonant after a virama is written into the one before.
fn is_conjunct(last: char, c: char) -> bool {
    is_indic(last) && u32::from(last) & 0x7f == 0x4d && is_indic(c)
}

fn is_hangul_syllable(last: char, c: char) -> bool {
    let leads = |c| matches!(c, '\u{1100}'..='\u{115f}' | '\u{a960}'..='\u{a97c}');
    let follows = matches!(c, '\u{1160}'..='\u{11ff}' | '\u{d7b0}'..='\u{d7fb}');
    follows || leads(last) && (leads(c) || matches!(c, '\u{ac00}'..='\u{d7a3}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_see_as_one_stays_one() {
        for (text, count) in [
            ("abc", 3),
            ("e\u{301}a", 2),
            ("👨‍👩‍👧‍👦!", 2),
            ("👍🏽👍", 2),
            ("🇩🇪🇫🇷🇮", 3),
            ("❤\u{fe0f}x", 2),
            ("क्षि", 1),
            ("नमस्ते", 3),
            ("ที่นี่", 2),
            ("각\u{1100}\u{1161}\u{11a8}", 2),
            ("\r\n\n", 2),
            ("日本", 2),
            ("1\u{fe0f}\u{20e3}2", 2),
        ] {
            let mut graphemes = Graphemes::default();
            let ends = text.chars().filter(|c| graphemes.ends_before(*c)).count();
            assert_eq!(ends + 1, count, "{text}");
        }
    }
}
