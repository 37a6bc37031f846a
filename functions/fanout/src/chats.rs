//! Telling people what was asked and answered in their chats, on all their connections. Only the words of an answer as it
//! comes, and `typing` where a question came from, are others' to tell.

use crate::audience::{PARALLEL_CONNECTIONS, failed, post};
use crate::desk::Mark;
use crate::news::{News, What};
use crate::{State, Tally};
use conversations::chat::frames;
use domain::chat::Exchange;
use domain::ids::ConnectionId;
use futures_util::{StreamExt, stream};
use store::{StoreError, Subscription, Topic};

/// Frames about one thing that happened.
struct Telling<'a> {
    mark: Mark,
    frames: Vec<Vec<u8>>,
    /// Who knows it already.
    except: Option<&'a ConnectionId>,
}

/// Tells all connections of the person whose chat it is.
pub(crate) async fn tell(state: &State, news: &News) -> Tally {
    match try_tell(state, news).await {
        Ok(tally) => tally,
        Err(error) => failed(&error),
    }
}

async fn try_tell(state: &State, news: &News) -> Result<Tally, StoreError> {
    let Some((_, Exchange { question, .. })) = news.exchanges.first() else { return Ok(Tally::default()) };
    let topic = Topic::User(question.user_id.clone());
    let readers = state.store.tenant(&question.organization_id).subscribers(&topic).await?;
    if readers.is_empty() {
        return Ok(Tally::default());
    }
    let tellings = news.exchanges.iter().map(telling).collect::<Result<Vec<_>, _>>()?;
    let posts = stream::iter(readers)
        .map(|reader| tell_connection(state, reader, &tellings))
        .buffer_unordered(PARALLEL_CONNECTIONS);
    let total = posts.fold(Tally::default(), |mut total, tally| async move {
        total.add(tally);
        total
    });
    Ok(total.await)
}

fn telling((what, exchange): &(What, Exchange)) -> Result<Telling<'_>, StoreError> {
    let question = &exchange.question;
    let mut telling = Telling { mark: Mark::Exchange(question.id.clone(), *what), frames: Vec::new(), except: None };
    match what {
        What::Asked => {
            telling.except = question.origin.as_ref();
            telling.frames.push(frames::message(question)?);
            if exchange.outcome.is_none() {
                telling.frames.push(frames::typing(&question.chat_id)?);
            }
        }
        What::Ended => telling.frames.extend(frames::ended(exchange, web::trouble)?),
    }
    Ok(telling)
}

async fn tell_connection(state: &State, reader: Subscription, tellings: &[Telling<'_>]) -> Tally {
    let memory = state.desk.of(&reader.connection_id);
    let mut sent = memory.lock().await;
    let mut total = Tally::default();
    for telling in tellings.iter().filter(|telling| telling.except != Some(&reader.connection_id)) {
        if sent.contains_key(&telling.mark) {
            total.repeats += 1;
            continue;
        }
        for frame in &telling.frames {
            let tally = post(state, &reader, frame).await.unwrap_or_else(|error| failed(&error));
            total.add(tally);
            if tally.posts == 0 {
                return total;
            }
        }
        sent.insert(telling.mark.clone(), 1);
    }
    total
}
