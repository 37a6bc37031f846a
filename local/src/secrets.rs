//! The Secrets Manager stand-in: the one secret of the template, with values made up once per data folder.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use ::http::{HeaderMap, StatusCode};
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::environment::Environment;
use crate::{files, seed};

/// Id of the secret: its name in the template.
const SECRET_ID: &str = "Secrets";

/// Members that stay empty unless the environment sets them.
const EMPTY: &[&str] = &[
    "AWS_BEARER_TOKEN_BEDROCK",
    "JWT_SECRET_PREVIOUS",
    "LLM_FALLBACK_API_KEY",
    "TWILIO_AUTH_TOKEN_SECONDARY",
    "TWILIO_SHARED_KEYS",
];

/// Why there are no secrets.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The file cannot be read or written.
    #[error("the file of the demo secrets cannot be used")]
    File(#[from] std::io::Error),
    /// The file holds something else.
    #[error("the file of the demo secrets is damaged: start with --fresh to make new ones")]
    Damaged(#[from] serde_json::Error),
    /// The system has no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(getrandom::Error),
}

/// Reads the secrets of the data folder, or makes them. A variable of the same name wins, without being kept.
pub(crate) fn load(data_dir: &Path, environment: &Environment) -> Result<BTreeMap<String, String>, Error> {
    let path = data_dir.join("secrets.json");
    let mut secrets: BTreeMap<String, String> = match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
        Err(error) => return Err(error.into()),
    };
    // A data folder of an older version may lack some.
    let known = secrets.len();
    for (name, make) in generated() {
        if !secrets.contains_key(name) {
            secrets.insert(name.to_owned(), make()?);
        }
    }
    for name in EMPTY {
        secrets.entry((*name).to_owned()).or_default();
    }
    if secrets.len() != known {
        files::write_atomically(&path, &serde_json::to_vec_pretty(&secrets)?)?;
    }
    for (name, value) in &mut secrets {
        if let Some(given) = environment.get(name) {
            given.clone_into(value);
        }
    }
    Ok(secrets)
}

type Make = fn() -> Result<String, Error>;

