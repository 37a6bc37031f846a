//! The table of all routes: who may call each, and what a stranger is told. A route of the template that is not here
//! fails a test.

use Stranger::{Forbidden, InTheirOwn, NotFound};
use Who::{Admins, Agents, Asker, Everybody, Installer, Provider, SignedIn};
use std::collections::BTreeSet;

/// Who gets the route's own answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// No token is asked for.
    Everybody,
    /// Whoever sends the provider's proof of origin: a signature or a shared secret.
    Provider,
    /// Whoever sends the set-up token.
    Installer,
    /// Any token that stands.
    SignedIn,
    /// Agents and admins.
    Agents,
    /// Admins.
    Admins,
    /// The person who asked, and nobody else: to everybody else the chat is not there.
    Asker,
}

/// What an admin of another organization gets who asks for this one's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stranger {
    /// The route names no record: the same of their own organization.
    InTheirOwn,
    /// The record is nobody's in their organization.
    NotFound,
    /// The contract says so of conversations (A22).
    Forbidden,
}

/// A route and how to call it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    pub(super) method: &'static str,
    /// The template's.
    pub(super) path: &'static str,
    /// One of Aurora's, or empty for the same.
    pub(super) example: &'static str,
    /// JSON; `{n}` is another number each time.
    pub(super) body: &'static str,
    pub(super) who: Who,
    pub(super) stranger: Stranger,
    /// The status for whoever may.
    pub(super) success: u16,
    /// Whether a takeover by somebody else closes it (A19).
    pub(super) taken: bool,
}

const fn open(method: &'static str, path: &'static str, who: Who, success: u16) -> Route {
    Route { method, path, example: "", body: "", who, stranger: InTheirOwn, success, taken: false }
}

const fn post(path: &'static str, body: &'static str, who: Who, success: u16) -> Route {
    Route { body, ..open("POST", path, who, success) }
}

const fn of(route: Route, example: &'static str, stranger: Stranger) -> Route {
    Route { example, stranger, ..route }
}

const fn patch(path: &'static str, body: &'static str, who: Who) -> Route {
    Route { body, ..open("PATCH", path, who, 200) }
}

/// What only whoever is in control of the conversation may: nobody is, so past the door it is 400.
const fn in_control(path: &'static str) -> Route {
    let body = r#"{"conversation_id": "conv_919325590143_20251003_115804", "message": "Hi"}"#;
    Route { stranger: Forbidden, ..post(path, body, Agents, 400) }
}

/// Of the chat that Ada has begun.
const fn of_chat(method: &'static str, path: &'static str, example: &'static str, success: u16) -> Route {
    of(open(method, path, Asker, success), example, NotFound)
}

