//! `$disconnect`: forgets a connection. It may never come; records end by themselves.

use crate::{State, status};
use aws_lambda_events::apigw::ApiGatewayProxyResponse;
use domain::ids::ConnectionId;

pub(crate) async fn disconnect(state: &State, id: &ConnectionId) -> ApiGatewayProxyResponse {
    match state.store.remove_connection(id).await {
        Ok(()) => status(200),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the connection could not be forgotten");
            status(500)
        }
    }
}
