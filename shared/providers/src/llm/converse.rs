//! One request to Amazon Bedrock's ConverseStream, by the SDK.
//!
//! What the SDK would do of itself is turned off: [`Llm`](super::Llm) repeats and waits, for all servers alike.

use super::chat::Source;
use super::draft::Draft;
use super::exchange::{Failure, Question};
use super::frames::WithoutBlockStarts;
use super::problem::{Problem, retry_after};
use super::tokens::UsageData;
use super::{Delta, Endpoint, Finish, LlmError, TimeoutKind, prompt};
use aws_sdk_bedrockruntime::Client;
use aws_sdk_bedrockruntime::config::retry::RetryConfig;
use aws_sdk_bedrockruntime::config::timeout::TimeoutConfig;
use aws_sdk_bedrockruntime::config::{Config, StalledStreamProtectionConfig};
use aws_sdk_bedrockruntime::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_bedrockruntime::operation::RequestId;
use aws_sdk_bedrockruntime::primitives::event_stream::EventReceiver;
use aws_sdk_bedrockruntime::types::error::ConverseStreamOutputError;
use aws_sdk_bedrockruntime::types::{
    ContentBlockDelta, ConverseStreamOutput, ReasoningContentBlockDelta, StopReason, TokenUsage,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::event_stream::RawMessage;
use aws_smithy_types::str_bytes::StrBytes;
use serde_json::json;
use std::time::Duration;

/// Beyond this a server is as good as down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// An answer that is being read.
pub(super) struct Converse {
    /// Gone once nothing more is needed from it, which hangs up.
    receiver: Option<EventReceiver<ConverseStreamOutput, ConverseStreamOutputError>>,
    pub(super) draft: Draft,
    request_id: Option<String>,
}

impl Converse {
    /// Asks.
    pub(super) async fn ask(client: &Client, model: &str, question: Question<'_>) -> Result<Self, Failure> {
        let prompt = prompt::of(question).map_err(|_| LlmError::BadRequest)?;
        let request = client
            .converse_stream()
            .model_id(model)
            .set_system(prompt.system)
            .set_messages(Some(prompt.messages))
            .inference_config(prompt.limits)
            .customize()
            .config_override(alone())
            .interceptor(WithoutBlockStarts);
        let answer = request.send().await.map_err(|error| refused(&error, question))?;
        let request_id = answer.request_id().map(str::to_owned);
        Ok(Self { receiver: Some(answer.stream), draft: Draft::new(question.request), request_id })
    }

    /// What is known of the answer's origin.
    pub(super) fn source(&self, endpoint: &Endpoint) -> Source {
        let (provider, model) = (endpoint.name.clone(), endpoint.model.clone());
        Source { provider, model, response_id: self.request_id.clone() }
    }

    /// Reads on. False if there is nothing to read from any more.
    pub(super) async fn read(&mut self) -> bool {
        let Some(receiver) = &mut self.receiver else { return false };
        match receiver.recv().await {
            Ok(Some(event)) => self.event(event),
            Ok(None) => self.draft.end(),
            Err(error) => self.draft.fail(broken(&error)),
        }
        true
    }

    pub(super) fn hang_up(&mut self) {
        self.receiver = None;
    }

    fn event(&mut self, event: ConverseStreamOutput) {
        match event {
            ConverseStreamOutput::ContentBlockDelta(event) => match event.delta {
                Some(ContentBlockDelta::Text(text)) => {
                    self.draft.piece(Delta::Text(text));
                }
                Some(ContentBlockDelta::ReasoningContent(ReasoningContentBlockDelta::Text(text))) => {
                    self.draft.piece(Delta::Reasoning(text));
                }
                _ => {}
            },
            ConverseStreamOutput::MessageStop(event) => match finish(&event.stop_reason) {
                Ok(finish) => self.draft.finish(finish),
                Err(error) => self.draft.fail(error),
            },
            // The count follows the end of the answer.
            ConverseStreamOutput::Metadata(event) => {
                if let Some(usage) = event.usage {
                    self.count(&usage);
                }
                if self.draft.is_finished() {
                    self.draft.settle();
                }
            }
            _ => {}
        }
    }

    fn count(&mut self, usage: &TokenUsage) {
        let whole = |tokens: i32| u64::try_from(tokens).ok();
        let counted = UsageData {
            prompt_tokens: whole(usage.input_tokens),
            completion_tokens: whole(usage.output_tokens),
            total_tokens: whole(usage.total_tokens),
        };
        let mut raw = json!({
            "inputTokens": usage.input_tokens,
            "outputTokens": usage.output_tokens,
            "totalTokens": usage.total_tokens,
        });
        let cached = [
            ("cacheReadInputTokens", usage.cache_read_input_tokens),
            ("cacheWriteInputTokens", usage.cache_write_input_tokens),
        ];
        for (name, tokens) in cached {
            if let (Some(raw), Some(tokens)) = (raw.as_object_mut(), tokens) {
                raw.insert(name.to_owned(), tokens.into());
            }
        }
        self.draft.count(counted, Some(raw));
    }
}

/// One attempt, without a limit but that for a connection. A model that thinks for long is not a stalled stream.
fn alone() -> aws_sdk_bedrockruntime::config::Builder {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .disable_read_timeout()
        .disable_operation_timeout()
        .disable_operation_attempt_timeout()
        .build();
    Config::builder()
        .retry_config(RetryConfig::standard().with_max_attempts(1))
        .timeout_config(timeouts)
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
}

fn finish(reason: &StopReason) -> Result<Finish, LlmError> {
    Ok(match reason {
        StopReason::EndTurn | StopReason::StopSequence => Finish::Stop,
        StopReason::MaxTokens | StopReason::ModelContextWindowExceeded => Finish::Length,
        StopReason::ContentFiltered | StopReason::GuardrailIntervened => Finish::ContentFilter,
        // Bedrock calls that an end, we call it a failure.
        StopReason::MalformedModelOutput | StopReason::MalformedToolUse => return Err(LlmError::Unavailable),
        _ => Finish::Other,
    })
}

/// Why there is no answer.
fn refused<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>, question: Question<'_>) -> Failure {
    let failure = |error, reached| Failure { error, reached, instead: None };
    match error {
        SdkError::ConstructionFailure(_) => failure(LlmError::BadRequest, true),
        SdkError::TimeoutError(_) => failure(LlmError::Timeout(TimeoutKind::Connect), false),
        SdkError::DispatchFailure(cause) if cause.is_timeout() => {
            failure(LlmError::Timeout(TimeoutKind::Connect), false)
        }
        SdkError::DispatchFailure(cause) => failure(LlmError::Unavailable, !cause.is_io()),
        SdkError::ServiceError(refusal) => {
            let headers = refusal.raw().headers();
            let status = refusal.raw().status().as_u16();
            let retry_after = retry_after(|name| headers.get(name));
            let (name, message) = (refusal.err().code().unwrap_or_default(), refusal.err().message());
            let problem = Problem::named(name, message.unwrap_or_default());
            let error = problem.classify(status_of(name).unwrap_or(status), retry_after);
            let instead = (error == LlmError::BadRequest)
                .then(|| question.dialect.without_temperature(problem.message()))
                .flatten();
            Failure { error, reached: true, instead }
        }
        _ => failure(LlmError::Unavailable, true),
    }
}

