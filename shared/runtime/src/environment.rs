//! Configuration: environment variables and, by name, the stack's secret.

mod models;

use crate::clients::Clients;
use conversations::chat::{Chats, Pace};
use conversations::texting::{PATIENCE_SECONDS, Texting};
use domain::organization::{TwilioAccount, VoiceAgent};
use domain::phone::PhoneNumber;
use domain::secret::Secret;
use identity::token::Keyring;
use providers::elevenlabs::client::ElevenLabsClient;
use providers::email::Mailer;
use providers::media::ImageFetcher;
use providers::push::Push;
use providers::twilio::client::TwilioClient;
use providers::twilio::signature::SigningKeys;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use store::{Store, Tables};
use web::Authenticator;

/// A token of prose has about four characters; of other texts fewer.
const CHARS_PER_TOKEN: usize = 3;
/// Path of Twilio's status webhook.
const TWILIO_STATUS_PATH: &str = "/api/webhooks/twilio/sms/status";

/// Everything wrong with the configuration, at once.
#[derive(Debug, thiserror::Error)]
#[error("configuration: {}", problems.join("; "))]
pub struct ConfigError {
    problems: Vec<String>,
}

impl ConfigError {
    /// A state that was not built although nothing was noted.
    pub(crate) fn unexplained() -> Self {
        Self { problems: vec!["the function's state could not be built".to_owned()] }
    }
}

/// What a function can be configured with.
///
/// The getters never fail one by one: what is missing is noted, and [`Environment::check`] reports all of it.
pub struct Environment {
    values: BTreeMap<String, String>,
    clients: Clients,
    problems: RefCell<Vec<String>>,
}

impl Environment {
    /// Reads the variables of the process.
    pub(crate) async fn load() -> Result<Self, ConfigError> {
        Self::from_values(process_variables()).await
    }

    /// Takes variables and, where `SECRETS_ID` names one, reads the secret. A variable that is set wins.
    pub async fn from_values(mut values: BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let clients = Clients::from_variables(&values);
        if let Some(id) = values.get("SECRETS_ID").filter(|id| !id.is_empty()) {
            let secrets = clients.secrets(id).await.map_err(|problem| ConfigError { problems: vec![problem] })?;
            for (name, value) in secrets {
                let unset = values.get(&name).is_none_or(String::is_empty);
                if unset {
                    values.insert(name, value);
                }
            }
        }
        Ok(Self { values, clients, problems: RefCell::default() })
    }

