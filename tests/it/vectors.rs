//! Test vectors made by the vendors' own libraries: each file is a table of inputs and the answer that is due.
//!
//! The folder is `tests/vectors`, or the one that `SWITCHBOARD_VECTORS` names: any files of the same format do.

mod llm;

use aws_lambda_events::event::apigw::{
    ApiGatewayProxyRequest, ApiGatewayV2httpRequest, ApiGatewayWebsocketProxyRequest,
};
use aws_lambda_events::event::lambda_function_urls::LambdaFunctionUrlRequest;
use aws_lambda_events::event::{dynamodb, s3, sqs};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::phone::{self, PhoneNumber, Region};
use domain::secret::Secret;
use domain::time::Timestamp;
use identity::jwks::Jwks;
use identity::password::{self, PasswordHash, Verdict};
use identity::token::Keyring;
use identity::verifier::{AudienceClaim, Keys, Policy, Verifier};
use providers::elevenlabs;
use providers::elevenlabs::webhook::{InitiationRequest, PostCall};
use providers::llm::sse::SseParser;
use providers::twilio::signature::{SignedRequest, SigningKeys, verify};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::PathBuf;

#[expect(clippy::disallowed_methods, reason = "the folder is chosen by whoever runs the tests")]
fn folder() -> PathBuf {
    std::env::var("SWITCHBOARD_VECTORS")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/vectors").to_owned())
        .into()
}

fn read(path: &str) -> Value {
    let path = folder().join(path);
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn rows<'a>(file: &'a Value, name: &str) -> &'a [Value] {
    let rows = file[name].as_array().unwrap_or_else(|| panic!("no list {name:?} in the file"));
    assert!(!rows.is_empty(), "the list {name:?} is empty");
    rows
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no text {name:?} in {value}"))
}

fn flag(value: &Value, name: &str) -> bool {
    value[name].as_bool().unwrap_or_else(|| panic!("no true or false {name:?} in {value}"))
}

/// Fails with every row that went wrong, not only the first.
fn all_right(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

fn header<'a>(headers: &'a Value, name: &str) -> Option<&'a str> {
    let mut headers = headers.as_object()?.iter();
    headers.find(|(key, _)| key.eq_ignore_ascii_case(name)).and_then(|(_, value)| value.as_str())
}

#[test]
fn twilio_signature_vectors() {
    let file = read("twilio_signature.json");
    let mut wrong = Vec::new();
    for row in rows(&file, "vectors") {
        let settings = header(&row["headers"], "X-Twilio-Webhooks-Signature-Settings");
        let secret = Secret::new(text(row, "auth_token"));
        // A row has one secret: the Auth Token, or the shared key that its settings header names.
        let shared_key = settings.unwrap_or_default().split(',').find_map(|pair| {
            let (name, id) = pair.split_once('=')?;
            (name.trim() == "key").then(|| (id.trim().to_owned(), secret.clone()))
        });
        let keys = SigningKeys { auth_tokens: vec![secret.clone()], shared_keys: shared_key.into_iter().collect() };
        let request = SignedRequest {
            method: text(row, "method"),
            url: text(row, "url"),
            content_type: header(&row["headers"], "Content-Type"),
            body: text(row, "body").as_bytes(),
            signature: header(&row["headers"], "X-Twilio-Signature"),
            settings,
        };
        let answer = verify(&request, &keys);
        if answer.is_ok() != flag(row, "expected_valid") {
            wrong.push(format!("{}: {answer:?} ({})", text(row, "id"), text(row, "note")));
        }
    }
    all_right(&wrong);
}

#[test]
fn elevenlabs_signature_vectors() {
    let file = read("elevenlabs_signature.json");
    let mut wrong = Vec::new();
    for row in rows(&file, "vectors") {
        let now = Timestamp::from_millis(row["now"].as_i64().unwrap() * 1000);
        let secrets = [Secret::new(text(row, "secret"))];
        let answer = elevenlabs::signature::verify(row["header"].as_str(), text(row, "body").as_bytes(), &secrets, now);
        if answer.is_ok() != flag(row, "expected_valid") {
            wrong.push(format!("{}: {answer:?} ({})", text(row, "id"), text(row, "note")));
        }
    }
    all_right(&wrong);
}

