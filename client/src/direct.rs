//! One call over a blocking socket, for commands that programs call in loops: a runtime, and an HTTP/2 library
//! that can do everything, take ten times longer to set up than the call itself. This speaks only as much
//! HTTP/2 (RFC 9113) as the usual answer needs: one whole message and the end of the stream. At anything else,
//! such as an error, a renewal that takes long, or a frame it does not expect, it hangs up, and the caller
//! makes the call in the ordinary way. So it is only for calls that may be made twice.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use tokio::time::Instant;

/// What a client sends first (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// No dynamic table, and no pushed streams (section 6.5.2).
const SETTINGS: [u8; 12] = [0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0];

/// Flags of frames (section 6).
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

/// The largest frame that a server may send before it has been told otherwise (section 6.5.2).
const FRAME_MAX: usize = 1 << 14;

/// How much a server may send before the window is widened, which this never does (section 6.5.2).
const WINDOW: usize = (1 << 16) - 1;

/// A longer name or value would not have its length in one byte (RFC 7541, section 5.1).
const STRING_MAX: usize = 126;

/// Frames that matter here, and those that can be passed over.
mod kind {
    pub(super) const DATA: u8 = 0;
    pub(super) const HEADERS: u8 = 1;
    pub(super) const SETTINGS: u8 = 4;
    pub(super) const PING: u8 = 6;
    pub(super) const WINDOW_UPDATE: u8 = 8;
}

/// A request, complete with preface; `None` if it does not fit into the plain form.
pub(crate) fn request(path: &str, metadata: &[(&str, &str)], message: &[u8]) -> Option<Vec<u8>> {
    // The names of the static table (RFC 7541, appendix A): `:method: POST` and `:scheme: http` have entries
    // of their own; `:authority` is 1, `:path` 4, and `content-type` 31, which takes two bytes.
    let mut headers = vec![0x83, 0x86, 0x01];
    string(&mut headers, "localhost")?;
    headers.push(0x04);
    string(&mut headers, path)?;
    headers.extend([0x0f, 0x10]);
    string(&mut headers, "application/grpc")?;
    for (name, value) in [("te", "trailers")].iter().chain(metadata) {
        headers.push(0);
        string(&mut headers, name)?;
        string(&mut headers, value)?;
    }
    // Not compressed, and its length (gRPC over HTTP/2, "Length-Prefixed-Message").
    let mut data = vec![0];
    data.extend(u32::try_from(message.len()).ok()?.to_be_bytes());
    data.extend(message);

    let mut request = PREFACE.to_vec();
    frame(&mut request, kind::SETTINGS, 0, 0, &SETTINGS)?;
    frame(&mut request, kind::HEADERS, END_HEADERS, 1, &headers)?;
    frame(&mut request, kind::DATA, END_STREAM, 1, &data)?;
    Some(request)
}

/// A string as it is, without Huffman's code (RFC 7541, section 5.2).
fn string(block: &mut Vec<u8>, text: &str) -> Option<()> {
    let length = u8::try_from(text.len()).ok().filter(|_| text.len() <= STRING_MAX)?;
    block.push(length);
    block.extend(text.as_bytes());
    Some(())
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Option<()> {
    let length = u32::try_from(payload.len()).ok().filter(|_| payload.len() <= FRAME_MAX)?;
    out.extend(&length.to_be_bytes()[1..]);
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend(payload);
    Some(())
}

/// Sends a request and reads the message of its answer, until `deadline`. `None` for every other answer.
pub(crate) fn exchange(stream: &mut UnixStream, request: &[u8], deadline: Instant) -> Option<Vec<u8>> {
    stream.write_all(request).ok()?;
    let (mut received, mut answer) = (Vec::new(), Answer::default());
    loop {
        let mut taken = 0;
        while let Some((frame, length)) = Frame::first_of(received.get(taken..)?)? {
            taken += length;
            if answer.take(&frame)? {
                return answer.message();
            }
        }
        received.drain(..taken);
        let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
        stream.set_read_timeout(Some(left)).ok()?;
        let mut chunk = [0; 4096];
        let read = stream.read(&mut chunk).ok().filter(|read| *read > 0)?;
        received.extend(&chunk[..read]);
    }
}

struct Frame<'a> {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The frame at the beginning and its length, if it has arrived. The outer `None`: it is too long.
    fn first_of(bytes: &'a [u8]) -> Option<Option<(Self, usize)>> {
        let Some((&[high, middle, low, kind, flags, a, b, c, d], rest)) = bytes.split_first_chunk::<9>()
        else {
            return Some(None);
        };
        let length = usize::try_from(u32::from_be_bytes([0, high, middle, low])).ok()?;
        if length > FRAME_MAX {
            return None;
        }
        let stream = u32::from_be_bytes([a, b, c, d]);
        Some(rest.get(..length).map(|payload| (Self { kind, flags, stream, payload }, length + 9)))
    }
}

/// What has come of an answer.
#[derive(Default)]
struct Answer {
    data: Vec<u8>,
}

impl Answer {
    /// Takes a frame. True if it is the last one; `None` if it is not one of a usual answer. After a whole
    /// message, the headers that end the stream can only say that the call has succeeded: an error comes
    /// without a message.
    fn take(&mut self, frame: &Frame<'_>) -> Option<bool> {
        match (frame.kind, frame.stream) {
            (kind::SETTINGS | kind::PING | kind::WINDOW_UPDATE, 0) | (kind::WINDOW_UPDATE, 1) => Some(false),
            (kind::DATA, 1) if frame.flags & !END_STREAM == 0 && self.data.len() < WINDOW => {
                self.data.extend(frame.payload);
                Some(frame.flags & END_STREAM != 0)
            }
            (kind::HEADERS, 1) if frame.flags & !END_STREAM == END_HEADERS => {
                Some(frame.flags & END_STREAM != 0)
            }
            _ => None,
        }
    }

    /// The message, if it is a single whole one that is not compressed.
    fn message(mut self) -> Option<Vec<u8>> {
        let (&[0, a, b, c, d], message) = self.data.split_first_chunk::<5>()? else { return None };
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
        let whole = length == message.len();
        whole.then(|| self.data.split_off(5))
    }
}

#[cfg(test)]
mod tests;
