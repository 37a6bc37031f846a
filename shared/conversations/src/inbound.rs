//! What a customer sent, recorded exactly once (B26).

use domain::conversation::{Medium, NewConversation};
use domain::event::{EventBody, Media, Speaker};
use domain::phone::PhoneNumber;
use domain::sms::{OptOut, opt_out_keyword};
use domain::time::Timestamp;
use providers::twilio::webhook::IncomingSms;
use store::{Append, Appended, StoreError, Tenant};

/// Appends an incoming text message to the contact's conversation, making both where there are none. A second delivery
/// of the same message is found by its id and changes nothing.
pub async fn record_sms(tenant: &Tenant, sms: IncomingSms, at: Timestamp) -> Result<Appended, StoreError> {
    let contact = tenant.contact_or_new(&sms.from).await?;
    let opt_out = sms.opt_out_type.or_else(|| opt_out_keyword(&sms.body));
    let opted_out = match opt_out {
        Some(OptOut::Stop) => Some(true),
        Some(OptOut::Start) => Some(false),
        Some(OptOut::Help) | None => None,
    };
    // "YES" also answers ordinary questions: it only means START to somebody who had opted out.
    let changed = match opted_out {
        Some(wish) => tenant.timeline(&contact.id).await?.opted_out != wish,
        None => false,
    };
    // Where Twilio itself names it a keyword, Twilio has answered it.
    let named = sms.opt_out_type.is_some();
    let opt_out = opt_out.filter(|wish| changed || named || *wish != OptOut::Start);
    let media = sms.media.into_iter().map(|m| Media { url: m.url, content_type: m.content_type }).collect();
    let mut bodies = vec![EventBody::SmsReceived {
        text: sms.body,
        to: sms.to,
        provider_id: sms.message_sid.clone(),
        media,
        opt_out,
    }];
    if let (true, Some(opted_out)) = (changed, opted_out) {
        bodies.push(EventBody::OptOutChanged { opted_out });
    }
    let new = NewConversation::usual(contact.id, sms.from, Medium::Sms, at);
    tenant.append_sms(new, Append::new(bodies, at).once("twilio", sms.message_sid)).await
}

/// A message from elsewhere, as seed B's `addToConversationHistory` takes it.
#[derive(Clone)]
pub struct Said {
    /// Its text.
    pub text: String,
    /// By whom.
    pub by: Speaker,
    /// What makes a second import of it change nothing.
    pub key: Option<String>,
}

/// Puts a message into the contact's text conversation, making both where there are none. Nothing is sent or answered.
pub async fn record_said(
    tenant: &Tenant,
    phone: &PhoneNumber,
    said: Said,
    at: Timestamp,
) -> Result<Appended, StoreError> {
    let contact = tenant.contact_or_new(phone).await?;
    let body = EventBody::Message { role: said.by, text: said.text, sources: String::new() };
    let append = Append::new(vec![body], at);
    let append = match said.key {
        Some(key) => append.once("import", key),
        None => append,
    };
    let new = NewConversation::usual(contact.id, phone.clone(), Medium::Sms, at);
    tenant.append_sms(new, append).await
}
