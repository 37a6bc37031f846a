//! How often a person and an organization may act in a minute (B29, G7).

use crate::caller::Operator;
use store::{Limit, Store};
use web::{ApiError, Code};

/// An organization may act as often as ten people.
const PEOPLE: u32 = 10;
/// Joining and leaving cost nobody money.
const CONTROLS: u32 = 10;
const WINDOW_SECONDS: i64 = 60;

/// Limits per person and minute.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) sends: u32,
    pub(crate) calls: u32,
}

/// What is limited.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Action {
    /// Writing: whatever sends a text message.
    Send,
    /// Joining and leaving without a word.
    Control,
    /// Calling.
    Call,
}

impl Limits {
    /// Counts an action; refuses it when the person or their organization did too much.
    pub(crate) async fn count(&self, store: &Store, operator: &Operator, action: Action) -> Result<(), ApiError> {
        let (user, organization, max) = match action {
            Action::Send => ("send-user", "send-org", self.sends),
            Action::Control => ("control-user", "control-org", self.sends.saturating_mul(CONTROLS)),
            Action::Call => ("call-user", "call-org", self.calls),
        };
        let principal = &operator.principal;
        let own = Limit { what: user, max, seconds: WINDOW_SECONDS };
        let who = format!("{}#{}", principal.organization_id, principal.user_id);
        ApiError::unless_within(store.exceeded(&own, &who).await?, Code::RateLimited)?;
        let all = Limit { what: organization, max: max.saturating_mul(PEOPLE), seconds: WINDOW_SECONDS };
        let wait = store.exceeded(&all, principal.organization_id.as_str()).await?;
        ApiError::unless_within(wait, Code::RateLimited)
    }
}
