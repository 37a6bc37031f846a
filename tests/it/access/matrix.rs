//! Every route as nobody, as an impostor, as a stranger, as each of the organization's own, by header and by cookie.

use super::routes::{ROUTES, Route, Stranger, Who};
use crate::support::backstage::{handed_back_by, taken_over_by};
use crate::support::cloud::{ADA, AURORA, AURORA_NUMBER, BEN, CLEO, Cloud, DAN, LIVE, UMA};
use domain::ids::InvitationId;
use domain::secret::Secret;
use domain::user::{Email, Role};
use identity::csrf;
use identity::token::{self, Issued, Keyring};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use std::cell::Cell;
use store::{Invitation, Verdict, Webhook, WebhookKind, now};

const HOUR: i64 = 3600;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Actor {
    Nobody,
    Garbage,
    WrongScheme,
    Forged,
    Expired,
    Revoked,
    Stranger,
    User,
    Agent,
    Cookie,
    CookieWithCsrf,
    Owner,
}

/// Owners last: what they change, nobody after them needs.
const ACTORS: [Actor; 12] = [
    Actor::Nobody,
    Actor::Garbage,
    Actor::WrongScheme,
    Actor::Forged,
    Actor::Expired,
    Actor::Revoked,
    Actor::Stranger,
    Actor::User,
    Actor::Agent,
    Actor::Cookie,
    Actor::Owner,
    Actor::CookieWithCsrf,
];

struct Probe {
    cloud: Cloud,
    count: Cell<u32>,
}

impl Probe {
    fn request(&self, route: &Route) -> RequestBuilder {
        let path = if route.example.is_empty() { route.path } else { route.example };
        self.count.set(self.count.get() + 1);
        let request = self.cloud.anonymous(Method::from_bytes(route.method.as_bytes()).unwrap(), path);
        if route.body.is_empty() {
            return request;
        }
        let body = route.body.replace("{n}", &format!("{:03}", self.count.get()));
        request.header("content-type", "application/json").body(body)
    }

    async fn as_actor(&self, route: &Route, actor: Actor) -> Response {
        let request = self.request(route);
        let bearer = |issued: &Issued| request.try_clone().unwrap().bearer_auth(issued.token.expose());
        let mint = |email| self.cloud.mint(email, HOUR);
        let cookie = |issued: &Issued| {
            request.try_clone().unwrap().header("cookie", format!("a=b; switchboard_session={}", issued.token.expose()))
        };
        let request = match actor {
            Actor::Nobody => request,
            Actor::Garbage => request.bearer_auth("garbage"),
            Actor::WrongScheme => request.header("authorization", format!("Basic {}", mint(ADA).token.expose())),
            Actor::Forged => {
                let keys = Keyring::new(&Secret::new("a secret that somebody else has made up"), &[]).unwrap();
                let subject = token::Subject::from(&self.cloud.tenant(AURORA).await.users().await.unwrap()[0]);
                bearer(&token::issue(&keys, &subject, now(), HOUR).unwrap())
            }
            Actor::Expired => bearer(&self.cloud.mint(ADA, -60)),
            Actor::Revoked => {
                let issued = mint(ADA);
                self.cloud.store().await.revoke(&issued.claims.jti, issued.claims.exp).await.unwrap();
                bearer(&issued)
            }
            Actor::Stranger => bearer(&mint(CLEO)),
            Actor::User => bearer(&mint(UMA)),
            Actor::Agent => bearer(&mint(DAN)),
            Actor::Cookie => cookie(&mint(ADA)),
            Actor::CookieWithCsrf => {
                let issued = mint(ADA);
                let proof = csrf::token_for(&self.cloud.secret("JWT_SECRET"), &issued.claims.jti);
                cookie(&issued).header("x-csrf-token", proof)
            }
            Actor::Owner => bearer(&mint(ADA)),
        };
        request.send().await.unwrap()
    }
}

fn expected(route: &Route, actor: Actor) -> u16 {
    use Actor::{Agent, Cookie, Expired, Forged, Garbage, Nobody, Revoked, User, WrongScheme};
    match (route.who, actor) {
        (Who::Everybody, _) => route.success,
        (Who::Provider, _) => 403,
        (Who::Installer, _) | (_, Nobody | Garbage | WrongScheme | Forged | Expired | Revoked) => 401,
        (_, Actor::Stranger) => match route.stranger {
            Stranger::InTheirOwn => route.success,
            Stranger::NotFound => 404,
            Stranger::Forbidden => 403,
        },
        (_, Cookie) if route.method != "GET" => 403,
        (Who::Agents, User) | (Who::Admins, User | Agent) => 403,
        (Who::Asker, User | Agent) => 404,
        _ => route.success,
    }
}

