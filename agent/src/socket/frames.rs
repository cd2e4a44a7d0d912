//! Follows the frames that a client sends, only to know whether something has begun to arrive and is not
//! complete: a frame, or a block of headers. HTTP/2 itself has no time limit for either.

use tokio::time::Instant;

/// What a client says first (RFC 9113, section 3.4).
const PREFACE: usize = 24;
/// The head of a frame: three bytes of length, type, flags, and four bytes of the stream's number (section 4.1).
const HEAD: usize = 9;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// Where in the stream of frames a connection is.
#[derive(Debug)]
pub(super) struct Frames {
    /// How many bytes of the preface or of the current frame's payload are still to come.
    missing: usize,
    head: [u8; HEAD],
    /// How many bytes of the head have come.
    known: usize,
    /// Headers have come without their end.
    in_headers: bool,
    /// When what is not complete began.
    since: Option<Instant>,
}

impl Frames {
    pub(super) fn new() -> Self {
        Self { missing: PREFACE, head: [0; HEAD], known: 0, in_headers: false, since: None }
    }

    /// When what is not complete began to arrive; `None` between two frames.
    pub(super) fn unfinished_since(&self) -> Option<Instant> {
        self.since
    }

    /// Takes note of the next bytes of the client.
    pub(super) fn follow(&mut self, mut bytes: &[u8]) {
        let now = Instant::now();
        while !bytes.is_empty() {
            self.since = self.since.or(Some(now));
            bytes = if self.missing > 0 { self.skip(bytes) } else { self.read_head(bytes) };
            if self.missing == 0 && self.known == 0 && !self.in_headers {
                self.since = None;
            }
        }
    }

    fn skip<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (skipped, rest) = bytes.split_at(self.missing.min(bytes.len()));
        self.missing -= skipped.len();
        rest
    }

    fn read_head<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (read, rest) = bytes.split_at((HEAD - self.known).min(bytes.len()));
        self.head[self.known..self.known + read.len()].copy_from_slice(read);
        self.known += read.len();
        if self.known == HEAD {
            let [high, middle, low, kind, flags, ..] = self.head;
            self.missing = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
            if matches!(kind, HEADERS | CONTINUATION) {
                self.in_headers = flags & END_HEADERS == 0;
            }
            self.known = 0;
        }
        rest
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let length = u8::try_from(payload).unwrap();
        let mut frame = vec![0, 0, length, kind, flags, 0, 0, 0, 1];
        frame.resize(HEAD + payload, 7);
        frame
    }

    /// Frames after the preface.
    fn begun() -> Frames {
        let mut frames = Frames::new();
        frames.follow(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        assert_eq!(frames.unfinished_since(), None);
        frames
    }

    #[tokio::test(start_paused = true)]
    async fn every_byte_of_a_frame_but_the_last_leaves_it_unfinished() {
        for (kind, flags) in [(0, 0), (HEADERS, END_HEADERS), (4, 0), (6, 0), (8, 0), (250, 255)] {
            let mut frames = begun();
            let whole = [frame(kind, flags, 8), frame(0, 0, 0)].concat();
            for (at, byte) in whole.iter().enumerate() {
                frames.follow(&[*byte]);
                let is_end = at + 1 == HEAD + 8 || at + 1 == whole.len();
                assert_eq!(frames.unfinished_since().is_none(), is_end, "type {kind}, byte {at}");
            }
            frames.follow(&whole);
            assert_eq!(frames.unfinished_since(), None, "type {kind}, at once");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn headers_are_unfinished_until_their_last_continuation_and_count_from_the_first() {
        let (mut frames, start) = (begun(), Instant::now());
        for kind in [HEADERS, CONTINUATION, CONTINUATION] {
            frames.follow(&frame(kind, 0, 5));
            tokio::time::advance(Duration::from_secs(1)).await;
            assert_eq!(frames.unfinished_since(), Some(start));
        }
        frames.follow(&frame(CONTINUATION, END_HEADERS, 5));
        assert_eq!(frames.unfinished_since(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_frames_in_a_row_the_time_counts_from_the_second() {
        let mut frames = begun();
        frames.follow(&frame(0, 0, 8)[..4]);
        tokio::time::advance(Duration::from_secs(4)).await;
        frames.follow(&[&frame(0, 0, 8)[4..], &frame(0, 0, 8)[..4]].concat());
        assert_eq!(frames.unfinished_since(), Some(Instant::now()));
    }

    #[test]
    fn half_a_preface_is_unfinished() {
        let mut frames = Frames::new();
        assert_eq!(frames.unfinished_since(), None);
        frames.follow(b"PRI * HT");
        assert!(frames.unfinished_since().is_some());
    }
}