fn generated() -> [(&'static str, Make); 11] {
    [
        ("JWT_SECRET", || text(64, ALPHANUMERIC)),
        ("SETUP_TOKEN", || text(32, ALPHANUMERIC)),
        // The forms of the providers'; invented, they open nothing but the stand-ins.
        ("TWILIO_ACCOUNT_SID", || Ok(format!("AC{}", text(32, HEX)?))),
        ("TWILIO_AUTH_TOKEN", || text(32, HEX)),
        ("TWILIO_PHONE_NUMBER", || Ok(seed::DEFAULT_NUMBER.to_owned())),
        ("ELEVENLABS_API_KEY", || Ok(format!("sk_{}", text(48, HEX)?))),
        ("ELEVENLABS_AGENT_ID", || Ok(format!("agent_{}", text(28, HEX)?))),
        ("ELEVENLABS_PHONE_NUMBER_ID", || Ok(format!("phnum_{}", text(28, HEX)?))),
        ("ELEVENLABS_CONVERSATION_INITIATION_WEBHOOK_SECRET", || Ok(format!("whsec_{}", text(32, ALPHANUMERIC)?))),
        ("ELEVENLABS_POST_CALL_WEBHOOK_SECRET", || Ok(format!("wsec_{}", text(32, ALPHANUMERIC)?))),
        ("LLM_API_KEY", || Ok(format!("sk-local-{}", text(32, ALPHANUMERIC)?))),
    ]
}

/// 64 characters, so that a byte maps to them evenly.
const ALPHANUMERIC: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789Az";
const HEX: &[u8; 16] = b"0123456789abcdef";

fn text(length: usize, alphabet: &[u8]) -> Result<String, Error> {
    let mut bytes = vec![0; length];
    getrandom::fill(&mut bytes).map_err(Error::Random)?;
    let character = |byte: u8| alphabet.get(usize::from(byte) % alphabet.len()).copied().map(char::from);
    Ok(bytes.into_iter().filter_map(character).collect())
}

/// What functions call: `GetSecretValue` at the root, told apart by its header.
pub(crate) fn router(secrets: &BTreeMap<String, String>) -> Router {
    let text: Arc<str> = json!(secrets).to_string().into();
    Router::new().route("/", post(get_secret_value)).with_state(text)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetSecretValue {
    secret_id: String,
}

async fn get_secret_value(State(secrets): State<Arc<str>>, headers: HeaderMap, body: bytes::Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    if target != "secretsmanager.GetSecretValue" {
        return exception("InvalidRequestException", "The local cloud answers only GetSecretValue here.");
    }
    match serde_json::from_slice::<GetSecretValue>(&body) {
        Ok(request) if request.secret_id == SECRET_ID => answer(
            StatusCode::OK,
            &json!({
                "ARN": "arn:aws:secretsmanager:us-east-1:000000000000:secret:Secrets-local1",
                "Name": SECRET_ID,
                "SecretString": &*secrets,
                "VersionId": "00000000-0000-0000-0000-000000000001",
                "VersionStages": ["AWSCURRENT"],
            }),
        ),
        Ok(_) => exception("ResourceNotFoundException", "Secrets Manager can't find the specified secret."),
        Err(_) => exception("InvalidParameterException", "SecretId is missing."),
    }
}

fn exception(kind: &str, message: &str) -> Response {
    answer(StatusCode::BAD_REQUEST, &json!({"__type": kind, "Message": message}))
}

fn answer(status: StatusCode, body: &Value) -> Response {
    (status, [("content-type", "application/x-amz-json-1.1")], body.to_string()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tower::ServiceExt;

    #[test]
    fn secrets_are_made_once_and_the_environment_wins_without_being_kept() {
        let folder = tempfile::tempdir().unwrap();
        let first = load(folder.path(), &Environment::default()).unwrap();
        assert_eq!(first["JWT_SECRET"].len(), 64);
        assert!(first["TWILIO_ACCOUNT_SID"].starts_with("AC") && first["TWILIO_ACCOUNT_SID"].len() == 34);
        assert_eq!(first["TWILIO_SHARED_KEYS"], "");
        assert!(first["ELEVENLABS_POST_CALL_WEBHOOK_SECRET"].starts_with("wsec_"));

        let given = crate::environment::with(&[("JWT_SECRET", "mine")]);
        let second = load(folder.path(), &given).unwrap();
        assert_eq!(second["JWT_SECRET"], "mine");
        assert_eq!(load(folder.path(), &Environment::default()).unwrap(), first);
    }

    #[test]
    fn a_member_that_a_new_version_adds_is_made_without_changing_the_others() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secrets.json"), r#"{"JWT_SECRET":"old"}"#).unwrap();
        let secrets = load(folder.path(), &Environment::default()).unwrap();
        assert_eq!(secrets["JWT_SECRET"], "old");
        assert_eq!(secrets["SETUP_TOKEN"].len(), 32);
    }

    async fn call(target: &str, body: &str) -> (StatusCode, Value) {
        let router = router(&BTreeMap::from([("A".to_owned(), "b".to_owned())]));
        let request =
            ::http::Request::post("/").header("x-amz-target", target).body(axum::body::Body::from(body.to_owned()));
        let response = router.oneshot(request.unwrap()).await.unwrap();
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap())
    }

    #[tokio::test]
    async fn only_our_secret_is_there() {
        let (status, answer) = call("secretsmanager.GetSecretValue", r#"{"SecretId":"Secrets"}"#).await;
        assert_eq!((status, &answer["SecretString"]), (StatusCode::OK, &json!(r#"{"A":"b"}"#)));
        let (status, answer) = call("secretsmanager.GetSecretValue", r#"{"SecretId":"x"}"#).await;
        assert_eq!((status, &answer["__type"]), (StatusCode::BAD_REQUEST, &json!("ResourceNotFoundException")));
        assert_eq!(call("secretsmanager.PutSecretValue", "{}").await.0, StatusCode::BAD_REQUEST);
    }
}
