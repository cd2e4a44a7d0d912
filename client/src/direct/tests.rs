use std::time::Duration;

use super::*;

fn framed(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    frame(&mut out, kind, flags, stream, payload).expect("it fits");
    out
}

fn message(payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0];
    out.extend(u32::try_from(payload.len()).expect("it is short").to_be_bytes());
    out.extend(payload);
    out
}

/// What is made of an answer that comes in pieces of `piece` bytes, after which the server hangs up.
fn answered(bytes: &[u8], piece: usize) -> Option<Vec<u8>> {
    let (mut here, mut there) = UnixStream::pair().expect("a pair of sockets");
    let bytes = bytes.to_vec();
    let server = std::thread::spawn(move || {
        let mut request = [0; 24];
        there.read_exact(&mut request).expect("a request");
        // The client may have hung up already.
        let _ = bytes.chunks(piece).try_for_each(|piece| there.write_all(piece));
        request
    });
    let request = request("/a.B/C", &[], b"x").expect("a request");
    let answer = exchange(&mut here, &request, Instant::now() + Duration::from_secs(10));
    drop(here);
    assert_eq!(server.join().expect("no panic"), PREFACE);
    answer
}

fn usual() -> Vec<Vec<u8>> {
    vec![
        framed(kind::SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 200]),
        framed(kind::SETTINGS, 1, 0, &[]),
        framed(kind::WINDOW_UPDATE, 0, 0, &[0, 0, 1, 0]),
        framed(kind::HEADERS, END_HEADERS, 1, &[0x88]),
        framed(kind::DATA, 0, 1, &message(b"token")),
        framed(kind::HEADERS, END_HEADERS | END_STREAM, 1, &[0x80]),
    ]
}

#[test]
fn a_usual_answer_is_read_however_it_is_cut() {
    let bytes = usual().concat();
    for piece in [1, 2, 9, 10, 64, bytes.len()] {
        assert_eq!(answered(&bytes, piece).as_deref(), Some(&b"token"[..]), "{piece}");
    }
}

#[test]
fn a_message_in_several_frames_is_put_together() {
    let whole = message(&[7; 40_000]);
    let mut frames = usual();
    frames.splice(4..5, whole.chunks(FRAME_MAX).map(|part| framed(kind::DATA, 0, 1, part)));
    assert_eq!(answered(&frames.concat(), 4096), Some(vec![7; 40_000]));
}

#[test]
fn whatever_is_out_of_the_ordinary_is_left_to_the_ordinary_way() {
    let instead = |place: usize, frame: Vec<u8>| {
        let mut frames = usual();
        frames[place] = frame;
        frames.concat()
    };
    let mut compressed = message(b"token");
    compressed[0] = 1;
    let cases = [
        ("nothing", Vec::new()),
        ("no HTTP/2", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        ("cut off", usual()[..5].concat()),
        ("an error, which comes without a message", instead(3, usual()[5].clone())),
        ("no message at all", instead(4, Vec::new())),
        ("half a message", instead(4, framed(kind::DATA, 0, 1, &message(b"token")[..7]))),
        ("two messages", instead(4, framed(kind::DATA, 0, 1, &[message(b"a"), message(b"b")].concat()))),
        ("a compressed message", instead(4, framed(kind::DATA, 0, 1, &compressed))),
        ("padding", instead(4, framed(kind::DATA, 8, 1, &message(b"token")))),
        ("another stream", instead(4, framed(kind::DATA, 0, 3, &message(b"token")))),
        ("headers that go on", instead(3, framed(kind::HEADERS, 0, 1, &[0x88]))),
        ("a reset", instead(4, framed(3, 0, 1, &[0, 0, 0, 8]))),
        ("going away", instead(2, framed(7, 0, 0, &[0; 8]))),
        ("a pushed stream", instead(2, framed(5, END_HEADERS, 1, &[0, 0, 0, 2]))),
        ("an unknown frame", instead(2, framed(99, 0, 0, &[]))),
        ("a frame that is too long", instead(4, vec![0, 0x40, 1, 0, 0, 0, 0, 0, 1])),
        ("settings of a stream", instead(0, framed(kind::SETTINGS, 0, 1, &[]))),
    ];
    for (what, bytes) in cases {
        assert_eq!(answered(&bytes, 1 << 16), None, "{what}");
    }
}

#[test]
fn an_endless_answer_ends_at_the_window() {
    let mut bytes = usual()[..4].concat();
    for _ in 0..8 {
        bytes.extend(framed(kind::DATA, 0, 1, &[0; FRAME_MAX]));
    }
    assert_eq!(answered(&bytes, 1 << 14), None);
}

#[test]
fn a_server_that_says_nothing_costs_no_more_than_the_limit() {
    let (mut here, _there) = UnixStream::pair().expect("a pair of sockets");
    let request = request("/a.B/C", &[], b"x").expect("a request");
    assert_eq!(exchange(&mut here, &request, Instant::now() + Duration::from_millis(50)), None);
}

#[test]
fn what_does_not_fit_into_the_plain_form_is_not_sent() {
    assert!(request("/a.B/C", &[("name", &"x".repeat(127))], b"x").is_none());
    assert!(request("/a.B/C", &[("name", "value")], &[0; FRAME_MAX]).is_none());
    assert!(request("/a.B/C", &[("name", "value")], &[0; FRAME_MAX - 5]).is_some());
}
