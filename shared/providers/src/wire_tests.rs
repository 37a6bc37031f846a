//! A server that gives one answer: the clients are tested over the wire.

use aws_credential_types::Credentials;
use aws_smithy_http_client::Builder;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

/// What every SDK client of the tests is made of.
pub(crate) struct Wire {
    /// Where the server listens.
    pub(crate) endpoint: String,
    /// The requests it got.
    pub(crate) requests: Receiver<String>,
}

impl Wire {
    /// Answers the next connection with `status`, the given header lines and `body`.
    pub(crate) fn answering(status: u16, headers: &str, body: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let answer = format!(
            "HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n{body}",
            body.len()
        );
        let (sender, requests) = channel();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            while !is_complete(&request) {
                let n = stream.read(&mut buffer).unwrap();
                assert_ne!(n, 0, "the client hung up");
                request.extend_from_slice(&buffer[..n]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            sender.send(String::from_utf8_lossy(&request).into_owned()).unwrap();
        });
        Self { endpoint, requests }
    }
}

fn is_complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
    body.len() >= length
}

pub(crate) fn credentials() -> Credentials {
    Credentials::from_keys("test", "test", None)
}

pub(crate) fn http_client() -> aws_smithy_runtime_api::client::http::SharedHttpClient {
    Builder::new().build_http()
}
