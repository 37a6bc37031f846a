//! Every sample event under `events/` is run through its function by the local Lambda Invoke API: once as it is, and
//! once with its placeholders filled in, so that it succeeds. A sample without an expectation fails the test.

mod stories;

use crate::support::cloud::Cloud;
use domain::secret::Secret;
use providers::elevenlabs::signature as elevenlabs_signature;
use providers::twilio::signature;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use store::now;

/// Each sample, and the status of its answer as it is: with placeholders where a token or a signature belongs, on a
/// cloud with the demo data. A stream batch that is taken in full counts as 200.
const SAMPLES: &[(&str, u16)] = &[
    ("admin/add-contact", 401),
    ("admin/add-invitation", 401),
    ("admin/add-phone-number", 401),
    ("admin/get-contact", 401),
    ("admin/get-organization", 401),
    ("admin/grant-points", 401),
    ("admin/list-contacts", 401),
    ("admin/list-invitations", 401),
    ("admin/list-phone-numbers", 401),
    ("admin/list-users", 401),
    ("admin/list-webhooks", 401),
    ("admin/remove-invitation", 401),
    ("admin/remove-phone-number", 401),
    ("admin/replay-webhook", 401),
    ("admin/set-voice-agent", 401),
    ("admin/setup", 401),
    ("admin/update-contact", 401),
    ("admin/update-organization", 401),
    ("admin/update-organization-ai", 401),
    ("admin/update-user", 401),
    ("auth/accept-invitation", 404),
    ("auth/auth-logout", 401),
    ("auth/login", 401),
    ("auth/logout", 401),
    ("auth/me", 401),
    ("auth/signin", 401),
    ("auth/signup", 200),
    ("auth/ticket", 401),
    ("auth/update-me", 401),
    ("auth/verify-email", 400),
    ("auth/verify-signin", 400),
    // A question of which nothing is known is no work.
    ("chat/question", 200),
    ("chat/question-again", 200),
    ("chat-sessions/delete-session", 401),
    ("chat-sessions/export", 401),
    ("chat-sessions/search", 401),
    ("chat-sessions/session", 401),
    ("chat-sessions/session-unknown", 401),
    ("chat-sessions/sessions", 401),
    ("fanout/chat-answer", 200),
    ("fanout/chat-question", 200),
    ("fanout/hello", 200),
    ("fanout/two-events", 200),
    ("human-control/heartbeat", 401),
    ("human-control/join", 401),
    ("human-control/leave", 401),
    ("human-control/outbound-call", 401),
    ("human-control/send-message", 401),
    ("human-control/status", 401),
    ("live-stream/contact", 401),
    ("live-stream/conversation", 401),
    ("live-stream/conversation-ended", 401),
    ("live-stream/conversation-resume", 401),
    ("llm-stream/chat", 401),
    ("llm-stream/chat-stream", 401),
    ("llm-stream/health", 200),
    ("llm-stream/health-deep", 200),
    ("llm-stream/interaction", 401),
    ("llm-stream/interaction-idle", 401),
    ("llm-stream/stop-chat", 401),
    ("llm-stream/stop-interaction", 401),
    ("llm-stream/stream-conversation", 401),
    ("llm-stream/stream-conversation-empty", 401),
    ("llm-stream/stream-conversation-json", 401),
    ("llm-stream/stream-conversation-unknown", 401),
    ("llm-stream/stream-simple", 401),
    ("replies/job", 200),
    ("replies/schedule", 200),
    ("snapshots/active-calls", 401),
    ("snapshots/config", 200),
    ("snapshots/conversation", 401),
    ("snapshots/conversation-since", 401),
    ("snapshots/conversations", 401),
    ("snapshots/health", 200),
    ("snapshots/openapi", 200),
    ("snapshots/usage", 401),
    ("snapshots/usage-organization", 401),
    ("webhooks/elevenlabs-conversation-initiation", 403),
    ("webhooks/elevenlabs-post-call", 403),
    ("webhooks/elevenlabs-post-call-audio", 403),
    ("webhooks/elevenlabs-post-call-failure", 403),
    ("webhooks/twilio-sms-incoming", 403),
    ("webhooks/twilio-sms-incoming-bad-signature", 403),
    ("webhooks/twilio-sms-status", 403),
    ("websocket/connect-subprotocol", 401),
    ("websocket/connect-token", 401),
    ("websocket/disconnect", 200),
    // Connections that nobody made.
    ("websocket/chat-message", 410),
    ("websocket/chat-resume", 410),
    ("websocket/chat-stop", 410),
    ("websocket/ping", 410),
    ("websocket/subscribe", 410),
    ("websocket/unsubscribe", 410),
];

const SIGNATURE: &str = "replace-with-the-signature-of-url-and-body";
const TIMED_SIGNATURE: &str = "replace-with-the-signature-of-time-and-body";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../events")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(folder().join(format!("{name}.json"))).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// All samples, as `<function>/<case>`.
fn all() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for function in std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir())
    {
        for file in std::fs::read_dir(&function).unwrap().map(|entry| entry.unwrap().path()) {
            assert_eq!(file.extension().unwrap(), "json", "{}", file.display());
            let [function, case] = [function.file_name(), file.file_stem()].map(|name| name.unwrap().to_str().unwrap());
            names.insert(format!("{function}/{case}"));
        }
    }
    names
}

