//! The language models: which there are, and in which order they are asked.

use super::Environment;
#[cfg(feature = "bedrock")]
use providers::llm::ModelServer;
use providers::llm::{Endpoint, Limits, Llm};

/// The order where `LLM_PROVIDERS` says nothing.
const ORDER: &str = "primary,fallback,bedrock";

impl Environment {
    /// The language models in the order of `LLM_PROVIDERS`, without those that are not configured. None at all is a
    /// configuration too; a name that nobody knows and half of a configuration are not.
    pub fn llm(&self, http: &reqwest::Client) -> Llm {
        let mut endpoints: Vec<Endpoint> = Vec::new();
        for name in self.text("LLM_PROVIDERS").unwrap_or(ORDER).split(',').map(str::trim) {
            let endpoint = match name {
                "primary" => self.openai(name, "LLM"),
                "fallback" => self.openai(name, "LLM_FALLBACK"),
                "bedrock" => self.bedrock(name),
                _ => {
                    self.note(format!("LLM_PROVIDERS: {name:?} is none of {ORDER}"));
                    None
                }
            };
            if endpoints.iter().any(|known| known.name == name) {
                self.note(format!("LLM_PROVIDERS: {name} stands there twice"));
            }
            endpoints.extend(endpoint);
        }
        Llm::new(http.clone(), endpoints, self.llm_limits())
    }

    fn llm_limits(&self) -> Limits {
        let default = Limits::default();
        Limits {
            first_token: self.seconds("LLM_FIRST_TOKEN_SECONDS", default.first_token.as_secs_f64()),
            idle: self.seconds("LLM_IDLE_SECONDS", default.idle.as_secs_f64()),
            total: self.seconds("LLM_SECONDS", 25.0),
            ..default
        }
    }

    /// A model at an OpenAI-compatible server, where the variables with this prefix name one. The key alone names none:
    /// the secret has a place for it in any case.
    fn openai(&self, name: &str, prefix: &str) -> Option<Endpoint> {
        let (url, model) = (format!("{prefix}_BASE_URL"), format!("{prefix}_MODEL"));
        if self.text(&url).is_none() && self.text(&model).is_none() {
            return None;
        }
        let (base_url, model) = (self.required(&url), self.required(&model));
        let is_http = |url: reqwest::Url| matches!(url.scheme(), "http" | "https") && url.has_host();
        if !base_url.is_empty() && !base_url.parse().is_ok_and(is_http) {
            self.note(format!("{url} is not an address that begins with https:// or http://"));
        }
        let key = self.secret(&format!("{prefix}_API_KEY"));
        let vision = self.flag(&format!("{prefix}_VISION"));
        Some(Endpoint { vision, ..Endpoint::openai(name, base_url, key, model) })
    }

    /// A model at Amazon Bedrock, in the function's region.
    #[cfg(feature = "bedrock")]
    fn bedrock(&self, name: &str) -> Option<Endpoint> {
        let model = self.text("BEDROCK_MODEL_ID")?.to_owned();
        let client = self.clients.bedrock(self.text("AWS_BEARER_TOKEN_BEDROCK"));
        let (vision, server) = (self.flag("BEDROCK_VISION"), ModelServer::Bedrock(client));
        Some(Endpoint { name: name.to_owned(), model, vision, server })
    }

