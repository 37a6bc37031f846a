//! `$connect`: lets a caller in, or answers 401 or 503, which refuses the handshake.

use crate::{State, status};
use aws_lambda_events::apigw::{ApiGatewayProxyResponse, ApiGatewayWebsocketProxyRequest};
use aws_lambda_events::http::{HeaderValue, header};
use domain::ids::ConnectionId;
use domain::user::Principal;
use store::{Connection, Topic, now};
use web::{ApiError, Code};

/// The path that a ticket for the WebSocket is bound to.
const TICKET_PATH: &str = "/chat/ws";
/// Offered beside a subprotocol of ours, carries the token: the one header browsers can set.
const BEARER_PROTOCOL: &str = "bearer.";

pub(crate) async fn connect(
    state: &State,
    id: ConnectionId,
    event: &ApiGatewayWebsocketProxyRequest,
) -> ApiGatewayProxyResponse {
    match admit(state, id, event).await {
        Ok(()) => accepted(event),
        Err(error) => {
            tracing::info!(code = error.code.as_str(), "refused");
            status(error.code.status().as_u16())
        }
    }
}

async fn admit(state: &State, id: ConnectionId, event: &ApiGatewayWebsocketProxyRequest) -> Result<(), ApiError> {
    let principal = caller(state, event).await?;
    tracing::Span::current().record("organization", principal.organization_id.as_str());
    let tenant = state.store.tenant(&principal.organization_id);
    let own = Topic::User(principal.user_id.clone());
    let connection = Connection::new(id, principal, now());
    state.store.put_connection(&connection).await?;
    // So that a sign-out finds and closes this connection.
    tenant.subscribe(&connection, &own, 0).await?;
    state.store.ask_for_greeting(&connection.id).await?;
    Ok(())
}

/// Ticket, then token in the query (the contract has it so, E01), then subprotocol, then the header of other clients.
async fn caller(state: &State, event: &ApiGatewayWebsocketProxyRequest) -> Result<Principal, ApiError> {
    let query = |name| event.query_string_parameters.first(name).filter(|value| !value.is_empty());
    if let Some(ticket) = query("ticket") {
        return state.authenticator.ticket(ticket, TICKET_PATH).await;
    }
    if let Some(token) = query("token") {
        return state.authenticator.token(token).await;
    }
    let offered = protocols(event).find_map(|protocol| protocol.strip_prefix(BEARER_PROTOCOL));
    if let Some(token) = offered {
        return state.authenticator.token(token).await;
    }
    let header = event.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer =
        header.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    match bearer {
        Some((_, token)) => state.authenticator.token(token.trim()).await,
        None => Err(Code::MissingToken.into()),
    }
}

fn protocols(event: &ApiGatewayWebsocketProxyRequest) -> impl Iterator<Item = &str> {
    let header = event.headers.get(header::SEC_WEBSOCKET_PROTOCOL).and_then(|value| value.to_str().ok());
    header.unwrap_or_default().split(',').map(str::trim).filter(|protocol| !protocol.is_empty())
}

/// Exactly one of the offered protocols is named back, never the one that holds the token.
fn accepted(event: &ApiGatewayWebsocketProxyRequest) -> ApiGatewayProxyResponse {
    let mut response = status(200);
    let named = protocols(event).find(|protocol| !protocol.starts_with(BEARER_PROTOCOL));
    if let Some(value) = named.and_then(|name| HeaderValue::from_str(name).ok()) {
        response.headers.insert(header::SEC_WEBSOCKET_PROTOCOL, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocol_named_back_is_never_the_token() {
        let event: ApiGatewayWebsocketProxyRequest = serde_json::from_value(serde_json::json!({
            "headers": {"Sec-WebSocket-Protocol": "bearer.a.b.c, chat.v1"},
            "requestContext": {"routeKey": "$connect", "connectionId": "c=", "connectedAt": 0, "requestTimeEpoch": 0},
        }))
        .unwrap();
        assert_eq!(protocols(&event).collect::<Vec<_>>(), ["bearer.a.b.c", "chat.v1"]);
        assert_eq!(accepted(&event).headers.get(header::SEC_WEBSOCKET_PROTOCOL).unwrap(), "chat.v1");
    }
}
