//! A conversation as far as the caller may see it.

use crate::error::{ApiError, Code};
use domain::access::may_view;
use domain::conversation::Conversation;
use domain::ids::ConversationId;
use domain::user::Principal;
use store::Store;

/// Reads an id from a path. An impossible id is that of nothing.
pub fn conversation_id(text: &str) -> Result<ConversationId, ApiError> {
    ConversationId::parse(text).map_err(|_| not_found())
}

/// The answer for a conversation that is not there.
pub fn not_found() -> ApiError {
    ApiError::with(Code::NotFound, "Conversation not found")
}

/// Why a conversation that the caller's organization does not have is refused: 403 when it is another company's, as the
/// contract has it (A22, A32), 404 when nobody has it.
pub async fn refusal(store: &Store, id: &ConversationId) -> ApiError {
    match store.conversation_owner(id).await {
        Ok(Some(_)) => Code::OtherOrganization.into(),
        Ok(None) => not_found(),
        Err(error) => error.into(),
    }
}

/// A conversation that the caller may see now (A19).
pub async fn visible(store: &Store, caller: &Principal, id: &ConversationId) -> Result<Conversation, ApiError> {
    let Some(conversation) = store.tenant(&caller.organization_id).conversation(id).await? else {
        return Err(refusal(store, id).await);
    };
    check(caller, &conversation)?;
    Ok(conversation)
}

/// Rule A19 on a conversation that was just read.
pub fn check(caller: &Principal, conversation: &Conversation) -> Result<(), ApiError> {
    may_view(caller, &conversation.organization_id, conversation.admin_id.as_ref()).map_err(ApiError::from)
}