    /// Silence would be half a configuration: somebody expects answers.
    #[cfg(not(feature = "bedrock"))]
    fn bedrock(&self, _: &str) -> Option<Endpoint> {
        self.text("BEDROCK_MODEL_ID")?;
        self.note("BEDROCK_MODEL_ID: this function is built without Bedrock");
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIMARY: [(&str, &str); 3] =
        [("LLM_BASE_URL", "https://a.example/v1"), ("LLM_MODEL", "big"), ("LLM_VISION", "true")];
    const FALLBACK: [(&str, &str); 2] =
        [("LLM_FALLBACK_BASE_URL", "http://localhost:11434/v1"), ("LLM_FALLBACK_MODEL", "small")];

    /// The models, or what is wrong.
    async fn models(parts: &[&[(&str, &str)]]) -> Result<Vec<(String, String)>, String> {
        let values = parts.concat().into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let environment = Environment::from_values(values.collect()).await.unwrap();
        let llm = environment.llm(&environment.http());
        environment.check().map_err(|error| error.to_string())?;
        Ok(llm.models().map(|(name, model)| (name.to_owned(), model.to_owned())).collect())
    }

    fn named(models: &[(&str, &str)]) -> Result<Vec<(String, String)>, String> {
        Ok(models.iter().map(|(name, model)| ((*name).to_owned(), (*model).to_owned())).collect())
    }

    #[tokio::test]
    async fn configured_models_come_in_the_order_that_is_asked_for() {
        assert_eq!(models(&[]).await, named(&[]));
        assert_eq!(models(&[&[("LLM_API_KEY", "x"), ("LLM_BASE_URL", "")]]).await, named(&[]));
        assert_eq!(models(&[&FALLBACK, &PRIMARY]).await, named(&[("primary", "big"), ("fallback", "small")]));
        assert_eq!(models(&[&FALLBACK]).await, named(&[("fallback", "small")]));
        let order = ("LLM_PROVIDERS", "fallback, primary");
        let both = models(&[&FALLBACK, &PRIMARY, &[order]]).await;
        assert_eq!(both, named(&[("fallback", "small"), ("primary", "big")]));
        assert_eq!(models(&[&FALLBACK, &PRIMARY, &[("LLM_PROVIDERS", "primary")]]).await, named(&[("primary", "big")]));
    }

    #[cfg(feature = "bedrock")]
    #[tokio::test]
    async fn bedrock_is_asked_as_the_functions_role_or_with_a_key() {
        use providers::llm::{ChatMessage, ChatRequest, ChatRole, LlmError};
        use tokio::io::AsyncReadExt;
        let both = models(&[&PRIMARY, &[("BEDROCK_MODEL_ID", "maker.m-v1:0")]]).await;
        assert_eq!(both, named(&[("primary", "big"), ("bedrock", "maker.m-v1:0")]));
        let messages = vec![ChatMessage::text(ChatRole::User, "x")];
        let request = ChatRequest { messages, max_tokens: 1, temperature: None };
        for (key, expected) in [("", "aws4-hmac-sha256 credential=akid/"), ("k", "bearer k\r\n")] {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            let values = [
                ("BEDROCK_MODEL_ID", "m"),
                ("AWS_BEARER_TOKEN_BEDROCK", key),
                ("AWS_ACCESS_KEY_ID", "AKID"),
                ("AWS_SECRET_ACCESS_KEY", "x"),
                ("AWS_REGION", "eu-west-1"),
                ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", &url),
            ];
            let values = values.map(|(name, value)| (name.to_owned(), value.to_owned()));
            let environment = Environment::from_values(values.into()).await.unwrap();
            let llm = environment.llm(&environment.http());
            let head = async {
                let mut head = Vec::new();
                let mut socket = listener.accept().await.unwrap().0;
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(socket.read_u8().await.unwrap());
                }
                // Nobody answers: neither this time nor when it is tried again.
                drop(listener);
                String::from_utf8(head).unwrap().to_lowercase()
            };
            let (answer, head) = tokio::join!(llm.complete(&request), head);
            assert_eq!(answer, Err(LlmError::Unavailable));
            assert!(head.contains(&format!("authorization: {expected}")), "{head}");
            assert!(head.contains("/eu-west-1/bedrock/") || !key.is_empty(), "{head}");
        }
    }

    #[cfg(not(feature = "bedrock"))]
    #[tokio::test]
    async fn a_function_without_bedrock_does_not_start_with_its_model() {
        assert!(models(&[&[("BEDROCK_MODEL_ID", "m")]]).await.unwrap_err().contains("without Bedrock"));
    }

    #[tokio::test]
    async fn what_is_wrong_or_half_is_told_all_at_once() {
        let wrong = [("LLM_PROVIDERS", "primary,fallback,groq,"), ("LLM_BASE_URL", "a.example"), ("LLM_MODEL", "m")];
        let more = [("LLM_FALLBACK_MODEL", "m"), ("LLM_IDLE_SECONDS", "soon")];
        let error = models(&[&wrong, &more]).await.unwrap_err();
        for told in ["\"groq\"", "\"\"", "LLM_BASE_URL is not", "LLM_FALLBACK_BASE_URL is not set", "LLM_IDLE_SECONDS"]
        {
            assert!(error.contains(told), "{told}: {error}");
        }
        let error = models(&[&PRIMARY[..1]]).await.unwrap_err();
        assert!(error.contains("LLM_MODEL is not set"), "{error}");
        let error = models(&[&PRIMARY, &[("LLM_PROVIDERS", "primary,primary")]]).await.unwrap_err();
        assert!(error.contains("twice"), "{error}");
        // Who is not asked need not be complete.
        assert!(models(&[&PRIMARY, &FALLBACK[1..], &[("LLM_PROVIDERS", "primary")]]).await.is_ok());
    }
}