#[test]
fn elevenlabs_payload_vectors() {
    let file = read("webhook_payloads/elevenlabs.json");
    let mut wrong = Vec::new();
    let mut news = 0;
    for (name, payload) in file.as_object().unwrap() {
        if !name.starts_with("post_call") && !name.starts_with("call_initiation_failure") {
            continue;
        }
        news += 1;
        if let Err(error) = PostCall::parse(payload.to_string().as_bytes()) {
            wrong.push(format!("{name}: {error}"));
        }
    }
    assert_ne!(news, 0, "no news of calls in the file");
    let asked = InitiationRequest::parse(file["init_request"].to_string().as_bytes());
    if !asked.as_ref().is_ok_and(|asked| asked.caller_id.is_some() && asked.called_number.is_some()) {
        wrong.push(format!("init_request: {asked:?}"));
    }
    all_right(&wrong);
}

/// Type, data and last id of every event of a stream that comes in pieces of this size, and its reconnection time.
fn sse_events(bytes: &[u8], piece: usize) -> (Vec<(String, String, String)>, Option<u64>) {
    let mut parser = SseParser::new();
    let mut events = Vec::new();
    for piece in bytes.chunks(piece) {
        let more = parser.push(piece).unwrap();
        events.extend(more.into_iter().map(|event| (event.kind, event.data, event.id)));
    }
    (events, parser.retry())
}

#[test]
fn sse_parse_vectors() {
    let file = read("sse_parse.json");
    let mut wrong = Vec::new();
    for row in rows(&file, "vectors") {
        let bytes = STANDARD.decode(text(row, "bytes_base64")).unwrap();
        let part = |event: &Value, name: &str| text(event, name).to_owned();
        let events = row["expected_events"].as_array().unwrap().iter();
        let events = events.map(|event| (part(event, "type"), part(event, "data"), part(event, "lastEventId")));
        let expected = (events.collect::<Vec<_>>(), row["expected_retry"].as_u64());
        for piece in [1, 2, 3, 7, bytes.len().max(1)] {
            let read = sse_events(&bytes, piece);
            if read != expected {
                wrong.push(format!("{} in pieces of {piece}: {read:?}", text(row, "id")));
            }
        }
    }
    all_right(&wrong);
}

#[test]
fn jwt_vectors() {
    let file = read("jwt.json");
    let policy = &file["policy"];
    let keyring = Keyring::new(&Secret::new(text(policy, "hs_secret")), &[]).unwrap();
    let jwks = Jwks::parse(file["jwks"].to_string().as_bytes()).unwrap();
    // After the tokens that must have expired, before those that must not.
    let now = Timestamp::from_millis(1_795_183_200_000);
    let mut wrong = Vec::new();
    for row in rows(&file, "vectors") {
        let keys = match row["keyset"].as_str() {
            Some("jwks") => Keys::Published(jwks.clone()),
            _ => Keys::Shared(keyring.clone()),
        };
        let audience_claim = match row["mode"].as_str() {
            None => AudienceClaim::Standard,
            Some("cognito_access") => AudienceClaim::CognitoAccess,
            Some(other) => panic!("unknown mode {other}"),
        };
        let policy = Policy {
            issuer: text(policy, "issuer").to_owned(),
            audience: text(policy, "audience").to_owned(),
            audience_claim,
        };
        let answer = Verifier::new(keys, policy).verify::<Value>(text(row, "token"), now);
        if answer.is_ok() != flag(row, "expected_valid") {
            wrong.push(format!("{}: {answer:?} ({})", text(row, "id"), text(row, "note")));
        }
    }
    all_right(&wrong);
}

#[test]
fn phone_e164_vectors() {
    let file = read("phone_e164.json");
    let mut wrong = Vec::new();
    for row in rows(&file, "rows") {
        let raw = row[0].as_str().unwrap();
        let region: Option<Region> = row[1].as_str().map(|name| name.parse().unwrap());
        let expected = row[2].as_str();
        let number = PhoneNumber::parse(raw, region).ok();
        let number = number.as_ref().map(PhoneNumber::as_str);
        let valid = number.is_some_and(phone::is_valid);
        if number != expected || valid != row[3].as_bool().unwrap() {
            wrong.push(format!("{row}: {number:?}, valid {valid}"));
        }
    }
    all_right(&wrong);
}

