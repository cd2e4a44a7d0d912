//! A web server on an origin of its own, which remembers who asked for what.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// A server that ends with the process.
pub(crate) struct Web {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    answers: Vec<Value>,
    requests: Vec<Value>,
}

struct Request {
    path: String,
    authorization: Option<String>,
    body: Vec<u8>,
}

impl Web {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                // A client that hangs up early is no reason to stop.
                std::thread::spawn(move || serve(&stream, &shared).is_some());
            }
        });
        Self { url, state }
    }

    pub(crate) fn answer_with(&self, answers: &Value) {
        self.state.lock().expect("no panic").answers = answers.as_array().cloned().unwrap_or_default();
    }

    /// Forgets the requests so far.
    pub(crate) fn forget(&self) {
        self.state.lock().expect("no panic").requests.clear();
    }

    /// Every request so far.
    pub(crate) fn requests(&self) -> Vec<Value> {
        self.state.lock().expect("no panic").requests.clone()
    }
}

fn serve(stream: &TcpStream, state: &Mutex<State>) -> Option<()> {
    let request = read(stream)?;
    let seen = json!({"path": request.path, "authorization": request.authorization});
    let answer = {
        let mut state = state.lock().expect("no panic");
        state.requests.push(seen);
        let fits = |answer: &&Value| {
            let wanted = answer.get("if");
            answer["path"] == request.path.as_str()
                && wanted.is_none_or(|wanted| wanted.as_str() == request.authorization.as_deref())
        };
        state.answers.iter().find(fits).cloned().unwrap_or_else(|| json!({"status": 404}))
    };
    let body = match answer["echo"].as_bool() {
        Some(true) => request.body,
        _ => answer["body"].as_str().unwrap_or_default().as_bytes().to_vec(),
    };
    let mut head =
        format!("HTTP/1.1 {} X\r\nconnection: close\r\ncontent-length: {}\r\n", answer["status"], body.len());
    for (name, value) in answer["headers"].as_object().into_iter().flatten() {
        head += &format!("{name}: {}\r\n", value.as_str().unwrap_or_default());
    }
    let mut stream = stream;
    stream.write_all(format!("{head}\r\n").as_bytes()).ok()?;
    stream.write_all(&body).ok()
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream);
    let mut line = String::new();
    lines.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let (mut authorization, mut length) = (None, 0);
    loop {
        line.clear();
        lines.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => authorization = Some(value.trim().to_owned()),
            "content-length" => length = value.trim().parse().ok()?,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    lines.read_exact(&mut body).ok()?;
    Some(Request { path, authorization, body })
}