    /// Fails when anything asked for was missing or wrong.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let problems = self.problems.take();
        if problems.is_empty() { Ok(()) } else { Err(ConfigError { problems }) }
    }

    fn note(&self, problem: impl Into<String>) {
        self.problems.borrow_mut().push(problem.into());
    }

    /// A value that is set and not empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A value that must be there.
    pub fn required(&self, name: &str) -> &str {
        self.text(name).unwrap_or_else(|| {
            self.note(format!("{name} is not set"));
            ""
        })
    }

    /// A secret; empty when it is not set.
    pub fn secret(&self, name: &str) -> Secret {
        Secret::new(self.text(name).unwrap_or_default())
    }

    /// A number with a default.
    pub fn number<T: std::str::FromStr>(&self, name: &str, default: T) -> T {
        let Some(text) = self.text(name) else { return default };
        text.parse().unwrap_or_else(|_| {
            self.note(format!("{name} is not a number"));
            default
        })
    }

    /// Seconds with a default; fractions are allowed.
    pub fn seconds(&self, name: &str, default: f64) -> Duration {
        Duration::try_from_secs_f64(self.number(name, default)).unwrap_or_else(|_| {
            self.note(format!("{name} is not a time in seconds"));
            Duration::ZERO
        })
    }

    /// Whether a knob is turned on.
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.text(name), Some("1" | "true" | "yes"))
    }

    /// The two tables.
    pub fn store(&self) -> Store {
        let tables = Tables {
            core: self.required("CORE_TABLE").to_owned(),
            ephemeral: self.required("EPHEMERAL_TABLE").to_owned(),
        };
        Store::new(self.clients.dynamodb(), tables)
    }

    /// The keys that sign tokens. `None` notes why.
    pub fn keyring(&self) -> Option<Arc<Keyring>> {
        let previous: Vec<Secret> = self.text("JWT_SECRET_PREVIOUS").map(Secret::new).into_iter().collect();
        let current = Secret::new(self.required("JWT_SECRET"));
        match Keyring::new(&current, &previous) {
            Ok(keys) => Some(Arc::new(keys)),
            Err(error) => {
                self.note(format!("JWT_SECRET: {error}"));
                None
            }
        }
    }

    /// The check of tokens, cookies and tickets. `None` notes why.
    pub fn authenticator(&self) -> Option<Authenticator> {
        let keys = self.keyring()?;
        Some(Authenticator::new(self.store(), keys, self.secret("JWT_SECRET"), self.flag("STREAM_TOKEN_IN_QUERY")))
    }

    /// What Twilio signs with, for the stack's own account.
    pub fn twilio_keys(&self) -> SigningKeys {
        let tokens = ["TWILIO_AUTH_TOKEN", "TWILIO_AUTH_TOKEN_SECONDARY"];
        let shared = self.text("TWILIO_SHARED_KEYS").unwrap_or_default();
        SigningKeys {
            auth_tokens: tokens.iter().filter_map(|name| self.text(name)).map(Secret::new).collect(),
            shared_keys: shared
                .split(',')
                .filter_map(|pair| pair.split_once('='))
                .map(|(id, key)| (id.trim().to_owned(), Secret::new(key.trim())))
                .collect(),
        }
    }

    /// One HTTP client for all providers of a function.
    pub fn http(&self) -> reqwest::Client {
        providers::http::client()
    }

    /// Fetches images that users point at. `MEDIA_ALLOWED_HOSTS` names servers as `host:port`, comma between them, that
    /// need be neither public nor https; for tests.
    pub fn images(&self) -> ImageFetcher {
        let allowed = self.text("MEDIA_ALLOWED_HOSTS").unwrap_or_default().split(',').map(str::trim);
        ImageFetcher::new(allowed.filter(|host| !host.is_empty()).map(str::to_owned))
    }

    /// Twilio's API, the stack's account and number, and where Twilio reports how far messages got.
    pub fn texting(&self, http: &reqwest::Client) -> Texting {
        let url = self.text("TWILIO_API_URL").unwrap_or("https://api.twilio.com");
        let account = self.text("TWILIO_ACCOUNT_SID").map(|account_sid| TwilioAccount {
            account_sid: account_sid.to_owned(),
            auth_token: self.secret("TWILIO_AUTH_TOKEN"),
        });
        let number = self.text("TWILIO_PHONE_NUMBER").and_then(|number| PhoneNumber::parse(number, None).ok());
        Texting {
            client: TwilioClient::new(http.clone(), url),
            account,
            number,
            patience_seconds: self.number("SMS_PATIENCE_SECONDS", PATIENCE_SECONDS),
            status_callback: self.public_base_url().map(|base| format!("{base}{TWILIO_STATUS_PATH}")),
        }
    }

    /// Scheme, host and base path that providers use.
    pub fn public_base_url(&self) -> Option<&str> {
        self.text("PUBLIC_BASE_URL").map(|url| url.trim_end_matches('/'))
    }

    /// ElevenLabs' API.
    pub fn elevenlabs(&self, http: &reqwest::Client) -> ElevenLabsClient {
        let url = self.text("ELEVENLABS_API_URL").unwrap_or("https://api.elevenlabs.io");
        ElevenLabsClient::new(http.clone(), url)
    }

    /// The stack's voice agent, for organizations without one of their own.
    pub fn voice_agent(&self) -> Option<VoiceAgent> {
        Some(VoiceAgent {
            agent_id: self.text("ELEVENLABS_AGENT_ID")?.to_owned(),
            phone_number_id: self.text("ELEVENLABS_PHONE_NUMBER_ID").unwrap_or_default().to_owned(),
            api_key: self.secret("ELEVENLABS_API_KEY"),
            initiation_secret: self.secret("ELEVENLABS_CONVERSATION_INITIATION_WEBHOOK_SECRET"),
            post_call_secret: self.secret("ELEVENLABS_POST_CALL_WEBHOOK_SECRET"),
        })
    }

    /// Questions to the models and their answers (`LLM_SAVE_MS`, `LLM_LEASE_SECONDS`, `LLM_CONTEXT_TOKENS`,
    /// `QUESTIONS_PER_MINUTE`).
    pub fn chats(&self, http: &reqwest::Client) -> Chats {
        let usual = Pace::default();
        let save = self.number("LLM_SAVE_MS", u64::try_from(usual.save.as_millis()).unwrap_or(u64::MAX));
        let history_chars = self.number("LLM_CONTEXT_TOKENS", usual.history_chars / CHARS_PER_TOKEN);
        let pace = Pace {
            save: Duration::from_millis(save.max(10)),
            lease_seconds: self.number("LLM_LEASE_SECONDS", usual.lease_seconds).max(1),
            history_chars: history_chars.saturating_mul(CHARS_PER_TOKEN),
        };
        let questions_per_minute = self.number("QUESTIONS_PER_MINUTE", 30);
        Chats { store: self.store(), llm: self.llm(http), pace, questions_per_minute }
    }

    /// Sends mail by SES.
    pub fn mailer(&self) -> Mailer {
        Mailer::new(self.clients.ses(), self.required("MAIL_FROM"))
    }

    /// Sends frames to WebSocket clients.
    pub fn push(&self) -> Push {
        Push::new(self.clients.management(self.required("WEBSOCKET_ENDPOINT")))
    }
}

// The one place where functions read their environment.
fn process_variables() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}