/// All of them. An open route that wants a body is probed with an empty one: past the door, 400.
pub(super) const ROUTES: [Route; 62] = [
    post("/auth/signup", "{}", Everybody, 400),
    post("/auth/verify-email", "{}", Everybody, 400),
    post("/auth/signin", "{}", Everybody, 400),
    post("/auth/verify-signin", "{}", Everybody, 400),
    post("/auth/accept-invitation", "{}", Everybody, 400),
    post("/login", "{}", Everybody, 400),
    post("/logout", "", SignedIn, 200),
    post("/auth/logout", "", SignedIn, 200),
    open("GET", "/api/me", SignedIn, 200),
    patch("/api/me", r#"{"profile": {"age": 34}}"#, SignedIn),
    post("/api/stream/ticket", "{}", SignedIn, 200),
    post("/api/admin/setup", "{}", Installer, 400),
    open("GET", "/api/admin/organization", Admins, 200),
    patch("/api/admin/organization", "{}", Admins),
    open("GET", "/api/admin/phone-numbers", Admins, 200),
    post("/api/admin/phone-numbers", r#"{"number": "+141555501{n}"}"#, Admins, 201),
    of(
        open("DELETE", "/api/admin/phone-numbers/{number}", Admins, 200),
        "/api/admin/phone-numbers/+14155550110",
        NotFound,
    ),
    open("GET", "/api/admin/users", Admins, 200),
    of(patch("/api/admin/users/{user_id}", r#"{"last_name": "B"}"#, Admins), "/api/admin/users/admin_ben", NotFound),
    of(
        post("/api/admin/users/{user_id}/points", r#"{"points": 5}"#, Admins, 200),
        "/api/admin/users/user_uma/points",
        NotFound,
    ),
    open("GET", "/api/admin/contacts", Agents, 200),
    post("/api/admin/contacts", r#"{"phone_number": "+141555501{n}"}"#, Agents, 201),
    of(
        open("GET", "/api/admin/contacts/{contact_id}", Agents, 200),
        "/api/admin/contacts/worker_919325590143",
        NotFound,
    ),
    of(
        patch("/api/admin/contacts/{contact_id}", r#"{"name": "Asha"}"#, Agents),
        "/api/admin/contacts/worker_919325590143",
        NotFound,
    ),
    open("GET", "/api/admin/invitations", Admins, 200),
    post("/api/admin/invitations", r#"{"email": "new{n}@example.com", "role": "agent"}"#, Admins, 201),
    of(
        open("DELETE", "/api/admin/invitations/{invitation_id}", Admins, 200),
        "/api/admin/invitations/invitation-1",
        NotFound,
    ),
    open("GET", "/api/admin/webhooks", Admins, 200),
    of(
        open("POST", "/api/admin/webhooks/{webhook_id}/replay", Admins, 200),
        "/api/admin/webhooks/webhook-1/replay",
        NotFound,
    ),
    post("/api/webhooks/twilio/sms/incoming", "{}", Provider, 200),
    post("/api/webhooks/twilio/sms/status", "{}", Provider, 200),
    post("/api/webhooks/elevenlabs/conversation-initiation", "{}", Provider, 200),
    post("/api/webhooks/elevenlabs/post-call", "{}", Provider, 200),
    post("/api/conversations/human-control/join", r#"{"phoneNumber": "+141555501{n}"}"#, Agents, 200),
    in_control("/api/conversations/human-control/send-message"),
    in_control("/api/conversations/human-control/heartbeat"),
    in_control("/api/conversations/human-control/leave"),
    of(
        open("GET", "/api/conversations/human-control/status/{phone_number}", Agents, 200),
        "/api/conversations/human-control/status/+919325590143",
        InTheirOwn,
    ),
    post("/api/conversations/outbound-call", r#"{"phoneNumber": "+141555501{n}"}"#, Agents, 200),
    Route {
        taken: true,
        ..of(
            open("GET", "/api/conversation/{conversation_id}", Agents, 200),
            "/api/conversation/conv_919325590143_20251003_115804",
            Forbidden,
        )
    },
    open("GET", "/api/conversations", Agents, 200),
    open("GET", "/get-active-calls", Agents, 200),
    open("GET", "/api/usage", SignedIn, 200),
    open("GET", "/api/usage/organization", Admins, 200),
    open("GET", "/health", Everybody, 200),
    open("GET", "/api/config", Everybody, 200),
    open("GET", "/openapi.json", Everybody, 200),
    Route {
        taken: true,
        ..of(
            open("GET", "/api/conversation/{conversation_id}/stream", Agents, 200),
            "/api/conversation/conv_919325590143_20251003_115804/stream",
            Forbidden,
        )
    },
    Route {
        taken: true,
        ..of(
            open("GET", "/api/stream/conversation/{lead_id}", Agents, 200),
            "/api/stream/conversation/worker_919325590143?load=true",
            NotFound,
        )
    },
    post("/api/stream/stream-conversation", r#"{"message": "Hi"}"#, SignedIn, 200),
    of(open("GET", "/api/stream/stream-simple", SignedIn, 200), "/api/stream/stream-simple?message=Hi", InTheirOwn),
    of_chat("GET", "/api/stream/interactions/{interaction_id}", "/api/stream/interactions/chat-of-ada", 204),
    of_chat("POST", "/api/stream/interactions/{interaction_id}/stop", "/api/stream/interactions/chat-of-ada/stop", 200),
    open("GET", "/api/stream/health", Everybody, 200),
    post(
        "/api/chat",
        r#"{"id": "chat-{n}", "messages": [{"id": "m{n}", "role": "user", "parts": [{"type": "text", "text": "Hi"}]}]}"#,
        SignedIn,
        200,
    ),
    of(open("GET", "/api/chat/{id}/stream", SignedIn, 204), "/api/chat/chat-of-ada/stream", InTheirOwn),
    of_chat("POST", "/api/chat/{id}/stop", "/api/chat/chat-of-ada/stop", 200),
    open("GET", "/chat/sessions", SignedIn, 200),
    of(open("GET", "/chat/search", SignedIn, 200), "/chat/search?q=hi", InTheirOwn),
    of_chat("GET", "/chat/sessions/{session_id}", "/chat/sessions/chat-of-ada", 200),
    of_chat("GET", "/chat/sessions/{session_id}/export", "/chat/sessions/chat-of-ada/export", 200),
    of_chat("DELETE", "/chat/sessions/{session_id}", "/chat/sessions/chat-of-ada", 200),
];

#[test]
fn every_route_of_the_template_is_probed() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml");
    let template: yaml_serde::Value = yaml_serde::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut declared = BTreeSet::new();
    for resource in template["Resources"].as_mapping().unwrap().values() {
        let Some(events) = resource["Properties"]["Events"].as_mapping() else { continue };
        for event in events.values().filter(|event| event["Type"] == "Api") {
            let text = |name: &str| event["Properties"][name].as_str().unwrap().to_owned();
            declared.insert((text("Method").to_uppercase(), text("Path")));
        }
    }
    let probed: BTreeSet<_> = ROUTES.iter().map(|route| (route.method.to_owned(), route.path.to_owned())).collect();
    assert_eq!(probed, declared);
    assert_eq!(probed.len(), ROUTES.len());
}
