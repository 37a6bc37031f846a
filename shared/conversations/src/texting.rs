//! Sending the text messages that events say we send: each once, whatever dies on the way (G4, G5).
//!
//! A message is claimed before it is sent. Where an earlier claim came to no end, Twilio is asked whether it has the
//! message; only if not, it is sent again.

use domain::conversation::Conversation;
use domain::event::EventBody;
use domain::ids::ConversationId;
use domain::organization::{Organization, TwilioAccount};
use domain::phone::PhoneNumber;
use domain::sms::MessageStatus::{Canceled, Failed};
use providers::twilio::client::{OutgoingSms, SendError, TwilioClient};
use store::{Claim, Outgoing, StoreError, Tenant, now};

/// Longer than Twilio may take to answer, so that a message that is being sent is not taken over.
pub const PATIENCE_SECONDS: i64 = 30;
/// Attempts before a message is given up.
const MAX_ATTEMPTS: u32 = 10;
/// Twilio's code for a contact who asked for no more messages.
const OPTED_OUT: u32 = 21_610;

/// How text messages go out.
#[derive(Clone)]
pub struct Texting {
    /// Twilio's API.
    pub client: TwilioClient,
    /// The stack's account, for organizations without one of their own.
    pub account: Option<TwilioAccount>,
    /// The stack's number, for organizations without one.
    pub number: Option<PhoneNumber>,
    /// Where Twilio reports how far messages got.
    pub status_callback: Option<String>,
    /// How long a sender may be silent before another takes its message over, [`PATIENCE_SECONDS`] as a rule.
    pub patience_seconds: i64,
}

/// What became of a conversation's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// Nothing is left to send.
    All,
    /// A message is with another sender at this moment.
    Held,
    /// A message is to be tried again later; the sweep does.
    Later,
}

impl Texting {
    /// The number that a conversation's messages go out from.
    pub fn number_for(&self, conversation: Option<&Conversation>, organization: &Organization) -> Option<PhoneNumber> {
        let own = conversation.and_then(|conversation| conversation.own_number.clone());
        own.or_else(|| organization.phone_numbers.first().cloned()).or_else(|| self.number.clone())
    }

    fn account<'a>(&'a self, organization: &'a Organization) -> Option<&'a TwilioAccount> {
        organization.twilio.as_ref().or(self.account.as_ref())
    }

    /// Sends what a conversation still has to send, in order.
    pub async fn deliver(
        &self,
        tenant: &Tenant,
        organization: &Organization,
        id: &ConversationId,
    ) -> Result<Delivered, StoreError> {
        for message in tenant.unsent(id).await? {
            match self.deliver_one(tenant, organization, &message).await? {
                Delivered::All => {}
                waiting => return Ok(waiting),
            }
        }
        Ok(Delivered::All)
    }

    /// Sends one message, unless somebody else is at it.
    pub async fn deliver_one(
        &self,
        tenant: &Tenant,
        organization: &Organization,
        message: &Outgoing,
    ) -> Result<Delivered, StoreError> {
        let claimed_at = now();
        let claim = tenant.claim(message, claimed_at, self.patience_seconds).await?;
        match claim {
            Claim::Settled => return Ok(Delivered::All),
            Claim::Held => return Ok(Delivered::Held),
            Claim::First | Claim::Again(_) => {}
        }
        let Some(account) = self.account(organization) else {
            tracing::error!("no Twilio account is configured");
            tenant.refused(message, Failed, None, None, now()).await?;
            return Ok(Delivered::All);
        };
        let sms = OutgoingSms {
            from: &message.from,
            to: &message.to,
            body: &message.text,
            status_callback: self.status_callback.as_deref(),
        };
        if let Claim::Again(since) = claim {
            match self.find(tenant, account, &sms, message, since).await? {
                Found::Yes(sid) => {
                    tracing::warn!(seq = message.seq, "an earlier attempt had sent this message");
                    tenant.sent(message, &sid, now()).await?;
                    return Ok(Delivered::All);
                }
                Found::No => {}
                Found::Unknown => return Ok(Delivered::Later),
            }
        }
        if overtaken(tenant, message).await? {
            tracing::info!(seq = message.seq, "a person took over before this answer was sent: withdrawn");
            tenant.refused(message, Canceled, None, None, now()).await?;
            return Ok(Delivered::All);
        }
        match self.client.send(account, &sms).await {
            Ok(sent) => {
                tenant.sent(message, &sent.sid, now()).await?;
                Ok(Delivered::All)
            }
            Err(error) => self.failed(tenant, message, claimed_at, error).await,
        }
    }

    async fn find(
        &self,
        tenant: &Tenant,
        account: &TwilioAccount,
        sms: &OutgoingSms<'_>,
        message: &Outgoing,
        since: domain::time::Timestamp,
    ) -> Result<Found, StoreError> {
        let sent = match self.client.find(account, sms, since).await {
            Ok(sent) => sent,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "whether a message was sent is unknown");
                return Ok(Found::Unknown);
            }
        };
        let mine = Some((message.conversation_id.clone(), message.seq));
        for found in sent {
            // The same words may have been sent before, as another event.
            let event = tenant.event_of_sms(&found.sid).await?;
            if event.is_none() || event == mine {
                return Ok(Found::Yes(found.sid));
            }
        }
        Ok(Found::No)
    }

    async fn failed(
        &self,
        tenant: &Tenant,
        message: &Outgoing,
        claimed_at: domain::time::Timestamp,
        error: SendError,
    ) -> Result<Delivered, StoreError> {
        tracing::warn!(seq = message.seq, attempts = message.attempts + 1, error = %error, "a message was not sent");
        let given_up = message.attempts + 1 >= MAX_ATTEMPTS;
        match error {
            SendError::OptedOut => {
                let out = tenant_opted_out(tenant, message).await?;
                tenant.refused(message, Failed, Some(OPTED_OUT), out, now()).await?;
            }
            SendError::Refused { code } => tenant.refused(message, Failed, code, None, now()).await?,
            SendError::NotSent(_) | SendError::Unknown(_) if given_up => {
                tenant.refused(message, Failed, None, None, now()).await?;
            }
            SendError::NotSent(_) => {
                tenant.release(message, claimed_at).await?;
                return Ok(Delivered::Later);
            }
            // Twilio may have it: the claim stays, and whoever comes after it asks.
            SendError::Unknown(_) => return Ok(Delivered::Later),
        }
        Ok(Delivered::All)
    }
}

enum Found {
    Yes(String),
    No,
    Unknown,
}

/// Whether an answer of the AI belongs to an epoch that a takeover has ended.
async fn overtaken(tenant: &Tenant, message: &Outgoing) -> Result<bool, StoreError> {
    let Some(epoch) = message.epoch else { return Ok(false) };
    let conversation = tenant.conversation(&message.conversation_id).await?;
    Ok(conversation.is_some_and(|conversation| conversation.epoch != epoch))
}

/// Twilio knows of an opt-out that we missed: note it, unless we know by now.
async fn tenant_opted_out(tenant: &Tenant, message: &Outgoing) -> Result<Option<EventBody>, StoreError> {
    let Some(conversation) = tenant.conversation(&message.conversation_id).await? else { return Ok(None) };
    let known = tenant.timeline(&conversation.contact_id).await?.opted_out;
    Ok((!known).then_some(EventBody::OptOutChanged { opted_out: true }))
}

/// The organization's record, which every organization has.
pub async fn organization(tenant: &Tenant) -> Result<Organization, StoreError> {
    tenant.organization().await?.ok_or_else(|| StoreError::corrupt("an organization without a record"))
}
