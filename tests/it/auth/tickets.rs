//! `POST /api/stream/ticket`: keys for clients that can send no header.

use crate::support::cloud::{ADA, BEN, CLEO, Cloud, LIVE, TAKEN, UMA};
use crate::support::socket::Socket;
use crate::support::sse::Sse;
use futures_util::future::join_all;
use identity::ticket;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use store::{Ticket, now};

const LEAD: &str = "worker_919325590143";

async fn ask(cloud: &Cloud, body: &Value, email: &str) -> (StatusCode, Value) {
    let response = cloud.request(Method::POST, "/api/stream/ticket", email).json(body).send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

async fn ticket(cloud: &Cloud, body: &Value, email: &str) -> String {
    let (status, body) = ask(cloud, body, email).await;
    assert_eq!((status, &body["expires_in"]), (StatusCode::OK, &json!(60)));
    body["ticket"].as_str().unwrap().to_owned()
}

/// The status of a stream opened as nobody, with this query.
async fn open(cloud: &Cloud, path: &str, query: &str) -> u16 {
    cloud.anonymous(Method::GET, &format!("{path}?{query}")).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_ticket_opens_its_path_once() {
    let cloud = Cloud::start().await;
    let conversation = format!("/api/conversation/{LIVE}/stream");
    let contact = format!("/api/stream/conversation/{LEAD}");
    for (body, path, first) in [
        (json!({"conversation_id": LIVE}), &conversation, "initial"),
        (json!({"path": conversation}), &conversation, "initial"),
        (json!({"lead_id": LEAD}), &contact, "conversation_history"),
    ] {
        let ticket = ticket(&cloud, &body, ADA).await;
        let path = format!("{path}?load=true&ticket={ticket}");
        let mut stream = Sse::open(cloud.anonymous(Method::GET, &path)).await;
        assert_eq!(stream.next().await.unwrap().name(), first);
        let again = cloud.anonymous(Method::GET, &path).send().await.unwrap();
        assert_eq!(again.status(), 401, "{body}");
        assert_eq!(again.json::<Value>().await.unwrap()["code"], "invalid_token");
    }
    let ticket = ticket(&cloud, &json!({}), ADA).await;
    let url = format!("{}?ticket={ticket}", cloud.info.websocket_url);
    Socket::connect(&url).await.unwrap().until("connected").await;
    assert_eq!(Socket::connect(&url).await.err(), Some(401));
}

#[tokio::test]
async fn of_many_who_use_a_ticket_at_once_one_gets_in() {
    let cloud = Cloud::start().await;
    let ticket = ticket(&cloud, &json!({"conversation_id": LIVE}), ADA).await;
    let (path, query) = (format!("/api/conversation/{LIVE}/stream"), format!("ticket={ticket}"));
    let statuses = join_all((0..5).map(|_| open(&cloud, &path, &query))).await;
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
}

#[tokio::test]
async fn a_ticket_opens_nothing_else() {
    let cloud = Cloud::start().await;
    let stream = format!("/api/conversation/{LIVE}/stream");
    for body in [json!({"conversation_id": "conv_123"}), json!({"lead_id": LEAD}), json!({})] {
        let ticket = ticket(&cloud, &body, ADA).await;
        assert_eq!(open(&cloud, &stream, &format!("ticket={ticket}")).await, 401, "{body}");
    }
    // Nor is it a token: not in a header, not for what is no stream, not on the socket.
    let conversation = json!({"conversation_id": LIVE});
    let ticket = ticket(&cloud, &conversation, ADA).await;
    let header = cloud.anonymous(Method::GET, &stream).bearer_auth(&ticket).send().await.unwrap();
    assert_eq!(header.status(), 401);
    assert_eq!(open(&cloud, &format!("/api/conversation/{LIVE}"), &format!("ticket={ticket}")).await, 401);
    let socket = format!("{}?ticket={ticket}", cloud.info.websocket_url);
    assert_eq!(Socket::connect(&socket).await.err(), Some(401));
    for query in ["ticket=", "ticket=nonsense", "ticket=%00"] {
        assert_eq!(open(&cloud, &stream, query).await, 401, "{query}");
    }
}

#[tokio::test]
async fn a_ticket_is_worth_what_its_owner_may_see_when_it_is_used() {
    let cloud = Cloud::start().await;
    let stream = |id: &str| format!("/api/conversation/{id}/stream");
    for (email, id, status) in [(BEN, TAKEN, 403), (CLEO, LIVE, 403), (UMA, LIVE, 403), (ADA, "conv_404", 404)] {
        let ticket = ticket(&cloud, &json!({"conversation_id": id}), email).await;
        assert_eq!(open(&cloud, &stream(id), &format!("ticket={ticket}")).await, status, "{id} as {email}");
    }
    // It ends with the token it was asked for with, and it ends in time.
    let issued = cloud.mint(ADA, 600);
    let request = cloud.anonymous(Method::POST, "/api/stream/ticket").bearer_auth(issued.token.expose());
    let answer: Value = request.json(&json!({"conversation_id": LIVE})).send().await.unwrap().json().await.unwrap();
    let store = cloud.store().await;
    store.revoke(&issued.claims.jti, issued.claims.exp).await.unwrap();
    let query = format!("ticket={}", answer["ticket"].as_str().unwrap());
    assert_eq!(open(&cloud, &stream(LIVE), &query).await, 401);
    for (ttl, status) in [(now().seconds() - 1, 401), (now().seconds() + 60, 200)] {
        let text = ticket::new_ticket();
        let principal = cloud.mint(ADA, 600).claims.principal().unwrap();
        let record = Ticket { principal, path: stream(LIVE), ttl };
        store.put_ticket(&ticket::lookup_key(text.expose()), &record).await.unwrap();
        assert_eq!(open(&cloud, &stream(LIVE), &format!("ticket={}", text.expose())).await, status);
    }
}

#[tokio::test]
async fn there_are_tickets_for_streams_only() {
    let cloud = Cloud::start().await;
    for body in [
        json!({"path": "/api/me"}),
        json!({"path": "/api/conversation/a/b/stream"}),
        json!({"path": "https://example.com/chat/ws"}),
        json!({"conversation_id": "a/../b"}),
        json!({"conversation_id": LIVE, "lead_id": LEAD}),
        json!([1]),
        json!("x"),
    ] {
        let (status, answer) = ask(&cloud, &body, ADA).await;
        assert_eq!((status, &answer["code"]), (StatusCode::BAD_REQUEST, &json!("invalid_request")), "{body}");
    }
    // No body, or an empty object, asks for the WebSocket.
    let response = cloud.request(Method::POST, "/api/stream/ticket", ADA).send().await.unwrap();
    assert_eq!(response.json::<Value>().await.unwrap()["path"], "/chat/ws");
}

#[tokio::test]
async fn a_token_in_a_streams_query_is_taken_only_where_that_is_configured() {
    let path = format!("/api/conversation/{LIVE}/stream");
    for (arguments, status) in [(&[][..], 401), (&["--env", "STREAM_TOKEN_IN_QUERY=1"], 200)] {
        let cloud = Cloud::with(arguments).await;
        let query = format!("token={}", cloud.token(ADA));
        assert_eq!(open(&cloud, &path, &query).await, status);
        assert_eq!(open(&cloud, &format!("/api/conversation/{LIVE}"), &query).await, 401);
    }
}
