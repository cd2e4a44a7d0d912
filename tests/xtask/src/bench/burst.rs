//! Bursts that a program could make, by intent or by mistake: connections that are left idle, requests that never
//! become whole, watchers, answers that nobody reads. They are made by processes of their own, since a process has
//! only a share of the agent's connections.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

/// The task of this program that makes connections; not one for people.
pub(crate) const TASK: &str = "burst";

/// One process holds at most a quarter of what the agent serves, which is about this.
const OF_ONE: usize = 1000;

/// What is sent on each connection.
pub(super) const KINDS: [(&str, usize); 4] = [
    ("idle connections", 5000),
    ("half requests", 4200),
    ("watchers", 2000),
    ("clients that never read", 500),
];

/// Calls on the connection of a client that never reads: as many as the agent takes at a time.
const UNREAD: u32 = 64;

/// Holds a burst until it is dropped.
pub(super) struct Burst(Vec<Child>);

impl Burst {
    /// Makes `count` connections of a kind to `socket`.
    pub(super) fn start(kind: &str, count: usize, socket: &str) -> Self {
        let own = std::env::current_exe().expect("this program has a path");
        let counts = (0..count.div_ceil(OF_ONE)).map(|index| OF_ONE.min(count - index * OF_ONE));
        let start = |count: usize| {
            // Each connection is a descriptor.
            let script = "ulimit -n $(ulimit -H -n); exec \"$0\" \"$@\"";
            let mut command = Command::new("/bin/sh");
            command.args(["-c", script]).arg(&own).args([TASK, kind, &count.to_string(), socket]);
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("this program can be started")
        };
        let mut children: Vec<Child> = counts.map(start).collect();
        for child in &mut children {
            let mut line = String::new();
            let output = child.stdout.take().expect("its output is a pipe");
            BufReader::new(output).read_line(&mut line).expect("it says that it is ready");
        }
        Self(children)
    }
}

impl Drop for Burst {
    fn drop(&mut self) {
        for child in &mut self.0 {
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }
}

/// The task of one process: makes the connections, says so, and keeps them until its input ends.
pub(crate) fn hold(words: &[String]) {
    let [kind, count, socket] = words else { panic!("a kind, a number and a socket") };
    let count: usize = count.parse().expect("a number");
    let mut held = Vec::new();
    for _ in 0..count {
        // The agent may refuse some, or hang up on the oldest to make room: that is its right.
        let Ok(mut stream) = UnixStream::connect(socket) else { continue };
        if stream.write_all(&bytes(kind)).is_ok() && kind == "idle connections" {
            let _ = stream.read(&mut [0; 256]);
        }
        held.push(stream);
    }
    println!("ready");
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

/// HTTP/2 as far as it is needed (RFC 9113): the preface, the settings, and the headers of a call, with its message
/// unless the request is to be left half.
fn bytes(kind: &str) -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    match kind {
        "watchers" => call(&mut bytes, 1, "/seqera.agent.v1.Tokens/WatchAccessToken", b"\0\0\0\0\0"),
        "clients that never read" => {
            // ServerReflectionRequest { file_containing_symbol }: the largest answer that any call has.
            let symbol = b"seqera.agent.v1.Sessions";
            let length = u8::try_from(symbol.len()).expect("a short name");
            let message = [&[0, 0, 0, 0, length + 2, 0x22, length][..], symbol].concat();
            for stream in (1..2 * UNREAD).step_by(2) {
                call(
                    &mut bytes,
                    stream,
                    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                    &message,
                );
            }
        }
        _ => call(&mut bytes, 1, "/grpc.health.v1.Health/Check", b"\0\0\0\0\0"),
    }
    if kind == "half requests" {
        // Of the message, which is the last frame, only the head.
        bytes.truncate(bytes.len() - 5);
    }
    bytes
}

/// The frames of one call: headers, and the message with the end of the stream.
fn call(bytes: &mut Vec<u8>, stream: u32, path: &str, message: &[u8]) {
    let mut headers = vec![0x83, 0x86];
    for (name, value) in [(&[1][..], "localhost"), (&[4], path), (&[0x0f, 0x10], "application/grpc")] {
        headers.extend(name);
        headers.push(u8::try_from(value.len()).expect("a short value"));
        headers.extend(value.bytes());
    }
    headers.extend(b"\x00\x02te\x08trailers");
    for (kind, flags, payload) in [(1, 4, &headers[..]), (0, 1, message)] {
        bytes.extend([0, 0, u8::try_from(payload.len()).expect("a short frame"), kind, flags]);
        bytes.extend(stream.to_be_bytes());
        bytes.extend(payload);
    }
}