#[tokio::test]
async fn each_route_answers_each_caller_as_its_row_says() {
    let probe = Probe { cloud: Cloud::silent().await, count: Cell::new(0) };
    let invitation = Invitation {
        id: InvitationId::parse("invitation-1").unwrap(),
        email: Email::parse("grace@example.com").unwrap(),
        role: Role::Agent,
        created_at: now(),
        expires_at: now().seconds() + HOUR,
        secret_digest: String::new(),
    };
    let aurora = probe.cloud.tenant(AURORA).await;
    aurora.put_invitation(&invitation).await.unwrap();
    let status = b"MessageSid=SM9&AccountSid=AC1&From=%2B14155550110&To=%2B14155550142&MessageStatus=sent";
    let webhook = Webhook {
        id: "webhook-1".to_owned(),
        kind: WebhookKind::TwilioSmsStatus,
        at: now(),
        verdict: Verdict::Accepted,
        reason: None,
        provider_id: Some("SM9".to_owned()),
        size: status.len(),
        replays: 0,
    };
    aurora.keep_webhook(&webhook, status).await.unwrap();
    begin_chat(&probe.cloud).await;
    let mut wrong = Vec::new();
    for route in &ROUTES {
        for actor in ACTORS {
            let response = probe.as_actor(route, actor).await;
            let (status, expected) = (response.status().as_u16(), expected(route, actor));
            // What the owner has removed is gone for the next request.
            let again = actor == Actor::CookieWithCsrf && route.method == "DELETE" && status == 404;
            if status != expected && !again {
                wrong.push(format!("{} {} as {actor:?}: {status}, not {expected}", route.method, route.path));
            }
            let stream = response.headers().get("content-type").is_some_and(|kind| kind == "text/event-stream");
            // A conversation's stream goes on; an answer ends, and counts as under way until it has.
            if (stream && route.taken) || (status < 400 && actor != Actor::Stranger && !stream) {
                continue;
            }
            let text = response.text().await.unwrap();
            if actor == Actor::Stranger && route.who != Who::Everybody {
                assert!(!text.contains("aurora"), "{} {}", route.method, route.path);
            }
            if status >= 400 {
                let body: Value = serde_json::from_str(&text).unwrap();
                for field in ["detail", "error", "code", "hint", "request_id"] {
                    assert!(body[field].is_string(), "{field} of {} {} as {actor:?}", route.method, route.path);
                }
                let csrf = actor == Actor::Cookie && expected == 403 && route.who != Who::Provider;
                assert_eq!(body["code"] == "csrf_required", csrf, "{} {} as {actor:?}", route.method, route.path);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A chat of Ada's, by the one route where the client chooses its id.
async fn begin_chat(cloud: &Cloud) {
    let message = json!({"id": "m-1", "role": "user", "parts": [{"type": "text", "text": "Hi"}]});
    let body = json!({"id": "chat-of-ada", "messages": [message]});
    let response = cloud.request(Method::POST, "/api/chat", ADA).json(&body).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.text().await.unwrap().contains("\"finish\""), "an answer");
}

#[tokio::test]
async fn a_takeover_closes_a_conversations_routes_to_everybody_else() {
    let cloud = Cloud::silent().await;
    let taken: Vec<&Route> = ROUTES.iter().filter(|route| route.taken).collect();
    let by_conversation = |route: &&Route| route.path.contains("conversation/{");
    assert_eq!(taken.len(), ROUTES.iter().filter(by_conversation).count());
    let status = async |route: &Route, email| {
        let response = cloud.get(route.example, email).send().await.unwrap();
        let status = response.status().as_u16();
        let code = if status == 200 { Value::Null } else { response.json::<Value>().await.unwrap()["code"].take() };
        (status, code)
    };
    for route in &taken {
        for email in [ADA, BEN, DAN] {
            assert_eq!(status(route, email).await, (200, Value::Null), "{} as {email}", route.path);
        }
    }
    let closed = async |route: &Route| {
        for email in [BEN, DAN] {
            assert_eq!(status(route, email).await, (403, "taken_over".into()), "{} as {email}", route.path);
        }
        assert_eq!(status(route, ADA).await, (200, Value::Null), "{}", route.path);
    };
    cloud.append(AURORA, LIVE, taken_over_by("admin_ada")).await;
    let (contact, conversation): (Vec<&Route>, Vec<&Route>) =
        taken.iter().partition(|route| route.path.contains("{lead_id}"));
    for route in conversation {
        closed(route).await;
    }
    // A contact's stream leaves a taken call out; it closes when their text conversation is taken.
    for route in &contact {
        assert_eq!(status(route, BEN).await, (200, Value::Null), "{}", route.path);
    }
    // By number the whole contact is meant, the call too: it is handed back first.
    cloud.append(AURORA, LIVE, handed_back_by("admin_ada", None)).await;
    cloud.text("+919325590143", AURORA_NUMBER, "Is anybody there?").await;
    let join = json!({"phoneNumber": "+919325590143"});
    let join = cloud.request(Method::POST, "/api/conversations/human-control/join", ADA).json(&join);
    assert_eq!(join.send().await.unwrap().status(), 200);
    for route in &contact {
        closed(route).await;
    }
}

/// A cookie needs the proof that belongs to it, not just any.
#[tokio::test]
async fn the_csrf_header_is_that_of_the_session_itself() {
    let cloud = Cloud::silent().await;
    let (own, other) = (cloud.mint(ADA, HOUR), cloud.mint(ADA, HOUR));
    let secret = cloud.secret("JWT_SECRET");
    let send = async |proof: &str| {
        let request = cloud.anonymous(Method::PATCH, "/api/admin/organization");
        let cookie = format!("switchboard_session={}; switchboard_csrf={proof}", own.token.expose());
        let request = request.header("cookie", cookie).header("x-csrf-token", proof);
        request.json(&serde_json::json!({})).send().await.unwrap().status().as_u16()
    };
    assert_eq!(send(&csrf::token_for(&secret, &own.claims.jti)).await, 200);
    assert_eq!(send(&csrf::token_for(&secret, &other.claims.jti)).await, 403);
    assert_eq!(send("").await, 403);
    assert_eq!(send("x").await, 403);
}