/// What a function answered.
struct Answer {
    status: u64,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    fn field(&self, pointer: &str) -> String {
        self.json().pointer(pointer).and_then(Value::as_str).unwrap().to_owned()
    }
}

/// Invokes the sample's function.
async fn invoke(cloud: &Cloud, name: &str, payload: String) -> Answer {
    let (function, _) = name.split_once('/').unwrap();
    let url = format!("{}/2015-03-31/functions/{function}/invocations", cloud.info.aws_endpoint_url);
    let response = cloud.http.post(url).body(payload).send().await.unwrap();
    assert_eq!(response.status(), 200, "{name}");
    let error = response.headers().get("x-amz-function-error").cloned();
    let bytes = response.bytes().await.unwrap();
    assert!(error.is_none(), "{name} ended in {error:?}: {}", String::from_utf8_lossy(&bytes));
    // A streamed answer is its head in JSON, eight zero bytes, and the body.
    let head_end = bytes.iter().position(|byte| *byte == 0);
    let head: Value = serde_json::from_slice(&bytes[..head_end.unwrap_or(bytes.len())]).unwrap();
    let taken = head["batchItemFailures"].as_array().map(|failures| if failures.is_empty() { 200 } else { 500 });
    let body = head_end.map(|end| String::from_utf8_lossy(&bytes[end + 8..]).into_owned());
    Answer {
        status: head["statusCode"].as_u64().or(taken).unwrap_or_else(|| panic!("{name} answered {head}")),
        text: body.unwrap_or_else(|| head["body"].as_str().unwrap_or_default().to_owned()),
    }
}

#[test]
fn every_sample_has_an_expectation_and_every_expectation_a_sample() {
    let expected: BTreeSet<String> = SAMPLES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(all(), expected);
}

#[tokio::test]
async fn samples_are_answered_as_they_are() {
    let cloud = Cloud::silent().await;
    for (name, status) in SAMPLES {
        let answer = invoke(&cloud, name, read(name)).await;
        assert_eq!(answer.status, u64::from(*status), "{name}: {}", answer.text);
        if *status >= 400 && !name.starts_with("websocket/") {
            let body = answer.json();
            assert!(["detail", "error", "code", "hint"].iter().all(|field| body[field].is_string()), "{name}: {body}");
            let sent: Value = serde_json::from_str(&read(name)).unwrap();
            assert_eq!(body["request_id"], sent["requestContext"]["requestId"], "{name}");
        }
    }
}

/// Samples being run with their placeholders filled in.
struct Stage<'a> {
    cloud: &'a Cloud,
    fillings: BTreeMap<&'static str, String>,
    played: BTreeSet<String>,
}

impl<'a> Stage<'a> {
    fn new(cloud: &'a Cloud) -> Self {
        Self { cloud, fillings: BTreeMap::new(), played: BTreeSet::new() }
    }

    fn fill(&mut self, placeholder: &'static str, value: impl Into<String>) {
        self.fillings.insert(placeholder, value.into());
    }

    async fn play(&mut self, name: &str, status: u64, says: &str) -> Answer {
        let mut payload = read(name);
        for (placeholder, value) in &self.fillings {
            payload = payload.replace(placeholder, value);
        }
        let payload = payload.replace(SIGNATURE, &self.signature(&payload));
        let payload = payload.replace(TIMED_SIGNATURE, &self.timed_signature(&payload));
        let answer = invoke(self.cloud, name, payload).await;
        assert_eq!(answer.status, status, "{name}: {}", answer.text);
        assert!(answer.text.contains(says), "{name} does not say {says}: {}", answer.text);
        self.played.insert(name.to_owned());
        answer
    }

    /// Twilio's signature of the event's form, for the URL that the functions believe to be theirs.
    fn signature(&self, payload: &str) -> String {
        let event: Value = serde_json::from_str(payload).unwrap();
        let (Some(twilio), Some(path), Some(body)) =
            (&self.cloud.info.twilio, event["path"].as_str(), event["body"].as_str())
        else {
            return String::new();
        };
        let url = format!("{}{path}", self.cloud.info.public_base_url);
        signature::sign(&url, body.as_bytes(), &Secret::new(&twilio.auth_token))
    }

    /// ElevenLabs' signature of the event's body, as of now.
    fn timed_signature(&self, payload: &str) -> String {
        let event: Value = serde_json::from_str(payload).unwrap();
        let Some(body) = event["body"].as_str() else { return String::new() };
        let secret = self.cloud.secret("ELEVENLABS_POST_CALL_WEBHOOK_SECRET");
        elevenlabs_signature::sign(body.as_bytes(), &secret, now())
    }

    /// Nothing may be left out of the stories.
    fn assert_complete(&self, ours: impl Fn(&str) -> bool) {
        let wanted: BTreeSet<String> = all().into_iter().filter(|name| ours(name)).collect();
        assert_eq!(self.played, wanted);
    }
}
