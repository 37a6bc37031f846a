//! The work of verified webhooks: the same for a first delivery and for a replay from the inbox (G5).

use crate::calls::{self, Recorded};
use crate::inbound;
use domain::time::Timestamp;
use providers::elevenlabs::webhook::{PayloadError, PostCall};
use providers::twilio::webhook::{FormError, IncomingSms, StatusUpdate};
use store::{Appended, StatusChange, StoreError, Tenant, WebhookKind};

/// What the work came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worked {
    /// It changed something.
    Accepted,
    /// We had it already.
    Duplicate,
    /// It is of a kind that we do not keep.
    PassedOver,
}

/// Why the work was not done.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// The body cannot be used.
    #[error("{0}")]
    Form(#[from] FormError),
    /// The body cannot be used.
    #[error("{0}")]
    Payload(#[from] PayloadError),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// Does the work of a webhook.
pub async fn work(tenant: &Tenant, kind: WebhookKind, body: &[u8], at: Timestamp) -> Result<Worked, WorkError> {
    match kind {
        WebhookKind::TwilioSmsIncoming => sms_incoming(tenant, IncomingSms::parse(body)?, at).await,
        WebhookKind::TwilioSmsStatus => sms_status(tenant, &StatusUpdate::parse(body)?, at).await,
        // Answered while the phone rings; there is nothing to do later.
        WebhookKind::ElevenlabsConversationInitiation => Ok(Worked::PassedOver),
        WebhookKind::ElevenlabsPostCall => post_call(tenant, PostCall::parse(body)?, at).await,
    }
}

/// Whether a body can be worked on at all.
pub fn check(kind: WebhookKind, body: &[u8]) -> Result<(), WorkError> {
    match kind {
        WebhookKind::TwilioSmsIncoming => drop(IncomingSms::parse(body)?),
        WebhookKind::TwilioSmsStatus => drop(StatusUpdate::parse(body)?),
        WebhookKind::ElevenlabsPostCall => drop(PostCall::parse(body)?),
        WebhookKind::ElevenlabsConversationInitiation => {}
    }
    Ok(())
}

async fn sms_incoming(tenant: &Tenant, sms: IncomingSms, at: Timestamp) -> Result<Worked, WorkError> {
    match inbound::record_sms(tenant, sms, at).await? {
        Appended::New { conversation, events } => {
            tracing::info!(conversation = conversation.id.log_id(), events = events.len(), "message recorded");
            Ok(Worked::Accepted)
        }
        Appended::Duplicate { conversation_id, .. } => {
            tracing::info!(conversation = conversation_id.log_id(), "duplicate delivery, nothing changed");
            Ok(Worked::Duplicate)
        }
        Appended::Refused(_) => Err(StoreError::Conflict.into()),
    }
}

async fn sms_status(tenant: &Tenant, update: &StatusUpdate, at: Timestamp) -> Result<Worked, WorkError> {
    let change = tenant.sms_status(&update.message_sid, update.status, update.error_code, at).await?;
    tracing::info!(status = update.status.as_str(), ?change, "delivery state received");
    Ok(match change {
        StatusChange::Appended | StatusChange::Unknown => Worked::Accepted,
        StatusChange::Stale => Worked::Duplicate,
    })
}

async fn post_call(tenant: &Tenant, news: PostCall, at: Timestamp) -> Result<Worked, WorkError> {
    let recorded = match news {
        PostCall::Transcription(call) => calls::process_call_transcript(tenant, *call, at).await?,
        PostCall::InitiationFailure(failure) => calls::process_call_failure(tenant, *failure, at).await?,
        PostCall::Audio { .. } => return Ok(Worked::PassedOver),
        PostCall::Other { kind, .. } => {
            tracing::info!(kind = %kind.escape_debug(), "news of a kind that is not known");
            return Ok(Worked::PassedOver);
        }
    };
    Ok(match recorded {
        Recorded::New(id) => {
            tracing::info!(conversation = id.log_id(), "call recorded");
            Worked::Accepted
        }
        Recorded::Duplicate(id) => {
            tracing::info!(conversation = id.log_id(), "duplicate delivery, nothing changed");
            Worked::Duplicate
        }
    })
}
