//! Seed B's library, under its own names: a contact's memory by organization and number (B07-B09, B16, B34).
//!
//! The seed keeps it in maps of the process; here each function reads or writes the log. `organizationId:phoneNumber`,
//! the seed's memory key, is the tenant handle and a number in E.164.

use crate::inbound::{self, Said};
use crate::reply::LOOK_BACK;
use domain::contact::Contact;
use domain::context::{self, KnownCaller, window};
use domain::event::Event;
use domain::ids::OrganizationId;
use domain::phone::PhoneNumber;
use std::collections::BTreeMap;
use store::{Appended, Store, StoreError, Tenant, now};

/// `getOrganizationByPhoneNumber`: whose number of ours it is.
pub async fn get_organization_by_phone_number(
    store: &Store,
    phone_number: &PhoneNumber,
) -> Result<Option<OrganizationId>, StoreError> {
    store.organization_by_number(phone_number).await
}

/// `findLeadByPhone`: the contact with this number.
pub async fn find_lead_by_phone(tenant: &Tenant, phone_number: &PhoneNumber) -> Result<Option<Contact>, StoreError> {
    tenant.contact_by_phone(phone_number).await
}

/// `addToConversationHistory`: puts a message into the contact's text conversation, as an import does. It is not sent.
pub async fn add_to_conversation_history(
    tenant: &Tenant,
    phone_number: &PhoneNumber,
    message: Said,
) -> Result<Appended, StoreError> {
    inbound::record_said(tenant, phone_number, message, now()).await
}

/// `getConversationHistory`: the contact's latest events with at most 50 messages, oldest first.
pub async fn get_conversation_history(tenant: &Tenant, phone_number: &PhoneNumber) -> Result<Vec<Event>, StoreError> {
    let Some(contact) = tenant.contact_by_phone(phone_number).await? else { return Ok(Vec::new()) };
    let events = tenant.latest_of_contact(&contact.id, LOOK_BACK).await?;
    Ok(window(&events).to_vec())
}

/// `storeConversationSummary`: replaces the summary of the contact's briefing, as a model's or a person's.
pub async fn store_conversation_summary(
    tenant: &Tenant,
    phone_number: &PhoneNumber,
    summary: &str,
) -> Result<(), StoreError> {
    let (_, caller) = tenant.caller(Some(phone_number)).await?;
    let Some((contact_id, caller)) = caller else { return Ok(()) };
    let mut briefing = caller.briefing;
    briefing.summary = context::clean(summary, context::SUMMARY_CHARS);
    briefing.summarised = tenant.timeline(&contact_id).await?.last_seq.max(1);
    tenant.put_briefing(phone_number, &briefing).await
}

/// `buildConversationContext`: the latest messages as text.
pub async fn build_conversation_context(tenant: &Tenant, phone_number: &PhoneNumber) -> Result<String, StoreError> {
    Ok(context::build_conversation_context(&get_conversation_history(tenant, phone_number).await?))
}

/// `generateComprehensiveSummary`: voice and text in short, by rules.
pub async fn generate_comprehensive_summary(tenant: &Tenant, phone_number: &PhoneNumber) -> Result<String, StoreError> {
    let events = get_conversation_history(tenant, phone_number).await?;
    let (_, caller) = tenant.caller(Some(phone_number)).await?;
    let previous = caller.map(|(_, caller)| caller.briefing.summary).unwrap_or_default();
    Ok(context::generate_comprehensive_summary(&events, &previous))
}

/// `buildDynamicVariables`: the voice agent's nine variables for a caller, in one read.
pub async fn build_dynamic_variables(
    tenant: &Tenant,
    phone_number: &PhoneNumber,
    default_organization_name: &str,
) -> Result<BTreeMap<String, String>, StoreError> {
    let (organization, caller) = tenant.caller(Some(phone_number)).await?;
    let name = organization.map_or_else(|| default_organization_name.to_owned(), |organization| organization.name);
    let known: Option<KnownCaller> = caller.map(|(_, caller)| caller);
    Ok(context::build_dynamic_variables(
        Some((tenant.organization_id().as_str(), &name)),
        default_organization_name,
        known.as_ref(),
    ))
}
