//! The demo's contacts and conversations.

use domain::conversation::{Conversation, Medium, NewConversation, Urgency};
use domain::event::{Direction, EventBody, Speaker};
use domain::ids::{CallId, ContactId, ConversationId, OrganizationId, UserId};
use domain::phone::PhoneNumber;
use domain::time::Timestamp;
use serde_json::{Value, json};
use store::{Append, ConversationFilter, NewContact, Store, StoreError, Tenant, now};

use super::{AURORA, BICI, Error, organization_id};

/// The conversation that seed A's recipes name.
pub(super) const SEED_CONVERSATION: &str = "conv_919325590143_20251003_115804";
/// A customer of both organizations: the same number, and nothing in common.
pub(super) const SHARED_PHONE: &str = "+14155550142";
/// Their id in both.
pub(super) const SHARED_CONTACT: &str = "worker_14155550142";

/// 2025-10-03, 11:58:04 in UTC, as the seed's id says.
const SEED_START: i64 = 1_759_492_684_000;

struct Demo {
    id: &'static str,
    phone: &'static str,
    medium: Medium,
    urgency: Urgency,
    bodies: Vec<EventBody>,
}

/// Adds what is not there yet.
pub(super) async fn add(store: &Store) -> Result<(), Error> {
    let aurora = store.tenant(&organization_id(&AURORA)?);
    add_contact(&aurora, "+919325590143", "Asha").await?;
    add_contact(&aurora, SHARED_PHONE, "Jordan").await?;
    for demo in aurora_conversations()? {
        add_conversation(&aurora, demo).await?;
    }
    let bici = store.tenant(&organization_id(&BICI)?);
    add_contact(&bici, SHARED_PHONE, "Jordan Lee").await?;
    for demo in bici_conversations()? {
        add_conversation(&bici, demo).await?;
    }
    Ok(())
}

fn said(role: Speaker, text: &str) -> EventBody {
    EventBody::Message { role, text: text.to_owned(), sources: String::new() }
}

fn aurora_conversations() -> Result<Vec<Demo>, Error> {
    let call = |id: &str| CallId::parse(id);
    let started = |id: &str| -> Result<EventBody, Error> {
        Ok(EventBody::CallInitiated { call_id: call(id)?, direction: Direction::Inbound })
    };
    let live = [
        (Speaker::Customer, "There is smoke in the machine hall."),
        (Speaker::Assistant, "I am alerting the response team. Is anybody hurt?"),
        (Speaker::Customer, "One person is coughing badly."),
        (Speaker::Assistant, "Bring them to fresh air. Keep low. Is the exit at gate 4 clear?"),
    ];
    let mut live: Vec<EventBody> = live.map(|(role, text)| said(role, text)).into();
    live.insert(0, started("call_919325590143_20251003_115804")?);
    let taken = vec![
        started("call_14155550142_20251003_101500")?,
        said(Speaker::Customer, "The hoist is stuck with a load on it."),
        EventBody::HumanControlStarted {
            agent_id: UserId::parse("admin_ada")?,
            agent_name: "Ada".to_owned(),
            reason: Some("machine safety".to_owned()),
            // The conversation is of long ago: a usual lease would be over at once.
            lease_seconds: u32::MAX,
        },
    ];
    let ended = vec![
        started("call_14155550142_20251002_090000")?,
        said(Speaker::Customer, "I need the number of the night desk."),
        said(Speaker::Assistant, "The night desk answers at extension 12."),
        EventBody::CallEnded {
            call_id: call("call_14155550142_20251002_090000")?,
            outcome: "answered".to_owned(),
            duration_seconds: Some(41),
            report: None,
        },
    ];
    let text = vec![said(Speaker::Customer, "Where do I find the drill schedule?")];
    let demo = |id, phone, medium, urgency, bodies| Demo { id, phone, medium, urgency, bodies };
    Ok(vec![
        demo(SEED_CONVERSATION, "+919325590143", Medium::Voice, Urgency::Critical, live),
        demo("conv_123", "+919325590143", Medium::Chat, Urgency::Low, text),
        demo("conv_14155550142_20251003_101500", SHARED_PHONE, Medium::Voice, Urgency::High, taken),
        demo("conv_14155550142_20251002_090000", SHARED_PHONE, Medium::Voice, Urgency::Medium, ended),
    ])
}

