//! Events as Lambda delivers them.

use serde_json::{Value, json};
use std::sync::Arc;

/// An HTTP request through the REST API. `resource` is the route, `path` what was asked for.
pub(crate) fn rest(
    method: &str,
    resource: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&str>,
) -> Arc<[u8]> {
    let single: Value = headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let multi: Value = headers.iter().map(|(name, value)| ((*name).to_owned(), json!([value]))).collect();
    let segments = resource.split('/').zip(path.split('/'));
    let named = segments.filter_map(|(name, value)| Some((name.strip_prefix('{')?.strip_suffix('}')?, value)));
    let parameters: Value = named.map(|(name, value)| (name.to_owned(), json!(value))).collect();
    let event = json!({
        "resource": resource,
        "path": path,
        "httpMethod": method,
        "headers": single,
        "multiValueHeaders": multi,
        "queryStringParameters": null,
        "multiValueQueryStringParameters": null,
        "pathParameters": parameters,
        "stageVariables": null,
        "requestContext": {
            "resourceId": "bench",
            "resourcePath": resource,
            "httpMethod": method,
            "path": format!("/v1{path}"),
            "accountId": "000000000000",
            "protocol": "HTTP/1.1",
            "stage": "v1",
            "domainPrefix": "bench",
            "domainName": "bench.execute-api.us-east-1.amazonaws.com",
            "requestId": "00000000-0000-4000-8000-000000000000",
            "requestTimeEpoch": 1_759_492_684_000_i64,
            "apiId": "bench",
            "identity": {"sourceIp": "127.0.0.1", "userAgent": "bench"},
        },
        "body": body,
        "isBase64Encoded": false,
    });
    bytes(&event)
}

/// The end of a WebSocket connection.
pub(crate) fn disconnected(connection: &str) -> Arc<[u8]> {
    bytes(&json!({
        "requestContext": {
            "routeKey": "$disconnect",
            "eventType": "DISCONNECT",
            "connectionId": connection,
            "requestId": "bench",
            "extendedRequestId": "bench",
            "messageDirection": "IN",
            "connectedAt": 1_759_492_684_000_i64,
            "requestTimeEpoch": 1_759_492_684_000_i64,
            "stage": "v1",
            "domainName": "bench.execute-api.us-east-1.amazonaws.com",
            "apiId": "bench",
            "identity": {"sourceIp": "127.0.0.1"},
        },
        "isBase64Encoded": false,
    }))
}

/// A batch of the core table's stream: the events, as they are stored.
pub(crate) fn batch(events: &[domain::event::Event]) -> crate::Result<Arc<[u8]>> {
    let mut records = Vec::new();
    for event in events {
        records.push(json!({
            "eventID": event.seq.to_string(),
            "eventName": "INSERT",
            "eventSource": "aws:dynamodb",
            "awsRegion": "us-east-1",
            "dynamodb": {
                "ApproximateCreationDateTime": event.at.seconds(),
                "Keys": {"pk": {"S": "bench"}, "sk": {"S": format!("M#{:012}", event.seq)}},
                "NewImage": {"body": {"S": serde_json::to_string(event)?}, "etype": {"S": "event"}},
                "SequenceNumber": event.seq.to_string(),
                "StreamViewType": "NEW_AND_OLD_IMAGES",
            },
        }));
    }
    Ok(bytes(&json!({ "Records": records })))
}

fn bytes(event: &Value) -> Arc<[u8]> {
    event.to_string().into_bytes().into()
}
