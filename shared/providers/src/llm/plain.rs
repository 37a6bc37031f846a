//! The usual piece of an answer, read straight from its bytes: nearly all of a stream are like it, and a tree of values need
//! not be made of each.

use serde::Deserialize;
use serde::de::IgnoredAny;

/// A piece of an answer that says its next words and nothing else.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plain<'a> {
    pub(super) model: &'a str,
    pub(super) id: &'a str,
    pub(super) text: String,
}

impl<'a> Plain<'a> {
    /// `None` for whatever else it may be: a field that is not known here, or not as usual, is for
    /// [`Reply`](super::openai::Reply) to make sense of.
    pub(super) fn read(data: &'a str) -> Option<Self> {
        let Chunk { model, id, object, choices: [choice], .. } = serde_json::from_str(data).ok()?;
        let is_usual = object != "error" && choice.index.unwrap_or(0) == 0;
        is_usual.then_some(Self { model, id, text: choice.delta.content })
    }
}

/// A unit is a field that is absent or null.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Chunk<'a> {
    #[serde(default)]
    id: &'a str,
    #[serde(default)]
    model: &'a str,
    #[serde(default)]
    object: &'a str,
    choices: [Choice; 1],
    #[serde(default, rename = "usage")]
    _usage: (),
    #[serde(default, rename = "error")]
    _error: (),
    #[serde(default, rename = "created")]
    _created: IgnoredAny,
    #[serde(default, rename = "system_fingerprint")]
    _system_fingerprint: IgnoredAny,
    #[serde(default, rename = "service_tier")]
    _service_tier: IgnoredAny,
    #[serde(default, rename = "obfuscation")]
    _obfuscation: IgnoredAny,
    #[serde(default, rename = "provider")]
    _provider: IgnoredAny,
    #[serde(default, rename = "timings")]
    _timings: IgnoredAny,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Choice {
    #[serde(default)]
    index: Option<u64>,
    delta: Words,
    #[serde(default, rename = "finish_reason")]
    _finish_reason: (),
    #[serde(default, rename = "native_finish_reason")]
    _native_finish_reason: IgnoredAny,
    #[serde(default, rename = "stop_reason")]
    _stop_reason: IgnoredAny,
    #[serde(default, rename = "logprobs")]
    _logprobs: IgnoredAny,
    #[serde(default, rename = "token_ids")]
    _token_ids: IgnoredAny,
    #[serde(default, rename = "content_filter_results")]
    _content_filter_results: IgnoredAny,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    #[serde(default)]
    content: String,
    #[serde(default, rename = "role")]
    _role: IgnoredAny,
    #[serde(default, rename = "reasoning_content")]
    _reasoning_content: (),
    #[serde(default, rename = "reasoning")]
    _reasoning: (),
    #[serde(default, rename = "refusal")]
    _refusal: (),
    #[serde(default, rename = "tool_calls")]
    _tool_calls: (),
    #[serde(default, rename = "function_call")]
    _function_call: (),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_piece_is_plain_and_what_means_anything_else_is_not() {
        let plain = |model, id, text: &str| Some(Plain { model, id, text: text.to_owned() });
        let openai = r#"{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","service_tier":"default",
            "system_fingerprint":null,"usage":null,"obfuscation":"xyz","choices":[
            {"index":0,"delta":{"content":" \u00e9\n","refusal":null},"logprobs":null,"finish_reason":null}]}"#;
        assert_eq!(Plain::read(openai), plain("m", "c1", " é\n"));
        assert_eq!(Plain::read(r#"{"choices":[{"delta":{}}]}"#), plain("", "", ""));
        for other in [
            r#"{"choices":[]}"#,
            r#"{"choices":[{"delta":{"content":"x"}},{"delta":{"content":"y"}}]}"#,
            r#"{"choices":[{"index":1,"delta":{"content":"x"}}]}"#,
            r#"{"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}]}"#,
            r#"{"choices":[{"delta":{"content":"x"}}],"usage":{"total_tokens":1}}"#,
            r#"{"choices":[{"delta":{"content":"x"}}],"x_groq":{"usage":{"total_tokens":1}}}"#,
            r#"{"choices":[{"delta":{"content":"x"}}],"error":{"code":500}}"#,
            r#"{"choices":[{"delta":{"content":"x"}}],"object":"error"}"#,
            r#"{"choices":[{"delta":{"content":"x"}}],"type":"error"}"#,
            r#"{"choices":[{"delta":{"content":"x"}}],"model":7}"#,
            r#"{"choices":[{"delta":{"content":"x","reasoning":"y"}}]}"#,
            r#"{"choices":[{"delta":{"content":"x","refusal":"no"}}]}"#,
            r#"{"choices":[{"delta":{"content":["x"]}}]}"#,
            r#"{"choices":[{"delta":{"content":null}}]}"#,
            r#"{"choices":[{"message":{"content":"x"}}]}"#,
            r#"{"choices":[{"delta":{"content":"x"}}]} y"#,
        ] {
            assert_eq!(Plain::read(other), None, "{other}");
        }
    }
}
