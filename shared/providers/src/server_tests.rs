//! A server that plays a script: the HTTP clients are tested over the wire, with all that goes wrong there.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// What the server does with one connection after it has read the request; at the end it hangs up.
#[derive(Clone)]
pub(crate) enum Step {
    /// Sends bytes.
    Send(Vec<u8>),
    /// Lets time pass.
    Pause(Duration),
    /// Stays silent until the client hangs up.
    Hold,
}

pub(crate) struct Server {
    /// Where the server listens.
    pub(crate) url: String,
    /// The requests it got.
    pub(crate) requests: Receiver<String>,
}

impl Server {
    /// Plays one script per connection, in their order.
    pub(crate) fn playing(scripts: Vec<Vec<Step>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, requests) = channel();
        std::thread::spawn(move || {
            for script in scripts {
                let (mut stream, _) = listener.accept().unwrap();
                let Some(request) = request(&mut stream) else { continue };
                let _ = sender.send(request);
                play(&mut stream, script);
            }
        });
        Self { url, requests }
    }

    /// Answers each connection with one of the given answers.
    pub(crate) fn answering(answers: &[(u16, &str)]) -> Self {
        Self::playing(answers.iter().map(|(status, body)| vec![answer(*status, "application/json", body)]).collect())
    }

    /// A port where nobody listens.
    pub(crate) fn nobody() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    }

    pub(crate) fn request(&self) -> String {
        self.requests.recv_timeout(Duration::from_secs(10)).unwrap()
    }
}

/// A whole answer.
pub(crate) fn answer(status: u16, content_type: &str, body: &str) -> Step {
    let length = body.len();
    let head = format!("HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-type: {content_type}\r\n");
    Step::Send(format!("{head}content-length: {length}\r\n\r\n{body}").into_bytes())
}

/// The head of an answer in chunks.
pub(crate) fn head(status: u16, content_type: &str) -> Step {
    let head = format!("HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-type: {content_type}\r\n");
    Step::Send(format!("{head}transfer-encoding: chunked\r\n\r\n").into_bytes())
}

/// A chunk of such an answer.
pub(crate) fn chunk(data: impl AsRef<[u8]>) -> Step {
    let data = data.as_ref();
    let mut bytes = format!("{:x}\r\n", data.len()).into_bytes();
    bytes.extend_from_slice(data);
    bytes.extend_from_slice(b"\r\n");
    Step::Send(bytes)
}

/// The regular end of such an answer.
pub(crate) fn end() -> Step {
    Step::Send(b"0\r\n\r\n".to_vec())
}

fn play(stream: &mut TcpStream, script: Vec<Step>) {
    for step in script {
        match step {
            // The client may have left: that is for the test to judge.
            Step::Send(bytes) if stream.write_all(&bytes).is_err() => return,
            Step::Send(_) => {}
            Step::Pause(time) => std::thread::sleep(time),
            Step::Hold => while stream.read(&mut [0; 64]).is_ok_and(|n| n > 0) {},
        }
    }
}

fn request(stream: &mut TcpStream) -> Option<String> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !is_complete(&request) {
        match stream.read(&mut buffer) {
            Ok(n) if n > 0 => request.extend_from_slice(&buffer[..n]),
            _ => return None,
        }
    }
    Some(String::from_utf8_lossy(&request).into_owned())
}

fn is_complete(request: &[u8]) -> bool {
    let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") else {
        return false;
    };
    let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
    request.len() >= end + 4 + length
}
