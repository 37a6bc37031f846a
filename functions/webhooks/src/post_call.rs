//! ElevenLabs tells how a call went.
//!
//! Its retries are off by default, so the news are kept before they are worked on: what fails can be replayed.

use crate::State;
use crate::inbox::{self, Entry};
use crate::origin::{admit, header};
use axum::Json;
use axum::extract::State as Shared;
use bytes::Bytes;
use conversations::webhooks;
use domain::ids::OrganizationId;
use http::request::Parts;
use providers::elevenlabs::signature;
use providers::elevenlabs::webhook::PostCall;
use serde::Serialize;
use store::{Tenant, Verdict, WebhookKind, now};
use web::{ApiError, Code};

/// The answer to news that are kept.
#[derive(Serialize)]
pub(crate) struct PostCallResponse {
    success: bool,
}

const KIND: WebhookKind = WebhookKind::ElevenlabsPostCall;

/// `POST /api/webhooks/elevenlabs/post-call`. Only 200 counts as delivered (protocols.md 2.4).
pub(crate) async fn post_call(
    Shared(state): Shared<State>,
    parts: Parts,
    body: Bytes,
) -> Result<Json<PostCallResponse>, ApiError> {
    // What cannot be read may still be signed; whose it is then is not known.
    let news = PostCall::parse(&body);
    let tenant = match &news {
        Ok(news) => tenant_of(&state, news).await?,
        Err(_) => None,
    };
    verify(&state, tenant.as_ref(), &parts, &body).await?;
    let news = news.map_err(|error| ApiError::invalid(error.to_string()))?;
    let tenant = match tenant {
        Some(tenant) => admit(&state, tenant).await?,
        // A recording, or something newer than this code: ten failures in a row would end the news of calls too.
        None if matches!(news, PostCall::Audio { .. } | PostCall::Other { .. }) => {
            tracing::info!("news that are not kept, of an agent that no organization has");
            return Ok(Json(PostCallResponse { success: true }));
        }
        None => return Err(call_of_nobody()),
    };
    let entry = Entry::new(&tenant, KIND, provider_id(&news).map(str::to_owned), &body);
    // A recording is megabytes of what we do not use.
    if matches!(news, PostCall::Audio { .. }) {
        entry.keep_without_body("recordings are not kept").await;
        return Ok(Json(PostCallResponse { success: true }));
    }
    entry.keep(Verdict::Received, None).await;
    let worked = webhooks::work(&tenant, KIND, &body, now()).await;
    let (verdict, reason) = inbox::verdict(&worked);
    entry.judge(verdict, reason.as_deref()).await;
    worked.map_err(inbox::answer)?;
    Ok(Json(PostCallResponse { success: true }))
}

/// Whose call it was: by our number, by the agent, then by what we told the agent ourselves.
async fn tenant_of(state: &State, news: &PostCall) -> Result<Option<Tenant>, ApiError> {
    let agent = news.agent_id();
    let number = news.own_number();
    let stacks = state.voice_agent.as_ref().is_some_and(|own| agent == Some(&*own.agent_id));
    // The stack's agent is nobody's own, whatever an organization claims.
    let own = agent.filter(|_| !stacks);
    if let Some(id) = state.store.organization_of_call(number.as_ref(), own, false).await? {
        return Ok(Some(state.store.tenant(&id)));
    }
    if let Some(id) = news.organization_hint().and_then(|id| OrganizationId::parse(id).ok()) {
        let tenant = state.store.tenant(&id);
        if tenant.organization().await?.is_some() {
            return Ok(Some(tenant));
        }
    }
    let first = if stacks { state.store.first_organization().await? } else { None };
    Ok(first.map(|id| state.store.tenant(&id)))
}

/// An organization with a voice agent of its own is signed for by that agent's secret; all others by the stack's.
async fn verify(state: &State, tenant: Option<&Tenant>, parts: &Parts, body: &[u8]) -> Result<(), ApiError> {
    let own = match tenant {
        Some(tenant) => tenant.organization().await?.and_then(|organization| organization.elevenlabs),
        None => None,
    };
    let agent = own.as_ref().or(state.voice_agent.as_deref());
    let secrets: Vec<_> = agent.map(|agent| agent.post_call_secret.clone()).into_iter().collect();
    let Err(reason) = signature::verify(header(parts, "elevenlabs-signature"), body, &secrets, now()) else {
        return Ok(());
    };
    tracing::warn!(%reason, "webhook refused");
    if let Some(tenant) = tenant {
        inbox::refused(state, tenant, KIND, reason.to_string()).await;
    }
    Err(inbox::forbidden())
}

fn provider_id(news: &PostCall) -> Option<&str> {
    match news {
        PostCall::Transcription(call) => Some(&call.conversation_id),
        PostCall::InitiationFailure(failure) => Some(&failure.conversation_id),
        PostCall::Audio { conversation_id, .. } => Some(conversation_id),
        PostCall::Other { .. } => None,
    }
}

fn call_of_nobody() -> ApiError {
    ApiError::with(Code::NotFound, "No organization has this number or agent")
}
