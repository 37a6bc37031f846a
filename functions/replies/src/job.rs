//! One event of the log, and what follows from it.

use crate::State;
use crate::event::Job;
use conversations::reply::FollowUpError;
use domain::event::Event;
use runtime::BatchResponse;
use runtime::metrics::{self, Unit};
use std::error::Error;
use std::time::Duration;
use store::now;

/// The function's minute, less the time to say that it was not enough.
const TIME: Duration = Duration::from_secs(52);

/// Does the jobs of a batch. After a failure the later ones are given back undone: they must not overtake it.
pub(crate) async fn work(state: &State, jobs: Vec<Job>) -> BatchResponse {
    let mut response = BatchResponse::default();
    for job in jobs {
        if response.failures() > 0 || !one(state, &job).await {
            response.again(job.message_id);
        }
    }
    response
}

async fn one(state: &State, job: &Job) -> bool {
    let Some(event) = &job.event else {
        // It will not read better next time: the dead letters are the place to look at it.
        tracing::error!("a job that cannot be read");
        return false;
    };
    let (organization, conversation) = (event.organization_id.as_str(), event.conversation_id.log_id());
    let begun = now();
    // Whatever is cut off here goes on with the next attempt, as after a crash.
    let outcome = match tokio::time::timeout(TIME, state.replier.follow_up(event)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(FollowUpError::OutOfTime),
    };
    if outcome.is_err() && job.attempt >= state.attempts {
        give_up(state, event).await;
    }
    let millis = now().millis() - begun.millis();
    report(millis, now().millis() - event.at.millis(), outcome.is_err());
    match outcome {
        Ok(()) => {
            tracing::info!(organization, conversation, seq = event.seq, millis, "followed up");
            true
        }
        Err(error) => {
            let attempt = job.attempt;
            let error: &(dyn Error + 'static) = match &error {
                FollowUpError::Store(error) => error,
                other => other,
            };
            tracing::warn!(organization, conversation, seq = event.seq, millis, attempt, error, "a follow-up failed");
            false
        }
    }
}

/// After the last attempt the job is a dead letter: operators see that in the conversation.
async fn give_up(state: &State, event: &Event) {
    if let Err(error) = state.replier.give_up(event).await {
        tracing::error!(error = &error as &dyn Error, "operators could not be told that a reply was given up");
    }
}

#[expect(clippy::cast_precision_loss, reason = "a metric needs no 53 bits")]
fn report(millis: i64, age: i64, failed: bool) {
    metrics::emit(
        "replies",
        &[
            ("JobDuration", millis as f64, Unit::Milliseconds),
            ("ReplyAge", age.max(0) as f64, Unit::Milliseconds),
            ("FailedJobs", f64::from(u8::from(failed)), Unit::Count),
        ],
    );
}
