//! The organization's inbox: what came in and what became of it. It must never fail a webhook: what cannot be noted is
//! logged.

use crate::State;
use conversations::webhooks::{WorkError, Worked};
use domain::time::Timestamp;
use identity::random;
use store::{Limit, Tenant, Verdict, Webhook, WebhookKind, now};
use web::{ApiError, Code};

/// Refused webhooks that are noted in a minute: anybody can send them.
const REFUSALS: u32 = 30;

/// A webhook on its way through.
pub(crate) struct Entry<'a> {
    pub(crate) tenant: &'a Tenant,
    pub(crate) kind: WebhookKind,
    pub(crate) provider_id: Option<String>,
    pub(crate) body: &'a [u8],
    id: String,
    at: Timestamp,
}

impl<'a> Entry<'a> {
    pub(crate) fn new(tenant: &'a Tenant, kind: WebhookKind, provider_id: Option<String>, body: &'a [u8]) -> Self {
        let at = now();
        let id = random::new_ordered_id(at);
        Self { tenant, kind, provider_id, body, id, at }
    }

    /// Keeps it, with what has become of it so far.
    pub(crate) async fn keep(&self, verdict: Verdict, reason: Option<String>) {
        let body = if verdict == Verdict::Refused { &[] } else { self.body };
        let webhook = Webhook {
            id: self.id.clone(),
            kind: self.kind,
            at: self.at,
            verdict,
            reason,
            provider_id: self.provider_id.clone(),
            size: body.len(),
            replays: 0,
        };
        if let Err(error) = self.tenant.keep_webhook(&webhook, body).await {
            tracing::error!(error = &error as &dyn std::error::Error, "a webhook is not in the inbox");
        }
    }

    /// Notes that it came, without its bytes.
    pub(crate) async fn keep_without_body(&self, reason: &str) {
        let empty = Entry { body: &[], id: self.id.clone(), provider_id: self.provider_id.clone(), ..*self };
        empty.keep(Verdict::Accepted, Some(reason.to_owned())).await;
    }

    /// Notes what became of one that is kept.
    pub(crate) async fn judge(&self, verdict: Verdict, reason: Option<&str>) {
        if let Err(error) = self.tenant.judge_webhook(&self.id, verdict, reason, false).await {
            tracing::error!(error = &error as &dyn std::error::Error, "a webhook's verdict is not in the inbox");
        }
    }
}

/// Notes that a webhook was refused, in the inbox of the organization that it claims to be for.
pub(crate) async fn refused(state: &State, tenant: &Tenant, kind: WebhookKind, reason: String) {
    let limit = Limit { what: "webhooks-refused", max: REFUSALS, seconds: 60 };
    if let Ok(None) = state.store.exceeded(&limit, tenant.organization_id().as_str()).await {
        Entry::new(tenant, kind, None, &[]).keep(Verdict::Refused, Some(reason)).await;
    }
}

/// What the inbox says of work that was done.
pub(crate) fn verdict(worked: &Result<Worked, WorkError>) -> (Verdict, Option<String>) {
    match worked {
        Ok(Worked::Accepted) => (Verdict::Accepted, None),
        Ok(Worked::Duplicate) => (Verdict::Duplicate, None),
        Ok(Worked::PassedOver) => (Verdict::Accepted, Some("of a kind that is not kept".to_owned())),
        Err(error) => (Verdict::Failed, Some(error.to_string())),
    }
}

/// What the provider is told of work that was not done: a body that cannot be read will not do better next time.
pub(crate) fn answer(error: WorkError) -> ApiError {
    match error {
        WorkError::Form(error) => ApiError::invalid(error.to_string()),
        WorkError::Payload(error) => ApiError::invalid(error.to_string()),
        WorkError::Store(error) => error.into(),
    }
}

/// The answer to a provider that could not prove itself. It says nothing; the log and the inbox say why.
pub(crate) fn forbidden() -> ApiError {
    Code::InvalidSignature.into()
}
