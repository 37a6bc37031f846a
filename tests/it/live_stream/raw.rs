//! The bytes of a stream as they are.

use crate::support::in_time;
use reqwest::{RequestBuilder, Response};

/// A stream being read without any parsing.
pub(super) struct Raw {
    response: Response,
    pub(super) text: String,
}

impl Raw {
    pub(super) async fn open(request: RequestBuilder) -> Self {
        let response = in_time("an answer", request.send()).await.unwrap();
        assert_eq!(response.status(), 200);
        Self { response, text: String::new() }
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.response.headers()[name].to_str().unwrap()
    }

    /// Everything so far, once it holds this text and the block around it is complete.
    pub(super) async fn until(&mut self, wanted: &str) -> &str {
        in_time(wanted, async {
            loop {
                let found = self.text.find(wanted);
                if found.is_some_and(|at| self.text[at..].contains("\n\n")) {
                    return;
                }
                let chunk = self.response.chunk().await.unwrap().expect("the stream goes on");
                self.text.push_str(std::str::from_utf8(&chunk).unwrap());
            }
        })
        .await;
        &self.text
    }
}
