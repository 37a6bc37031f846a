//! Answers from a small file of notes, ranked by BM25 over sentences.

use std::cmp::Reverse;

use super::words;

const FILE: &str = include_str!("../notes.md");

/// The part that is for every organization.
const GENERAL: &str = "General";

/// Sentences of one answer.
const SENTENCES: usize = 2;

/// The constants of BM25: how soon a repeated word says nothing new, and how much a long sentence is held back.
const K1: f64 = 1.2;
const B: f64 = 0.5;

/// A heading with its sentences.
struct Topic {
    title: &'static str,
    sentences: Vec<Sentence>,
}

struct Sentence {
    text: &'static str,
    /// The words of its heading, and its own.
    words: Vec<String>,
    /// Where its own begin.
    own: usize,
}

impl Sentence {
    /// How many of these words are its own: within a topic, the heading's say nothing.
    fn names(&self, words: &[String]) -> usize {
        let own = self.words.get(self.own..).unwrap_or_default();
        words.iter().filter(|word| own.contains(word)).count()
    }
}

/// The notes that fit a conversation.
pub(super) struct Notes {
    topics: Vec<Topic>,
    average: f64,
}

impl Notes {
    /// Those of the organization that the system message names, or all; the general ones always.
    pub(super) fn of(system: &str) -> Self {
        let parts: Vec<(&str, &str)> =
            FILE.split("\n# ").filter_map(|part| part.trim_start_matches("# ").split_once('\n')).collect();
        let named = |name: &str| system.to_lowercase().contains(&name.trim().to_lowercase());
        let known = parts.iter().any(|(name, _)| *name != GENERAL && named(name));
        let fits = |(name, _): &&(&str, &str)| *name == GENERAL || !known || named(name);
        let topics: Vec<Topic> = parts.iter().filter(fits).flat_map(|(_, text)| topics(text)).collect();
        let lengths: Vec<usize> =
            topics.iter().flat_map(|topic| &topic.sentences).map(|sentence| sentence.words.len()).collect();
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let average = lengths.iter().sum::<usize>() as f64 / lengths.len().max(1) as f64;
        Self { topics, average }
    }

    /// The two best sentences of the best topic that were not said before.
    pub(super) fn answer(&self, question: &str, said: &[&str]) -> Option<String> {
        let topic = self.topic(question)?;
        let mut ranked: Vec<(usize, &Sentence)> = topic.sentences.iter().enumerate().collect();
        let words = words::telling(question);
        ranked.sort_by_key(|(_, sentence)| Reverse(sentence.names(&words)));
        let unsaid = ranked.into_iter().filter(|(_, sentence)| !said.iter().any(|text| text.contains(sentence.text)));
        let mut chosen: Vec<(usize, &Sentence)> = unsaid.take(SENTENCES).collect();
        if chosen.is_empty() {
            return Some(format!("That is all the notes say about {}.", topic.title.to_lowercase()));
        }
        chosen.sort_by_key(|(place, _)| *place);
        let text = chosen.iter().map(|(_, sentence)| sentence.text).collect::<Vec<_>>().join(" ");
        Some(format!("{text} (from the notes: {})", topic.title.to_lowercase()))
    }

    /// More on the topic of an earlier question.
    pub(super) fn more(&self, earlier: &str, said: &[&str]) -> Option<String> {
        self.answer(earlier, said)
    }

    fn topic(&self, question: &str) -> Option<&Topic> {
        let words = words::telling(question);
        let best = |topic: &Topic| topic.sentences.iter().map(|one| self.score(one, &words)).fold(0.0, f64::max);
        let mut ranked: Vec<(&Topic, f64)> = self.topics.iter().map(|topic| (topic, best(topic))).collect();
        ranked.sort_by(|(_, left), (_, right)| right.total_cmp(left));
        ranked.first().filter(|(_, score)| *score > 0.0).map(|(topic, _)| *topic)
    }

    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn score(&self, sentence: &Sentence, words: &[String]) -> f64 {
        let all = || self.topics.iter().flat_map(|topic| &topic.sentences);
        let count = all().count() as f64;
        let length = 1.0 - B + B * sentence.words.len() as f64 / self.average.max(1.0);
        let weight = |word: &String| {
            let here = sentence.words.iter().filter(|one| *one == word).count() as f64;
            let with = all().filter(|one| one.words.contains(word)).count() as f64;
            let rarity = (1.0 + (count - with + 0.5) / (with + 0.5)).ln();
            rarity * here * (K1 + 1.0) / (here + K1 * length)
        };
        words.iter().map(weight).sum()
    }
}

fn topics(part: &'static str) -> Vec<Topic> {
    let topic = |text: &'static str| {
        let (title, body) = text.split_once('\n')?;
        let sentence = |text: &'static str| {
            let mut words = words::telling(title);
            let own = words.len();
            words.extend(words::telling(text));
            Sentence { text, words, own }
        };
        let body = words::sentences(body);
        Some(Topic { title: title.trim(), sentences: body.into_iter().map(sentence).collect() })
    };
    part.split("## ").filter_map(topic).filter(|topic| !topic.title.is_empty()).collect()
}
