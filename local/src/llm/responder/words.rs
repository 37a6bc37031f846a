//! Words and sentences of ordinary text.

/// Words that tell nothing of a topic.
const COMMON: &[&str] = &[
    "a", "about", "am", "an", "and", "any", "are", "as", "at", "be", "been", "by", "can", "could", "did", "do", "does",
    "for", "from", "get", "has", "have", "hello", "hey", "hi", "how", "i", "if", "in", "is", "it", "its", "just",
    "know", "like", "me", "my", "need", "no", "not", "of", "on", "or", "our", "please", "so", "tell", "thank",
    "thanks", "that", "the", "their", "them", "then", "there", "they", "this", "to", "want", "was", "we", "were",
    "what", "when", "where", "which", "who", "why", "will", "with", "would", "yes", "you", "your",
];

/// All words in lower case, without punctuation.
pub(super) fn all(text: &str) -> Vec<String> {
    let words = text.split(|character: char| !character.is_alphanumeric() && character != '\'');
    words.map(|word| word.replace('\'', "").to_lowercase()).filter(|word| !word.is_empty()).collect()
}

/// The words that tell of a topic, without their endings.
pub(super) fn telling(text: &str) -> Vec<String> {
    all(text).into_iter().filter(|word| !COMMON.contains(&word.as_str())).map(|word| stem(&word)).collect()
}

/// Takes off the commonest endings, so that "repairs", "repaired" and "repairing" are one word.
fn stem(word: &str) -> String {
    let shortest = |stem: &&str| stem.chars().count() >= 3;
    let without = |ending| word.strip_suffix(ending).filter(shortest);
    let stem = without("ies").map(|stem| format!("{stem}y"));
    stem.or_else(|| without("ing").or(without("ed")).or(without("es")).or(without("s")).map(str::to_owned))
        .map(|stem| stem.strip_suffix('e').filter(shortest).map(str::to_owned).unwrap_or(stem))
        .unwrap_or_else(|| word.strip_suffix('e').filter(shortest).unwrap_or(word).to_owned())
}

/// A message without the marks that a prompt may put around it.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut inside = false;
    let tagged = text.contains('<') && text.contains('>');
    for character in text.chars() {
        match character {
            '<' if tagged => inside = true,
            '>' if inside => inside = false,
            _ if inside => {}
            other => plain.push(other),
        }
    }
    // "a < b" is no tag.
    let plain = if plain.trim().is_empty() { text } else { &plain };
    let plain = plain.trim();
    let unlabelled = ["customer:", "user:"].into_iter().find_map(|label| {
        let (head, rest) = plain.split_at_checked(label.len())?;
        head.eq_ignore_ascii_case(label).then_some(rest.trim())
    });
    unlabelled.unwrap_or(plain).to_owned()
}

/// The sentences of a text.
pub(super) fn sentences(text: &str) -> Vec<&str> {
    let mut sentences = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = rest.find(['.', '!', '?']).map_or(rest.len(), |end| end + 1);
        // "9.30" and "e.g." go on.
        let end = (end..=rest.len())
            .find(|&at| rest.is_char_boundary(at) && is_end(rest.get(..at), rest.get(at..)))
            .unwrap_or(rest.len());
        let (sentence, more) = rest.split_at(end);
        sentences.push(sentence.trim());
        rest = more.trim_start();
    }
    sentences
}

fn is_end(before: Option<&str>, after: Option<&str>) -> bool {
    let (Some(before), Some(after)) = (before, after) else { return false };
    after.is_empty() || (before.ends_with(['.', '!', '?']) && after.starts_with(char::is_whitespace))
}

/// At most so many characters, cut between words.
pub(super) fn cut(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let kept: String = text.chars().take(limit.saturating_sub(1)).collect();
    let end = kept.rfind(char::is_whitespace).unwrap_or(kept.len());
    format!("{}…", kept.get(..end).unwrap_or(&kept).trim_end())
}
