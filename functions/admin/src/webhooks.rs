//! The webhook inbox: what providers sent, what became of it, and working on it again (G5).

use crate::State;
use crate::caller::Admin;
use axum::Json;
use axum::extract::{Path, State as Shared};
use conversations::webhooks::{WorkError, Worked, work};
use serde::{Deserialize, Serialize};
use store::{Verdict, Webhook, WebhookKind, now};
use web::extract::Query;
use web::{ApiError, Code, page};

/// A webhook as admins see it: never its content.
#[derive(Serialize)]
pub(crate) struct WebhookView {
    id: String,
    kind: WebhookKind,
    received_at: String,
    verdict: Verdict,
    reason: Option<String>,
    /// The provider's id of the message or call.
    provider_id: Option<String>,
    size: usize,
    replayable: bool,
    replays: u32,
}

#[derive(Serialize)]
pub(crate) struct WebhooksResponse {
    success: bool,
    webhooks: Vec<WebhookView>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct ListQuery {
    cursor: Option<String>,
    limit: Option<usize>,
}

/// What a replay came to.
#[derive(Serialize)]
pub(crate) struct ReplayResponse {
    success: bool,
    id: String,
    verdict: Verdict,
    reason: Option<String>,
}

/// `GET /api/admin/webhooks`: newest first, of the last 30 days.
pub(crate) async fn list(
    Shared(state): Shared<State>,
    admin: Admin,
    Query(query): Query<ListQuery>,
) -> Result<Json<WebhooksResponse>, ApiError> {
    let after = query.cursor.as_deref().map(page::decode).transpose()?;
    let found = admin.tenant(&state).webhooks(after.as_deref(), page::limit(query.limit)?).await?;
    Ok(Json(WebhooksResponse {
        success: true,
        webhooks: found.webhooks.into_iter().map(WebhookView::from).collect(),
        next_cursor: found.next.as_deref().map(page::encode),
    }))
}

/// `POST /api/admin/webhooks/{webhook_id}/replay`: does the work again. What was done already changes nothing.
pub(crate) async fn replay(
    Shared(state): Shared<State>,
    admin: Admin,
    Path(id): Path<String>,
) -> Result<Json<ReplayResponse>, ApiError> {
    let tenant = admin.tenant(&state);
    let unknown = || ApiError::with(Code::NotFound, "Webhook not found");
    // Ids are made of letters, digits and dashes: whatever else is asked for is nothing of ours.
    if !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(unknown());
    }
    let (webhook, body) = tenant.webhook(&id).await?.ok_or_else(unknown)?;
    if !replayable(&webhook) {
        return Err(ApiError::with(Code::Conflict, "This webhook was refused or is kept without its body"));
    }
    let (verdict, reason) = match work(&tenant, webhook.kind, &body, now()).await {
        Ok(Worked::Duplicate) => (Verdict::Duplicate, None),
        Ok(Worked::Accepted | Worked::PassedOver) => (Verdict::Accepted, None),
        Err(WorkError::Store(error)) => return Err(error.into()),
        Err(error) => (Verdict::Failed, Some(error.to_string())),
    };
    // What it came to the first time stays true when a replay finds it done.
    let kept =
        if verdict == Verdict::Duplicate && webhook.verdict == Verdict::Accepted { webhook.verdict } else { verdict };
    tenant.judge_webhook(&id, kept, reason.as_deref(), true).await?;
    tracing::info!(kind = ?webhook.kind, ?verdict, "a webhook was replayed");
    Ok(Json(ReplayResponse { success: verdict != Verdict::Failed, id, verdict, reason }))
}

fn replayable(webhook: &Webhook) -> bool {
    webhook.size > 0 && webhook.verdict != Verdict::Refused
}

impl From<Webhook> for WebhookView {
    fn from(webhook: Webhook) -> Self {
        Self {
            replayable: replayable(&webhook),
            id: webhook.id,
            kind: webhook.kind,
            received_at: webhook.at.iso(),
            verdict: webhook.verdict,
            reason: webhook.reason,
            provider_id: webhook.provider_id,
            size: webhook.size,
            replays: webhook.replays,
        }
    }
}
