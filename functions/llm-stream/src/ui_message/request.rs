//! What the `ai` package's chats ask for. They send the whole history each time, with ids and parts of their own making:
//! only the user's last message is read, and of it what a model can be given.

use serde::Deserialize;
use serde_json::Value;

/// Body of `POST /api/chat`. Members that an app adds are passed over.
#[derive(Debug, Deserialize)]
pub(crate) struct ChatRequest {
    /// The chat: an id of the client's making, as a rule 16 letters and digits.
    id: String,
    // Values: a part of an old answer that nobody here knows is no reason to refuse a question.
    #[serde(default)]
    messages: Vec<Value>,
    /// Apps that keep the history on the server send the last message alone.
    message: Option<Value>,
    trigger: Option<String>,
    #[serde(rename = "messageId")]
    message_id: Option<String>,
}

/// What is asked.
#[derive(Debug, PartialEq)]
pub(crate) struct Ask {
    /// The chat.
    pub(crate) chat_id: String,
    /// Whether it is asked for the first time.
    pub(crate) intent: Intent,
    /// The user message's id: the same when it is edited or answered again.
    pub(crate) message_id: Option<String>,
    /// Its text; not trimmed, perhaps empty.
    pub(crate) text: String,
    /// Its files.
    pub(crate) media: Vec<Media>,
}

/// Whether a message is asked for the first time.
#[derive(Debug, PartialEq)]
pub(crate) enum Intent {
    /// It is; or the client tries again what it already sent, with the same id.
    New,
    /// It takes the place of the message with the same id, and of all that came after.
    Edit,
    /// Another answer to a message that was sent before.
    Regenerate {
        /// The answer, or message, that the client named.
        named: Option<String>,
    },
}

/// A file of a message.
#[derive(Debug, PartialEq)]
pub(crate) struct Media {
    /// Where it is: `https`, not yet checked further.
    pub(crate) url: String,
    /// What the client says it is, like `image/png` or `image`.
    pub(crate) media_type: Option<String>,
}

/// Why nothing can be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    /// There is no message of role `user`.
    #[error("there is no user message")]
    NoUserMessage,
    /// The last user message is none.
    #[error("the last user message is no UIMessage")]
    Malformed(#[source] serde_json::Error),
    /// A file is not at an `https` URL. Files that a browser picks come as `data:`, and must not be lost unseen.
    #[error("a file part needs an https url")]
    FileUrl,
}

