//! The WebSocket API: who connects, what they want to read, and their leaving.
//!
//! | route | file | contract |
//! |---|---|---|
//! | `$connect` | [`connect`] | E01, L5, U5 |
//! | `$disconnect` | [`disconnect`] | |
//! | `$default` | [`message`] | E02, G1, G11 |
//! | | [`chat`] | E03-E06, E14, E20 |
//!
//! Frames to clients go through `@connections`: what happens in conversations and chats is posted by `fanout`; this function
//! posts answers to requests, and what a new reader has missed ([`catch_up`]).
//!
//! To add something a client can ask for: a variant in [`frames::Request`] and its arm in [`message`].

mod catch_up;
mod chat;
mod connect;
mod disconnect;
mod frames;
mod message;

use aws_lambda_events::apigw::{ApiGatewayProxyResponse, ApiGatewayWebsocketProxyRequest};
use conversations::chat::Chats;
use domain::ids::ConnectionId;
use lambda_runtime::Error;
use providers::push::Push;
use serde_json::value::RawValue;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;
use store::Store;
use tracing::Instrument;
use web::Authenticator;

/// All this function may touch.
pub struct State {
    store: Store,
    chats: Chats,
    authenticator: Authenticator,
    push: Push,
}

/// Runs the function.
pub fn main() -> ExitCode {
    runtime::events(
        |environment| {
            let chats = environment.chats(&environment.http());
            Some(State {
                store: chats.store.clone(),
                chats,
                authenticator: environment.authenticator()?,
                push: environment.push(),
            })
        },
        handle,
    )
}

/// Handles one event of the WebSocket API.
pub async fn handle(state: Arc<State>, event: Box<RawValue>) -> Result<ApiGatewayProxyResponse, Error> {
    let event: ApiGatewayWebsocketProxyRequest = serde_json::from_str(event.get())?;
    let context = &event.request_context;
    let id = ConnectionId::parse(context.connection_id.as_deref().unwrap_or_default())?;
    let route = context.route_key.clone().unwrap_or_default();
    let request_id = context.request_id.clone().unwrap_or_default();
    let span = tracing::info_span!("frame", request_id, route, organization = tracing::field::Empty);
    let answered = async {
        let started = Instant::now();
        // Not by the route: a message chooses its route, and could name one of these.
        let response = match context.event_type.as_deref() {
            Some("CONNECT") => connect::connect(&state, id, &event).await,
            Some("DISCONNECT") => disconnect::disconnect(&state, &id).await,
            _ => message::receive(&state, &id, event.body.as_deref().unwrap_or_default()).await,
        };
        tracing::info!(
            status = response.status_code,
            duration_ms = started.elapsed().as_secs_f64() * 1000.0,
            "answered"
        );
        response
    };
    Ok(answered.instrument(span).await)
}

/// An answer that is only a status.
fn status(code: u16) -> ApiGatewayProxyResponse {
    let mut response = ApiGatewayProxyResponse::default();
    response.status_code = i64::from(code);
    response
}
