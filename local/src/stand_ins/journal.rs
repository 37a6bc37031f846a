//! What a stand-in was asked, numbered, newest first; kept in the data folder where a restart must not forget it.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::http::StatusCode;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use axum::{Json, Router};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::files;

/// Entries kept in memory; the file keeps all.
const KEPT: usize = 10_000;

/// Entries of one answer, unless it is told otherwise.
const PAGE: usize = 100;

/// An entry, found again by its key.
pub(crate) trait Entry: Clone + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Its provider's id.
    fn key(&self) -> &str;
}

/// An entry with its place, which is the cursor of `?after=`.
#[derive(Clone, Serialize, Deserialize)]
struct Numbered<T> {
    index: u64,
    #[serde(flatten)]
    entry: T,
}

/// All entries of one kind.
pub(crate) struct Journal<T> {
    entries: Arc<Mutex<VecDeque<Numbered<T>>>>,
    path: Option<PathBuf>,
}

impl<T> Clone for Journal<T> {
    fn clone(&self) -> Self {
        Self { entries: Arc::clone(&self.entries), path: self.path.clone() }
    }
}

impl<T: Entry> Journal<T> {
    /// Reads the file of earlier runs; with no path, nothing is kept.
    pub(crate) fn open(path: Option<PathBuf>) -> Self {
        let text = path.as_ref().and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
        let journal = Self { entries: Arc::default(), path };
        for line in text.lines() {
            // A line that a kill cut short is one that nobody was told of.
            if let Ok(numbered) = serde_json::from_str(line) {
                journal.put(numbered);
            }
        }
        journal
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Numbered<T>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds or replaces in memory.
    fn put(&self, numbered: Numbered<T>) {
        let mut entries = self.lock();
        match entries.iter_mut().rfind(|known| known.index == numbered.index) {
            Some(known) => *known = numbered,
            None => {
                if entries.len() == KEPT {
                    entries.pop_front();
                }
                entries.push_back(numbered);
            }
        }
    }

    fn keep(&self, numbered: &Numbered<T>) {
        let Some(path) = &self.path else { return };
        let kept = serde_json::to_string(numbered).map_err(Into::into).and_then(|line| files::append_line(path, &line));
        if let Err(error) = kept {
            tracing::warn!(%error, "cannot keep what a provider stand-in was asked");
        }
    }

    /// Adds an entry.
    pub(crate) fn add(&self, entry: T) {
        let mut entries = self.lock();
        let index = entries.back().map_or(1, |last| last.index + 1);
        let numbered = Numbered { index, entry };
        if entries.len() == KEPT {
            entries.pop_front();
        }
        entries.push_back(numbered.clone());
        drop(entries);
        self.keep(&numbered);
    }

    /// Changes the entry with this key.
    pub(crate) fn update(&self, key: &str, change: impl FnOnce(&mut T)) {
        let mut entries = self.lock();
        let Some(numbered) = entries.iter_mut().rfind(|numbered| numbered.entry.key() == key) else { return };
        change(&mut numbered.entry);
        let numbered = numbered.clone();
        drop(entries);
        self.keep(&numbered);
    }

    /// The entry with this key.
    pub(crate) fn get(&self, key: &str) -> Option<T> {
        self.lock().iter().rfind(|numbered| numbered.entry.key() == key).map(|numbered| numbered.entry.clone())
    }

    /// Those that fit, newest first.
    pub(crate) fn find(&self, fits: impl Fn(&T) -> bool) -> Vec<T> {
        self.lock().iter().rev().map(|numbered| &numbered.entry).filter(|entry| fits(entry)).cloned().collect()
    }

    /// `GET` shows them, `DELETE` forgets them.
    pub(crate) fn router(&self, path: &str) -> Router {
        let routes: MethodRouter<Self> = get(show::<T>).delete(clear::<T>);
        Router::new().route(path, routes).with_state(self.clone())
    }
}

/// Which entries to show.
#[derive(Deserialize)]
struct Page {
    /// Newer than the one with this index.
    after: Option<u64>,
    limit: Option<usize>,
}

async fn show<T: Entry>(State(journal): State<Journal<T>>, Query(page): Query<Page>) -> Response {
    let entries = journal.lock();
    let newer = entries.iter().rev().take_while(|numbered| page.after.is_none_or(|after| numbered.index > after));
    let shown: Vec<&Numbered<T>> = newer.take(page.limit.unwrap_or(PAGE)).collect();
    Json(shown).into_response()
}

async fn clear<T: Entry>(State(journal): State<Journal<T>>) -> StatusCode {
    journal.lock().clear();
    match journal.path.as_ref().map(std::fs::remove_file) {
        Some(Err(error)) if error.kind() != std::io::ErrorKind::NotFound => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::NO_CONTENT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::Request;
    use axum::body::Body;
    use serde_json::{Value, json};
    use tower::ServiceExt;

    #[derive(Clone, Serialize, Deserialize)]
    struct Note {
        id: String,
        text: String,
    }

    impl Entry for Note {
        fn key(&self) -> &str {
            &self.id
        }
    }

    async fn shown(journal: &Journal<Note>, query: &str) -> Value {
        let request = Request::get(format!("/n{query}")).body(Body::empty()).unwrap();
        let response = journal.router("/n").oneshot(request).await.unwrap();
        serde_json::from_slice(&axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap()).unwrap()
    }

    #[tokio::test]
    async fn entries_survive_a_restart_with_their_last_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.jsonl");
        let journal = Journal::open(Some(path.clone()));
        let note = |id: &str| Note { id: id.to_owned(), text: "a".to_owned() };
        journal.add(note("1"));
        journal.add(note("2"));
        journal.update("1", |note| note.text = "b".to_owned());
        std::fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .and_then(|mut file| std::io::Write::write_all(&mut file, b"{\"index\":3,"))
            .unwrap();

        let journal = Journal::<Note>::open(Some(path));
        let expected = json!([{"index": 2, "id": "2", "text": "a"}, {"index": 1, "id": "1", "text": "b"}]);
        assert_eq!(shown(&journal, "").await, expected);
        assert_eq!(shown(&journal, "?after=1").await[1], Value::Null);
        assert_eq!(shown(&journal, "?limit=1").await[0]["id"], "2");
        assert_eq!(journal.get("1").unwrap().text, "b");

        let request = Request::delete("/n").body(Body::empty()).unwrap();
        assert_eq!(journal.router("/n").oneshot(request).await.unwrap().status(), StatusCode::NO_CONTENT);
        assert_eq!(shown(&journal, "").await, json!([]));
    }
}
