//! Requests from a provider to our webhooks, tried again for a few seconds while they are refused.

use std::time::Duration;

use reqwest::Client;

/// Waits before the attempts. A webhook may come before the function has recorded what it is about.
const WAITS_MS: [u64; 5] = [0, 100, 400, 1600, 3200];

/// How long one attempt may take, as at Twilio.
const TIMEOUT: Duration = Duration::from_secs(15);

/// A client that goes to the address it is given: no redirects, and no proxy of the environment.
pub(crate) fn client() -> reqwest::Result<Client> {
    Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).timeout(TIMEOUT).build()
}

/// A request to a webhook.
pub(crate) struct Callback {
    pub(crate) url: String,
    /// Where else this machine serves it, should the address not be reachable from here.
    pub(crate) local_url: Option<String>,
    pub(crate) content_type: &'static str,
    /// The header that proves the origin, and its value.
    pub(crate) proof: (&'static str, String),
    pub(crate) body: String,
}

impl Callback {
    /// Sends it until it is taken, or given up.
    pub(crate) async fn deliver(&self, client: &Client, provider: &'static str) {
        let mut status = None;
        for wait in WAITS_MS {
            tokio::time::sleep(Duration::from_millis(wait)).await;
            status = self.attempt(client).await;
            if status.is_some_and(|status| (200..300).contains(&status)) {
                return;
            }
        }
        tracing::warn!(provider, status, "a webhook was refused; given up");
    }

    /// The answer's status, if there is one.
    async fn attempt(&self, client: &Client) -> Option<u16> {
        let send = async |url: &str| {
            let (name, value) = &self.proof;
            let request = client.post(url).header("content-type", self.content_type).header(*name, value);
            request.body(self.body.clone()).send().await
        };
        let answer = match (send(&self.url).await, &self.local_url) {
            // A time-out may have been a delivery.
            (Err(error), Some(local)) if !error.is_timeout() => send(local).await,
            (answer, _) => answer,
        };
        answer.ok().map(|answer| answer.status().as_u16())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::{HeaderMap, StatusCode};
    use axum::Router;
    use axum::extract::State;
    use axum::routing::post;
    use std::sync::{Arc, Mutex};

    type Seen = Arc<Mutex<Vec<String>>>;

    async fn refuse_first(State(seen): State<Seen>, headers: HeaderMap, body: String) -> StatusCode {
        let mut seen = seen.lock().unwrap();
        seen.push(format!("{} {body}", headers["x-proof"].to_str().unwrap()));
        if seen.len() == 1 { StatusCode::NOT_FOUND } else { StatusCode::NO_CONTENT }
    }

    #[tokio::test]
    async fn a_refused_webhook_comes_again_and_finds_this_machine() {
        let seen = Seen::default();
        let router = Router::new().route("/hook", post(refuse_first)).with_state(Arc::clone(&seen));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let local = format!("http://{}/hook", listener.local_addr().unwrap());
        crate::http::system::spawn(crate::http::serve(listener, router, std::future::pending()));

        let callback = Callback {
            url: "http://127.0.0.1:1/hook".to_owned(),
            local_url: Some(local),
            content_type: "text/plain",
            proof: ("x-proof", "p".to_owned()),
            body: "b".to_owned(),
        };
        callback.deliver(&client().unwrap(), "test").await;
        assert_eq!(*seen.lock().unwrap(), ["p b", "p b"]);
    }
}
