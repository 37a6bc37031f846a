//! AWS clients, made for a fast cold start (perf.md 1-2): credentials straight from the environment, one connection
//! pool, ring, and Amazon's own roots instead of the system's 145.

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
#[cfg(feature = "bedrock")]
use aws_smithy_runtime_api::client::auth::http::HTTP_BEARER_AUTH_SCHEME_ID;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use std::collections::BTreeMap;
use std::time::Duration;

/// Amazon Root CA 1 to 4 and the Starfield root before them.
const AMAZON_ROOTS: &[u8] = include_bytes!("../amazon-roots.pem");

/// What all clients share, and the endpoints that the standard variables name (the local cloud sets them).
pub(crate) struct Clients {
    shared: SdkConfig,
    dynamodb: Option<String>,
    ses: Option<String>,
    secrets: Option<String>,
    #[cfg(feature = "bedrock")]
    bedrock: Option<String>,
}

impl Clients {
    pub(crate) fn from_variables(values: &BTreeMap<String, String>) -> Self {
        let get = |name: &str| values.get(name).filter(|value| !value.is_empty()).cloned();
        let dynamodb = get("AWS_ENDPOINT_URL_DYNAMODB");
        let plain = dynamodb.as_deref().is_some_and(|url| url.starts_with("http://"));
        let credentials = Credentials::new(
            get("AWS_ACCESS_KEY_ID").unwrap_or_default(),
            get("AWS_SECRET_ACCESS_KEY").unwrap_or_default(),
            get("AWS_SESSION_TOKEN"),
            None,
            "environment",
        );
        let region = get("AWS_REGION").unwrap_or_else(|| "us-east-1".to_owned());
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(1))
            .operation_attempt_timeout(Duration::from_secs(3))
            .operation_timeout(Duration::from_secs(8))
            .build();
        let shared = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region))
            .credentials_provider(aws_credential_types::provider::SharedCredentialsProvider::new(credentials))
            .http_client(http_client(plain))
            .sleep_impl(aws_smithy_async::rt::sleep::SharedAsyncSleep::new(
                aws_smithy_async::rt::sleep::TokioSleep::new(),
            ))
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(3))
            .build();
        Self {
            shared,
            dynamodb,
            ses: get("AWS_ENDPOINT_URL_SESV2"),
            secrets: get("AWS_ENDPOINT_URL_SECRETS_MANAGER"),
            #[cfg(feature = "bedrock")]
            bedrock: get("AWS_ENDPOINT_URL_BEDROCK_RUNTIME"),
        }
    }

    pub(crate) fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        let mut config = aws_sdk_dynamodb::config::Builder::from(&self.shared);
        config.set_endpoint_url(self.dynamodb.clone());
        aws_sdk_dynamodb::Client::from_conf(config.build())
    }

    pub(crate) fn ses(&self) -> aws_sdk_sesv2::Client {
        let mut config = aws_sdk_sesv2::config::Builder::from(&self.shared);
        config.set_endpoint_url(self.ses.clone());
        aws_sdk_sesv2::Client::from_conf(config.build())
    }

    /// The function's own role asks, or whoever an API key stands for: the local cloud's functions have no role.
    #[cfg(feature = "bedrock")]
    pub(crate) fn bedrock(&self, api_key: Option<&str>) -> aws_sdk_bedrockruntime::Client {
        // Unlike the tables, it is Amazon's own unless an address is given, in the local cloud too.
        let plain = self.bedrock.as_deref().is_some_and(|url| url.starts_with("http://"));
        let mut config = aws_sdk_bedrockruntime::config::Builder::from(&self.shared).http_client(http_client(plain));
        config.set_endpoint_url(self.bedrock.clone());
        if let Some(key) = api_key {
            config.set_auth_scheme_preference(Some([HTTP_BEARER_AUTH_SCHEME_ID].into()));
            config = config.bearer_token(aws_sdk_bedrockruntime::config::Token::new(key, None));
        }
        aws_sdk_bedrockruntime::Client::from_conf(config.build())
    }

    pub(crate) fn management(&self, endpoint: &str) -> aws_sdk_apigatewaymanagement::Client {
        // A slow client must not hold a batch: the fan-out has its own, shorter patience and its own retries.
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(1))
            .operation_timeout(Duration::from_secs(3))
            .build();
        let config = aws_sdk_apigatewaymanagement::config::Builder::from(&self.shared)
            .endpoint_url(endpoint)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::disabled());
        aws_sdk_apigatewaymanagement::Client::from_conf(config.build())
    }

    /// The stack's secret: one JSON object of names and values.
    pub(crate) async fn secrets(&self, id: &str) -> Result<BTreeMap<String, String>, String> {
        let mut config = aws_sdk_secretsmanager::config::Builder::from(&self.shared);
        config.set_endpoint_url(self.secrets.clone());
        let client = aws_sdk_secretsmanager::Client::from_conf(config.build());
        let secret = client
            .get_secret_value()
            .secret_id(id)
            .send()
            .await
            .map_err(|error| format!("SECRETS_ID: the secret cannot be read: {}", cause(&error)))?;
        serde_json::from_str(secret.secret_string().unwrap_or_default())
            .map_err(|_| "SECRETS_ID: the secret is not a JSON object of texts".to_owned())
    }
}

fn http_client(plain: bool) -> SharedHttpClient {
    let builder = aws_smithy_http_client::Builder::new();
    if plain {
        return builder.build_http();
    }
    let roots = TrustStore::empty().with_pem_certificate(AMAZON_ROOTS);
    let context = TlsContext::builder().with_trust_store(roots).build();
    let builder = builder.tls_provider(Provider::Rustls(CryptoMode::Ring));
    match context {
        Ok(context) => builder.tls_context(context).build_https(),
        Err(_) => builder.build_https(),
    }
}

fn cause(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}
