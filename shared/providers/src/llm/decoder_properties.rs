//! What holds for every answer, however it is cut.

use super::super::Finish;
use super::tests::{capture, captures, outcome, over, request, says, stream};
use super::*;
use proptest::prelude::*;
use serde_json::json;
use std::sync::LazyLock;

/// The bodies of all captures that are streams, with their names.
static STREAMS: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| {
    let files = std::fs::read_dir(captures()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names = files.filter_map(|file| file.strip_suffix(".meta.json").map(str::to_owned));
    let streams = names.filter_map(|name| match capture(&name) {
        (200, true, body) if !name.contains("-bedrock-") => Some((name, body)),
        _ => None,
    });
    streams.collect()
});

/// The bytes in pieces, cut at these places.
fn cut<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    at.extend([0, bytes.len()]);
    at.sort_unstable();
    at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

/// The very pieces of an answer, in their order.
fn deltas(pieces: &[&[u8]]) -> Vec<Result<Delta, LlmError>> {
    let mut decoder = Decoder::new(&request(1000));
    pieces.iter().for_each(|piece| decoder.push(piece));
    decoder.end();
    std::iter::from_fn(|| decoder.draft.next()).collect()
}

/// What a server may send next.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Sent {
    Text,
    Thought,
    Nothing,
    Comment,
    Finish,
    Usage,
    Error,
    Broken,
    Done,
}

impl Sent {
    fn any() -> impl Strategy<Value = Self> {
        prop_oneof![
            6 => Just(Self::Text),
            1 => Just(Self::Thought),
            1 => Just(Self::Nothing),
            1 => Just(Self::Comment),
            2 => Just(Self::Finish),
            1 => Just(Self::Usage),
            1 => Just(Self::Error),
            1 => Just(Self::Broken),
            1 => Just(Self::Done),
        ]
    }

    /// Its lines, the empty one that ends it included.
    fn lines(self) -> [String; 2] {
        let data = match self {
            Self::Text => says("é👋").to_string(),
            Self::Thought => json!({"choices": [{"delta": {"reasoning": "hm"}}]}).to_string(),
            Self::Nothing => json!({"choices": [{"delta": {"role": "assistant", "content": null}}]}).to_string(),
            Self::Comment => return [": ping".to_owned(), String::new()],
            Self::Finish => over("stop").to_string(),
            Self::Usage => json!({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}).to_string(),
            Self::Error => json!({"error": {"message": "x", "code": 500}}).to_string(),
            Self::Broken => "{\"choices\":[{".to_owned(),
            Self::Done => "[DONE]".to_owned(),
        };
        [format!("data: {data}"), String::new()]
    }

    /// Whether nothing after it belongs to the answer.
    fn ends(self) -> bool {
        matches!(self, Self::Finish | Self::Error | Self::Broken | Self::Done)
    }
}

proptest! {
    #[test]
    fn captures_survive_any_cut(cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40)) {
        prop_assert!(STREAMS.len() >= 9, "{}", STREAMS.len());
        for (name, body) in STREAMS.iter() {
            let whole = deltas(&[body]);
            prop_assert!(deltas(&cut(body, &cuts)) == whole, "{}", name);
            // The file says so itself, in words that need no decoder.
            let text = String::from_utf8_lossy(body);
            let finished = text.replace("\"finish_reason\":null", "").replace("\"finish_reason\": null", "");
            let finished = finished.contains("\"finish_reason\"") && !finished.contains("\"content_filter\"");
            prop_assert_eq!(matches!(whole.last(), Some(Ok(Delta::Usage(_)))), finished, "{}", name);
        }
    }

    #[test]
    fn an_answer_is_whole_if_and_only_if_it_says_why_it_ends(
        sent in prop::collection::vec((Sent::any(), prop_oneof![Just("\n"), Just("\r"), Just("\r\n")]), 0..12),
        bom in any::<bool>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let lines = sent.iter().flat_map(|(sent, end)| sent.lines().map(|line| format!("{line}{end}")));
        let wire = format!("{}{}", if bom { "\u{feff}" } else { "" }, lines.collect::<String>());
        let outcome = stream(&cut(wire.as_bytes(), &cuts), 1000);
        let answer = sent.iter().map(|(sent, _)| *sent).take_while(|sent| !sent.ends());
        let last = sent.iter().map(|(sent, _)| *sent).find(|sent| sent.ends());
        let (mut text, mut begun) = (String::new(), false);
        for sent in answer {
            begun |= matches!(sent, Sent::Text | Sent::Thought);
            text.push_str(if sent == Sent::Text { "é👋" } else { "" });
        }
        match (last, outcome.ends) {
            (Some(Sent::Finish), ends) => prop_assert_eq!(ends.map(|(finish, _)| finish), Ok(Finish::Stop)),
            (_, ends) if begun => {
                prop_assert_eq!(ends.unwrap_err(), LlmError::Interrupted { partial: text.clone() });
            }
            (_, ends) => prop_assert_eq!(ends.unwrap_err(), LlmError::Unavailable),
        }
        prop_assert_eq!(outcome.text, text);
    }

    #[test]
    fn whatever_comes_there_is_one_end(pieces in prop::collection::vec(prop_oneof![
        Just(says("x")), Just(over("stop")), Just(over("content_filter")), Just(json!({"usage": {"prompt_tokens": 1}})),
        Just(json!({"error": "x"})), Just(json!(null)), Just(json!([])), Just(json!({"choices": [null, 1, {"delta": 5}]})),
    ], 0..8), max_tokens in 0u32..4) {
        let text: String = pieces.iter().map(|piece| format!("data: {piece}\n\n")).collect();
        stream(&[text.as_bytes()], max_tokens);
    }

    #[test]
    fn nothing_panics(body in prop::collection::vec(any::<u8>(), 0..80), text in "\\PC{0,40}") {
        stream(&[b"data: ", &body, b"\n\n"], 3);
        stream(&[b"data: {\"choices\":", text.as_bytes(), b"\n\n"], 3);
        let mut decoder = Decoder::new(&request(1));
        decoder.whole(&body);
        outcome(&mut decoder);
    }
}