#[test]
fn password_hash_vectors() {
    let file = read("password_hash.json");
    let mut wrong = Vec::new();
    for row in rows(&file, "vectors") {
        let password = Secret::new(text(row, "password"));
        let answer = password::verify(&password, Some(&PasswordHash::new(text(row, "hash"))));
        if matches!(answer, Verdict::Correct { .. }) != flag(row, "expected") {
            wrong.push(format!("{}: {answer:?}", text(row, "id")));
        }
    }
    all_right(&wrong);
}

#[test]
fn aws_events_vectors() {
    let keys = SigningKeys { auth_tokens: vec![events_auth_token()], ..SigningKeys::default() };
    let mut wrong = Vec::new();
    let mut files = 0;
    for entry in std::fs::read_dir(folder().join("aws_events")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !name.ends_with(".json") {
            continue;
        }
        files += 1;
        let event = read(&format!("aws_events/{name}"));
        if let Err(reason) = parses(&event).and_then(|()| twilio_verifies(&event, &keys)) {
            wrong.push(format!("{name}: {reason}"));
        }
    }
    assert_ne!(files, 0, "the folder aws_events is empty");
    all_right(&wrong);
}

/// The token that the Twilio events are signed with.
fn events_auth_token() -> Secret {
    let file = read("twilio_signature.json");
    let vectors = rows(&file, "vectors");
    let forms = || vectors.iter().filter(|row| text(row, "id").starts_with("form-"));
    let row = forms().find(|row| text(row, "id").starts_with("form-02")).or_else(|| forms().next());
    Secret::new(text(row.unwrap(), "auth_token"))
}

fn parses(event: &Value) -> Result<(), String> {
    fn parse<T: DeserializeOwned>(event: &Value) -> Result<(), String> {
        let text = event.to_string();
        serde_json::from_str::<T>(&text).map(|_| ()).map_err(|error| error.to_string())
    }
    let context = &event["requestContext"];
    let domain = context["domainName"].as_str().unwrap_or_default();
    match event["Records"][0]["eventSource"].as_str() {
        Some("aws:dynamodb") => parse::<dynamodb::Event>(event),
        Some("aws:s3") => parse::<s3::S3Event>(event),
        Some("aws:sqs") => parse::<sqs::SqsEvent>(event),
        Some(other) => Err(format!("unknown event source {other}")),
        None if event["DDBStreamBatchInfo"].is_object() => Ok(()),
        None if context["connectionId"].is_string() => parse::<ApiGatewayWebsocketProxyRequest>(event),
        None if domain.contains(".lambda-url.") => parse::<LambdaFunctionUrlRequest>(event),
        None if context["http"].is_object() => parse::<ApiGatewayV2httpRequest>(event),
        None if event["httpMethod"].is_string() => {
            parse::<ApiGatewayProxyRequest>(event)?;
            // What the functions read requests with.
            lambda_http::request::from_str(&event.to_string()).map(|_| ()).map_err(|error| error.to_string())
        }
        None => Err("an event of an unknown kind".to_owned()),
    }
}

/// Checks the signature of an event that has one, over the public URL rebuilt as protocols.md 1.2 says.
fn twilio_verifies(event: &Value, keys: &SigningKeys) -> Result<(), String> {
    let headers = &event["headers"];
    let Some(signature) = header(headers, "X-Twilio-Signature") else {
        return Ok(());
    };
    let context = &event["requestContext"];
    let (path, method, query) = match event["rawPath"].as_str() {
        Some(path) => (path, &context["http"]["method"], event["rawQueryString"].as_str().unwrap_or_default()),
        None => (context["path"].as_str().ok_or("no path")?, &event["httpMethod"], ""),
    };
    let query = if query.is_empty() { String::new() } else { format!("?{query}") };
    let body = event["body"].as_str().unwrap_or_default();
    let body = if event["isBase64Encoded"] == true {
        STANDARD.decode(body).map_err(|error| error.to_string())?
    } else {
        body.as_bytes().to_vec()
    };
    let hosts = [header(headers, "Host"), context["domainName"].as_str()];
    let verified = hosts.into_iter().flatten().any(|host| {
        let request = SignedRequest {
            method: method.as_str().unwrap_or_default(),
            url: &format!("https://{host}{path}{query}"),
            content_type: header(headers, "Content-Type"),
            body: &body,
            signature: Some(signature),
            settings: header(headers, "X-Twilio-Webhooks-Signature-Settings"),
        };
        verify(&request, keys).is_ok()
    });
    if verified { Ok(()) } else { Err("the Twilio signature does not verify".to_owned()) }
}
