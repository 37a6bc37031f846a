//! `GET …/Messages.json` and `GET …/Messages/{sid}.json`.

use ::http::HeaderMap;
use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::answers::Refusal;
use super::message::{Message, Resource};
use super::{AccountPath, Twilio, refused};

/// Messages of a page, unless it is told otherwise, and at most.
const PAGE_SIZE: usize = 50;
const LARGEST_PAGE: usize = 1000;

/// Which messages are wanted.
#[derive(Default)]
struct Filter {
    to: Option<String>,
    from: Option<String>,
    on: Option<Moment>,
    since: Option<Moment>,
    until: Option<Moment>,
    page: usize,
    page_size: Option<usize>,
}

/// A day, or a time.
#[derive(Clone, Copy)]
struct Moment {
    first: Timestamp,
    last: Timestamp,
}

impl Moment {
    fn read(text: &str) -> Result<Self, Refusal> {
        if let Ok(time) = text.parse::<Timestamp>() {
            return Ok(Self { first: time, last: time });
        }
        let day = text.parse::<Date>().map_err(|_| Refusal::BAD_FILTER)?;
        let start = |day: Date| day.to_zoned(TimeZone::UTC).map(|start| start.timestamp());
        let next = day.tomorrow().and_then(start).map_err(|_| Refusal::BAD_FILTER)?;
        Ok(Self { first: start(day).map_err(|_| Refusal::BAD_FILTER)?, last: next })
    }
}

impl Filter {
    fn read(query: &str) -> Result<Self, Refusal> {
        let mut filter = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "To" => filter.to = Some(value.into_owned()),
                "From" => filter.from = Some(value.into_owned()),
                "DateSent" => filter.on = Some(Moment::read(&value)?),
                "DateSent>" => filter.since = Some(Moment::read(&value)?),
                "DateSent<" => filter.until = Some(Moment::read(&value)?),
                "Page" => filter.page = value.parse().map_err(|_| Refusal::BAD_FILTER)?,
                "PageSize" => filter.page_size = Some(value.parse().map_err(|_| Refusal::BAD_FILTER)?),
                _ => {}
            }
        }
        Ok(filter)
    }

    /// Dates have whole seconds at Twilio, so that a message of this second is not before it.
    fn wants(&self, message: &Message) -> bool {
        let second = message.at.as_second();
        self.to.as_ref().is_none_or(|to| *to == message.to)
            && self.from.as_ref().is_none_or(|from| Some(from) == message.from.as_ref())
            && self.on.is_none_or(|on| second >= on.first.as_second() && message.at < on.last)
            && self.since.is_none_or(|since| second >= since.first.as_second())
            && self.until.is_none_or(|until| message.at <= until.last)
    }
}

#[derive(Serialize)]
struct Page {
    messages: Vec<Resource>,
    page: usize,
    page_size: usize,
    start: usize,
    end: usize,
    uri: String,
    first_page_uri: String,
    previous_page_uri: Option<String>,
    next_page_uri: Option<String>,
}

pub(super) async fn list(
    State(twilio): State<Twilio>,
    Path(account): AccountPath,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    if let Err(refusal) = twilio.authorize(&account, &headers) {
        return refused(&refusal);
    }
    match Filter::read(query.as_deref().unwrap_or_default()) {
        Ok(filter) => Json(page(&twilio, &account, &filter, query.as_deref().unwrap_or_default())).into_response(),
        Err(refusal) => refused(&refusal),
    }
}

fn page(twilio: &Twilio, account: &str, filter: &Filter, query: &str) -> Page {
    let found = twilio.messages.find(|message| message.account_sid == account && filter.wants(message));
    let page_size = filter.page_size.unwrap_or(PAGE_SIZE).clamp(1, LARGEST_PAGE);
    let (count, start) = (found.len(), filter.page * page_size);
    let messages: Vec<Resource> = found.into_iter().skip(start).take(page_size).map(Resource::from).collect();
    let uri = |page: usize| {
        let kept = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != "Page");
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(kept).append_pair("Page", &page.to_string());
        format!("/2010-04-01/Accounts/{account}/Messages.json?{}", query.finish())
    };
    Page {
        end: (start + messages.len()).saturating_sub(1),
        next_page_uri: (start + messages.len() < count).then(|| uri(filter.page + 1)),
        previous_page_uri: filter.page.checked_sub(1).map(uri),
        uri: uri(filter.page),
        first_page_uri: uri(0),
        page: filter.page,
        page_size,
        start,
        messages,
    }
}

pub(super) async fn show(
    State(twilio): State<Twilio>,
    Path((account, file)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    if let Err(refusal) = twilio.authorize(&account, &headers) {
        return refused(&refusal);
    }
    let message = file.strip_suffix(".json").and_then(|sid| twilio.messages.get(sid));
    match message.filter(|message| message.account_sid == account) {
        Some(message) => Json(Resource::from(message)).into_response(),
        None => refused(&Refusal::NOT_FOUND),
    }
}