#[derive(Deserialize)]
struct UserMessage {
    id: Option<String>,
    #[serde(default)]
    parts: Vec<Part>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Part {
    Text {
        #[serde(default)]
        text: String,
    },
    File {
        url: String,
        #[serde(rename = "mediaType")]
        media_type: Option<String>,
    },
    #[serde(other)]
    Other,
}

impl ChatRequest {
    /// What it asks.
    ///
    /// # Errors
    /// Nothing of it can be asked.
    pub(crate) fn ask(self) -> Result<Ask, AskError> {
        let mut all = self.messages.into_iter().chain(self.message);
        let last = all.rfind(is_of_user).ok_or(AskError::NoUserMessage)?;
        let UserMessage { id, parts } = serde_json::from_value(last).map_err(AskError::Malformed)?;
        let intent = match self.trigger.as_deref() {
            Some("regenerate-message") => Intent::Regenerate { named: self.message_id },
            // Of the id of an answer comes no edit: that is how the client goes on after a tool.
            _ if id.is_some() && self.message_id == id => Intent::Edit,
            _ => Intent::New,
        };
        let mut ask = Ask { chat_id: self.id, intent, message_id: id, text: String::new(), media: Vec::new() };
        for part in parts {
            match part {
                Part::Text { text } => ask.text.push_str(&text),
                Part::File { url, media_type } if is_https(&url) => ask.media.push(Media { url, media_type }),
                Part::File { .. } => return Err(AskError::FileUrl),
                Part::Other => {}
            }
        }
        Ok(ask)
    }
}

fn is_of_user(message: &Value) -> bool {
    message.get("role").and_then(Value::as_str) == Some("user")
}

fn is_https(url: &str) -> bool {
    url.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn ask(body: Value) -> Result<Ask, AskError> {
        serde_json::from_value::<ChatRequest>(body).unwrap().ask()
    }

    fn user(id: &str, text: &str) -> Value {
        json!({"id": id, "role": "user", "parts": [{"type": "text", "text": text}]})
    }

    #[test]
    fn only_the_last_user_message_is_read() {
        let answer = json!({"id": "a1", "role": "assistant", "metadata": {"model": "m"}, "parts": [
            {"type": "step-start"}, {"type": "text", "text": "4", "state": "done"}, {"state": "a part of no type"},
        ]});
        let body = json!({"id": "9wEYEhdu2a343WzH", "messages": [user("u1", "2+2?"), answer, user("u2", "And 3+3?")],
            "trigger": "submit-message", "sessionId": "of the app"});
        let asked = ask(body).unwrap();
        assert_eq!((asked.chat_id.as_str(), asked.text.as_str()), ("9wEYEhdu2a343WzH", "And 3+3?"));
        assert_eq!((asked.message_id.as_deref(), asked.intent), (Some("u2"), Intent::New));
    }

    #[test]
    fn text_parts_are_joined_and_files_kept_whatever_else_there_is() {
        let parts = json!([
            {"type": "file", "mediaType": "image/png", "url": "https://files.example/a.png", "filename": "a.png"},
            {"type": "text", "text": "What is "}, {"type": "data-mood", "data": {"good": true}}, {"type": "text"},
            {"type": "text", "text": "this?", "providerMetadata": {}},
        ]);
        let message = json!({"id": "u1", "role": "user", "metadata": null, "parts": parts});
        let asked = ask(json!({"id": "c", "message": message})).unwrap();
        assert_eq!(asked.text, "What is this?");
        let media_type = Some("image/png".to_owned());
        assert_eq!(asked.media, [Media { url: "https://files.example/a.png".to_owned(), media_type }]);
    }

    #[test]
    fn an_edit_and_another_answer_are_told_from_a_new_message() {
        let intent = |trigger: &str, named: Value| {
            let body = json!({"id": "c", "messages": [user("u1", "Hi")], "trigger": trigger, "messageId": named});
            ask(body).unwrap().intent
        };
        assert_eq!(intent("submit-message", Value::Null), Intent::New);
        assert_eq!(intent("submit-message", json!("u1")), Intent::Edit);
        assert_eq!(intent("submit-message", json!("a1")), Intent::New);
        assert_eq!(intent("a trigger of tomorrow", Value::Null), Intent::New);
        assert_eq!(intent("regenerate-message", Value::Null), Intent::Regenerate { named: None });
        let named = Intent::Regenerate { named: Some("a1".to_owned()) };
        assert_eq!(intent("regenerate-message", json!("a1")), named);
    }

    #[test]
    fn what_cannot_be_asked_is_told_apart() {
        let answer = json!({"id": "a1", "role": "assistant", "parts": []});
        assert!(matches!(ask(json!({"id": "c", "messages": [answer]})), Err(AskError::NoUserMessage)));
        assert!(matches!(ask(json!({"id": "c"})), Err(AskError::NoUserMessage)));
        let malformed = json!({"id": "u1", "role": "user", "parts": "Hi"});
        assert!(matches!(ask(json!({"id": "c", "messages": [malformed]})), Err(AskError::Malformed(_))));
        for url in ["data:image/png;base64,AAAA", "http://files.example/a.png", "https:/", "", "ftp://ä"] {
            let parts = json!([{"type": "file", "mediaType": "image/png", "url": url}]);
            let message = json!({"id": "u1", "role": "user", "parts": parts});
            assert!(matches!(ask(json!({"id": "c", "messages": [message]})), Err(AskError::FileUrl)), "{url}");
        }
    }

    proptest! {
        #[test]
        fn no_body_makes_it_fall_over(text in any::<String>(), kind in "[a-z-]{0,12}", url in any::<String>()) {
            let parts = json!([{"type": kind, "text": text, "url": url}, {"type": "text", "text": text}]);
            let message = json!({"id": text, "role": "user", "parts": parts});
            let body = json!({"id": text, "messages": [message, {"role": kind}], "trigger": kind});
            if let Ok(request) = serde_json::from_value::<ChatRequest>(body)
                && let Ok(asked) = request.ask()
            {
                prop_assert!(asked.text.ends_with(&text));
                prop_assert_eq!(asked.chat_id, text);
            }
        }
    }
}
