//! Webhooks signed as Twilio signs them, with the demo account's token.

use super::cloud::Cloud;
use domain::secret::Secret;
use providers::twilio::signature;
use reqwest::{Method, RequestBuilder, Response};

pub(crate) const INCOMING: &str = "/api/webhooks/twilio/sms/incoming";
pub(crate) const STATUS: &str = "/api/webhooks/twilio/sms/status";

/// A text message on its way in.
#[derive(Clone, Debug)]
pub(crate) struct Sms<'a> {
    pub(crate) sid: String,
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
    pub(crate) body: String,
    pub(crate) more: Vec<(&'a str, String)>,
}

impl<'a> Sms<'a> {
    pub(crate) fn new(from: &'a str, to: &'a str, body: impl Into<String>) -> Self {
        let sid = format!("SM{}", identity::random::new_id().replace('-', ""));
        Self { sid, from, to, body: body.into(), more: Vec::new() }
    }

    pub(crate) fn form(&self, cloud: &Cloud) -> String {
        let account = &cloud.info.twilio.as_ref().unwrap().account_sid;
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs([
            ("MessageSid", self.sid.as_str()),
            ("AccountSid", account),
            ("From", self.from),
            ("To", self.to),
            ("Body", &self.body),
        ]);
        form.extend_pairs(self.more.iter().map(|(name, value)| (*name, value.as_str())));
        form.finish()
    }
}

impl Cloud {
    /// A signed form post to a webhook.
    pub(crate) fn signed(&self, path: &str, form: String) -> RequestBuilder {
        let token = Secret::new(&self.info.twilio.as_ref().unwrap().auth_token);
        let url = format!("{}{path}", self.info.public_base_url);
        self.anonymous(Method::POST, path)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("x-twilio-signature", signature::sign(&url, form.as_bytes(), &token))
            .body(form)
    }

    /// Delivers a text message.
    pub(crate) async fn sms(&self, sms: &Sms<'_>) -> Response {
        self.signed(INCOMING, sms.form(self)).send().await.unwrap()
    }

    /// Delivers a text message that must be taken.
    pub(crate) async fn text(&self, from: &str, to: &str, body: &str) {
        let response = self.sms(&Sms::new(from, to, body)).await;
        assert_eq!(response.status(), 200, "the webhook");
    }

    /// Delivers a delivery state.
    pub(crate) async fn sms_status(&self, sid: &str, from: &str, to: &str, status: &str) -> Response {
        let account = &self.info.twilio.as_ref().unwrap().account_sid;
        let fields =
            [("MessageSid", sid), ("AccountSid", account), ("From", from), ("To", to), ("MessageStatus", status)];
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.signed(STATUS, form).send().await.unwrap()
    }
}
