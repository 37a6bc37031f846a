//! The briefing of a contact, kept ready for their next call (G44).

use crate::reply::{LOOK_BACK, chat};
use domain::context::{brief, summary_prompt, window};
use domain::event::{Event, EventBody};
use providers::llm::Llm;
use store::{StoreError, Tenant};

/// Events after which a model writes a new summary.
const SUMMARY_AFTER: u64 = 30;
const SUMMARY_TOKENS: u32 = 300;

/// Brings the briefing of an event's contact up to date. A model that fails leaves the summary to the rules.
pub async fn refresh(tenant: &Tenant, event: &Event, llm: &Llm) -> Result<(), StoreError> {
    let events = tenant.latest_of_contact(&event.contact_id, LOOK_BACK).await?;
    let timeline = tenant.timeline(&event.contact_id).await?;
    let (_, caller) = tenant.caller(Some(&event.phone)).await?;
    let previous = caller.map(|(_, caller)| caller.briefing).unwrap_or_default();
    let upto = events.last().map_or(0, |event| event.contact_seq);
    if upto <= previous.upto {
        return Ok(());
    }
    let due = upto.saturating_sub(previous.summarised) >= SUMMARY_AFTER
        || matches!(event.body, EventBody::CallEnded { .. } | EventBody::HumanControlEnded { .. });
    let summary = if due && llm.is_configured() {
        let request = chat(summary_prompt(window(&events), &previous.summary), SUMMARY_TOKENS);
        match llm.complete(&request).await {
            Ok(completion) => Some(completion.text).filter(|text| !text.trim().is_empty()),
            Err(error) => {
                tracing::warn!(error = %error, "no summary by the model");
                None
            }
        }
    } else {
        None
    };
    let briefing = brief(&events, timeline.messages, &previous, summary);
    tenant.put_briefing(&event.phone, &briefing).await
}