/// Why an answer broke off. One event that the SDK cannot read ends it, too.
fn broken(error: &SdkError<ConverseStreamOutputError, RawMessage>) -> LlmError {
    let SdkError::ServiceError(exception) = error else { return LlmError::Unavailable };
    let named = match exception.raw() {
        RawMessage::Decoded(message) => {
            let header = message.headers().iter().find(|header| header.name().as_str() == ":exception-type");
            header.and_then(|header| header.value().as_string().ok()).map(StrBytes::as_str)
        }
        _ => None,
    };
    let name = named.or(exception.err().code()).unwrap_or_default();
    let problem = Problem::named(name, exception.err().message().unwrap_or_default());
    problem.classify(status_of(name).unwrap_or(500), None)
}

/// The status that stands for an exception. Their names begin with a capital before an answer, and with a small letter
/// in the middle of it.
fn status_of(name: &str) -> Option<u16> {
    let name = name.to_ascii_lowercase();
    Some(match name.strip_suffix("exception").unwrap_or(&name) {
        "throttling" | "servicequotaexceeded" => 429,
        "accessdenied" => 403,
        "validation" | "resourcenotfound" => 400,
        "internalserver" | "serviceunavailable" | "modelnotready" | "modeltimeout" => 503,
        "modelerror" | "modelstreamerror" => 502,
        _ => return None,
    })
}

#[cfg(test)]
#[path = "converse_tests.rs"]
mod tests;
