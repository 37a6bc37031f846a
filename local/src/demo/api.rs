//! The requests that the agent's console makes.

use reqwest::{Client, RequestBuilder, Response};
use serde::{Deserialize, Serialize};

use super::{Cast, Error};
use crate::info::Running;

/// The API, as one agent and about one customer.
pub(super) struct Api<'a> {
    client: Client,
    base: &'a str,
    cast: &'a Cast<'a>,
}

#[derive(Serialize)]
struct Join<'a> {
    #[serde(rename = "phoneNumber")]
    phone_number: &'a str,
    #[serde(rename = "agentName")]
    agent_name: &'a str,
    #[serde(rename = "handoffReason")]
    handoff_reason: &'static str,
}

#[derive(Serialize)]
struct Leave<'a> {
    #[serde(rename = "phoneNumber")]
    phone_number: &'a str,
    summary: &'a str,
}

#[derive(Serialize)]
struct SendMessage<'a> {
    #[serde(rename = "phoneNumber")]
    phone_number: &'a str,
    message: &'a str,
}

/// The part of a status that the demo needs, in either spelling.
#[derive(Deserialize)]
struct Status {
    #[serde(
        default,
        alias = "isUnderHumanControl",
        alias = "is_under_human_control",
        alias = "underHumanControl",
        alias = "human_control"
    )]
    under_human_control: bool,
}

#[derive(Deserialize)]
struct Refusal {
    detail: String,
}

impl<'a> Api<'a> {
    pub(super) fn new(cloud: &'a Running, cast: &'a Cast<'a>) -> Result<Self, Error> {
        Ok(Self { client: Client::builder().no_proxy().build()?, base: &cloud.base_url, cast })
    }

    /// The stream of the customer, history first.
    pub(super) async fn stream(&self) -> Result<Response, Error> {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("phoneNumber", self.cast.customer),
                ("load", "true"),
                ("organizationId", &self.cast.organization.id),
            ])
            .finish();
        let request = self.client.get(format!("{}/api/stream/conversation/{}?{query}", self.base, self.cast.lead_id));
        self.call("the live stream", request).await
    }

    /// Whether somebody is in control already. An answer of another form counts as no.
    pub(super) async fn under_human_control(&self) -> Result<bool, Error> {
        let digits: String = self.cast.customer.chars().filter(char::is_ascii_digit).collect();
        let url = format!("{}/api/conversations/human-control/status/{digits}", self.base);
        let answer = self.client.get(url).bearer_auth(self.cast.agent.token.expose()).send().await?;
        Ok(answer.json::<Status>().await.is_ok_and(|status| status.under_human_control))
    }

    pub(super) async fn join(&self) -> Result<(), Error> {
        let Cast { customer, agent_name, .. } = self.cast;
        let body = Join { phone_number: customer, agent_name, handoff_reason: "The demo shows a takeover." };
        self.post("the takeover", "join", &body).await
    }

    pub(super) async fn send_message(&self, message: &str) -> Result<(), Error> {
        let body = SendMessage { phone_number: self.cast.customer, message };
        self.post("the agent's message", "send-message", &body).await
    }

    pub(super) async fn leave(&self, summary: &str) -> Result<(), Error> {
        let body = Leave { phone_number: self.cast.customer, summary };
        self.post("the hand-over", "leave", &body).await
    }

    async fn post<T: Serialize>(&self, what: &'static str, action: &str, body: &T) -> Result<(), Error> {
        let url = format!("{}/api/conversations/human-control/{action}", self.base);
        self.call(what, self.client.post(url).json(body)).await.map(|_| ())
    }

    async fn call(&self, what: &'static str, request: RequestBuilder) -> Result<Response, Error> {
        let answer = request.bearer_auth(self.cast.agent.token.expose()).send().await?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let detail = answer.json::<Refusal>().await.map_or_else(|_| "no reason given".to_owned(), |body| body.detail);
        Err(Error::Refused { what, status: status.as_u16(), detail })
    }
}