fn bici_conversations() -> Result<Vec<Demo>, Error> {
    let number = PhoneNumber::from_provider(BICI.phone_number)?;
    let bodies = vec![
        EventBody::SmsReceived {
            text: "Hi, do you service hub gears?".to_owned(),
            to: number.clone(),
            provider_id: "SM00000000000000000000000000000001".to_owned(),
            media: Vec::new(),
            opt_out: None,
        },
        EventBody::SmsSent {
            text: "We do. Bring the bike any weekday before noon.".to_owned(),
            from: number,
            provider_id: Some("SM00000000000000000000000000000002".to_owned()),
            answers: 1,
        },
    ];
    let id = "conv_14155550142_20251003_120000";
    Ok(vec![Demo { id, phone: SHARED_PHONE, medium: Medium::Sms, urgency: Urgency::Medium, bodies }])
}

async fn add_contact(tenant: &Tenant, phone: &str, name: &str) -> Result<(), Error> {
    let phone = PhoneNumber::from_provider(phone)?;
    let new = NewContact { id: None, phone, name: Some(name.to_owned()), lead_status: None };
    tenant.add_contact(new).await?;
    Ok(())
}

async fn add_conversation(tenant: &Tenant, demo: Demo) -> Result<(), Error> {
    let id = ConversationId::parse(demo.id)?;
    if tenant.conversation(&id).await?.is_some() {
        return Ok(());
    }
    let phone = PhoneNumber::from_provider(demo.phone)?;
    // The text conversation is of today, or the next message would find it idle and open another.
    let at = if demo.medium == Medium::Sms { now() } else { Timestamp::from_millis(SEED_START) };
    let new = NewConversation {
        contact_id: ContactId::from_digits(&phone.digits())?,
        phone,
        medium: demo.medium,
        urgency: demo.urgency,
        started_at: at,
    };
    let call_id = match demo.medium {
        Medium::Voice => Some(CallId::parse(&demo.id.replacen("conv_", "call_", 1))?),
        Medium::Sms | Medium::Chat | Medium::Web => None,
    };
    let conversation = Conversation::begin(id, call_id, tenant.organization_id().clone(), new);
    match tenant.open_as(conversation, Append::new(demo.bodies, at)).await {
        // An earlier start was interrupted between the two.
        Ok(_) | Err(StoreError::Conflict) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The contacts, for `info.json`.
pub(super) async fn contacts(store: &Store) -> Result<Vec<Value>, Error> {
    let mut all = Vec::new();
    for organization in organizations()? {
        for contact in store.tenant(&organization).contacts(None, 100).await?.contacts {
            all.push(json!({"id": contact.id, "phone_number": contact.phone, "organization_id": organization}));
        }
    }
    Ok(all)
}

/// The conversations, for `info.json`.
pub(super) async fn list(store: &Store) -> Result<Vec<Value>, Error> {
    let mut all = Vec::new();
    for organization in organizations()? {
        let tenant = store.tenant(&organization);
        let page = tenant.conversations(&ConversationFilter::default(), &|_| true, None, 100).await?;
        all.extend(page.conversations.iter().map(|conversation| {
            json!({
                "conversation_id": conversation.id, "status": conversation.status(),
                "organization_id": organization, "admin_id": conversation.admin_id,
            })
        }));
    }
    Ok(all)
}

fn organizations() -> Result<[OrganizationId; 2], Error> {
    Ok([organization_id(&AURORA)?, organization_id(&BICI)?])
}
