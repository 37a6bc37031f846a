//! Splitting a text into messages, and how many segments a message is sent in (protocols.md 1.7).
//!
//! A message of GSM-7 characters is sent in segments of 160, or of 153 if there are several; one other character, and
//! it is 70, or 67. Twilio takes at most 1600 characters.

use super::graphemes::Graphemes;

/// The number of parts that [`split`] cuts an answer to.
pub const MAX_PARTS: usize = 4;
/// Twilio's limit, held in UTF-16 units so that it holds however Twilio counts.
const MAX_UNITS: u32 = 1600;
/// What says that there was more.
const CUT: &str = "…";

/// GSM 03.38, without what takes two septets.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿\
                     abcdefghijklmnopqrstuvwxyzäöñüà";
/// What takes two septets.
const EXTENDED: &str = "\u{c}^{}\\[~]|€";

/// The segments that a text is sent in: each is paid for and delivered by itself.
pub fn segments(text: &str) -> u32 {
    text.chars().fold(Size::default(), Size::with).segments()
}

/// Splits a text into at most [`MAX_PARTS`] messages of at most `max_segments_per_message` segments each.
pub fn split(text: &str, max_segments_per_message: u32) -> Vec<String> {
    split_into(text, max_segments_per_message, MAX_PARTS)
}

/// Splits a text into at most `max_parts` messages of at most `max_segments_per_message` segments each, at the end of
/// a paragraph, sentence or word where there is one. If that is not enough, the last ends with `…`. No part is empty
/// or begins or ends with white space; a text of nothing else has no parts.
pub fn split_into(text: &str, max_segments_per_message: u32, max_parts: usize) -> Vec<String> {
    let limit = max_segments_per_message.max(1);
    let mut parts = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() && parts.len() < max_parts {
        let is_last = parts.len() + 1 == max_parts;
        let (part, after) = if fits(rest, limit) {
            (rest.to_owned(), "")
        } else if is_last {
            (format!("{}{CUT}", head(rest, limit, CUT)), "")
        } else {
            let part = head(rest, limit, "");
            (part.to_owned(), rest.strip_prefix(part).unwrap_or_default().trim_start())
        };
        parts.push(part);
        rest = after;
    }
    parts
}

fn fits(text: &str, limit: u32) -> bool {
    text.chars().fold(Size::default(), Size::with).fits(limit)
}

/// The longest beginning that fits together with `suffix`, and ends well.
fn head<'a>(text: &'a str, limit: u32, suffix: &str) -> &'a str {
    let mut ends = Ends::default();
    let mut size = Size::default();
    for (at, c) in text.char_indices() {
        ends.pass(at, c);
        size = size.with(c);
        if !suffix.chars().fold(size, Size::with).fits(limit) {
            break;
        }
    }
    // A limit has room for any character, so this is never the whole of the text nor nothing of it.
    let end = ends.best().unwrap_or_else(|| text.chars().next().map_or(0, char::len_utf8));
    text.get(..end).unwrap_or(text).trim_end()
}

/// The last places where a text may end, by how good they are.
#[derive(Default)]
struct Ends {
    graphemes: Graphemes,
    last: Option<char>,
    /// Whether a sentence has just ended; brackets and quotation marks may follow.
    is_over: bool,
    sentence: usize,
    word: usize,
    grapheme: usize,
    character: usize,
}

impl Ends {
    /// Notes what a text that ends before this character would end with.
    fn pass(&mut self, at: usize, c: char) {
        let whole = self.graphemes.ends_before(c);
        let last = self.last.replace(c);
        let after_word = c.is_whitespace() && last.is_some_and(|last| !last.is_whitespace());
        let after_sentence = self.is_over && (c.is_whitespace() || last.is_some_and(|last| "。！？".contains(last)));
        self.character = at;
        if whole {
            self.grapheme = at;
        }
        if after_word {
            self.word = at;
        }
        if after_sentence || (after_word && c == '\n') {
            self.sentence = at;
        }
        self.is_over = ".!?…。！？".contains(c) || (self.is_over && ")]\"'”’»".contains(c));
    }

    /// A sentence, unless half of the room would be lost for it; then a word, so that addresses stay whole.
    fn best(&self) -> Option<usize> {
        let room = self.character;
        let ends = [(self.sentence, room / 2), (self.word, 0), (self.grapheme, 0), (room, 0)];
        ends.into_iter().find(|(end, least)| end > least).map(|(end, _)| end)
    }
}

/// How much of a message a text takes, in both alphabets.
#[derive(Clone, Copy, Default)]
struct Size {
    gsm7: Packed,
    ucs2: Packed,
    needs_ucs2: bool,
}

impl Size {
    fn with(self, c: char) -> Self {
        let septets = match c {
            _ if BASIC.contains(c) => Some(1),
            _ if EXTENDED.contains(c) => Some(2),
            _ => None,
        };
        let units = if c.len_utf16() == 2 { 2 } else { 1 };
        Self {
            gsm7: self.gsm7.with(septets.unwrap_or_default(), 153),
            ucs2: self.ucs2.with(units, 67),
            needs_ucs2: self.needs_ucs2 || septets.is_none(),
        }
    }

    fn segments(self) -> u32 {
        let (packed, alone) = if self.needs_ucs2 { (self.ucs2, 70) } else { (self.gsm7, 160) };
        if packed.length <= alone { packed.length.min(1) } else { packed.full + 1 }
    }

    fn fits(self, limit: u32) -> bool {
        self.ucs2.length <= MAX_UNITS && self.segments() <= limit
    }
}

/// Characters in segments of several: one that takes two places is never torn apart.
#[derive(Clone, Copy, Default)]
struct Packed {
    length: u32,
    full: u32,
    in_last: u32,
}

impl Packed {
    fn with(self, places: u32, capacity: u32) -> Self {
        let length = self.length.saturating_add(places);
        match self.in_last + places {
            in_last if in_last <= capacity => Self { length, in_last, ..self },
            _ => Self { length, full: self.full.saturating_add(1), in_last: places },
        }
    }
}

#[cfg(test)]
#[path = "segments_tests.rs"]
mod tests;
