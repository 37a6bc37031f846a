//! The organization's own voice agent at ElevenLabs, as part of its settings.

use domain::organization::VoiceAgent;
use domain::secret::Secret;
use serde::{Deserialize, Serialize};
use store::Tenant;
use web::{ApiError, Code};

const MAX_ID: usize = 128;
const MAX_SECRET: usize = 256;

#[derive(Debug, Serialize)]
pub(crate) struct VoiceAgentView {
    agent_id: String,
    phone_number_id: String,
    api_key_set: bool,
    initiation_secret_set: bool,
    post_call_secret_set: bool,
}

#[derive(Debug, Deserialize)]
pub(crate) struct VoiceAgentRequest {
    agent_id: String,
    phone_number_id: String,
    api_key: Secret,
    initiation_secret: Secret,
    post_call_secret: Secret,
}

impl VoiceAgentRequest {
    pub(crate) fn agent(self) -> Result<VoiceAgent, ApiError> {
        for (field, id) in [("agent_id", &self.agent_id), ("phone_number_id", &self.phone_number_id)] {
            let fits = (1..=MAX_ID).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            if !fits {
                return Err(ApiError::invalid(format!("elevenlabs.{field} is no id of ElevenLabs")));
            }
        }
        let secrets = [
            ("api_key", &self.api_key),
            ("initiation_secret", &self.initiation_secret),
            ("post_call_secret", &self.post_call_secret),
        ];
        for (field, secret) in secrets {
            let text = secret.expose();
            if !(8..=MAX_SECRET).contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(ApiError::invalid(format!(
                    "elevenlabs.{field} has 8 to {MAX_SECRET} printable characters"
                )));
            }
        }
        Ok(VoiceAgent {
            agent_id: self.agent_id,
            phone_number_id: self.phone_number_id,
            api_key: self.api_key,
            initiation_secret: self.initiation_secret,
            post_call_secret: self.post_call_secret,
        })
    }
}

impl From<VoiceAgent> for VoiceAgentView {
    fn from(agent: VoiceAgent) -> Self {
        Self {
            api_key_set: !agent.api_key.is_empty(),
            initiation_secret_set: !agent.initiation_secret.is_empty(),
            post_call_secret_set: !agent.post_call_secret.is_empty(),
            agent_id: agent.agent_id,
            phone_number_id: agent.phone_number_id,
        }
    }
}

/// Claims a new agent before it is set, and gives up the old one: two organizations cannot have the same.
pub(crate) async fn change(
    tenant: &Tenant,
    before: Option<&VoiceAgent>,
    after: Option<&VoiceAgent>,
) -> Result<(), ApiError> {
    let (before, after) = (before.map(|agent| &agent.agent_id), after.map(|agent| &agent.agent_id));
    if before == after {
        return Ok(());
    }
    if let Some(agent_id) = after
        && !tenant.claim_agent(agent_id).await?
    {
        return Err(ApiError::with(Code::Conflict, "Another organization has this voice agent"));
    }
    if let Some(agent_id) = before {
        tenant.release_agent(agent_id).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(agent_id: &str, key: &str) -> Result<VoiceAgent, ApiError> {
        let secret = || Secret::new("initiation-secret");
        VoiceAgentRequest {
            agent_id: agent_id.to_owned(),
            phone_number_id: "phnum_1".to_owned(),
            api_key: Secret::new(key),
            initiation_secret: secret(),
            post_call_secret: secret(),
        }
        .agent()
    }

    #[test]
    fn ids_and_secrets_are_checked_and_secrets_never_shown() {
        let view = VoiceAgentView::from(request("agent_1", "sk_12345678").unwrap());
        let shown = serde_json::to_string(&view).unwrap();
        assert!(shown.contains("agent_1") && !shown.contains("12345678") && !shown.contains("initiation-secret"));
        for (agent_id, key) in
            [("agent#1", "sk_12345678"), ("", "sk_12345678"), ("agent_1", "short"), ("agent_1", "with a blank")]
        {
            assert!(request(agent_id, key).is_err());
        }
    }
}
