//! Clients that speak HTTP/2 to harm: floods of frames, requests that never end, answers that nobody reads.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;
const END_STREAM: u8 = 1;

/// Frames of one flood. Enough that a queue that grew with them would show, and few enough for a slow machine.
const FRAMES: u32 = 20_000;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The headers of a call of `grpc.health.v1.Health/Check` (RFC 7541, appendix A: 3 and 6 of the static table, and
/// 4 and 1 with a literal).
fn call() -> Vec<u8> {
    let path = b"/grpc.health.v1.Health/Check";
    let length = u8::try_from(path.len()).unwrap();
    [&[0x83, 0x86, 0x04, length], &path[..], &[0x01, 1], b"x"].concat()
}

/// What a client says first; it may go on at once.
fn hello(settings: &[u8]) -> Vec<u8> {
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(SETTINGS, 0, 0, settings)].concat()
}

/// The bytes of the `n`th round of a flood.
type Round = fn(u32) -> Vec<u8>;

const FLOODS: [(&str, Round); 10] = [
    ("continuation", |n| match n {
        0 => frame(HEADERS, 0, 1, &call()),
        _ => frame(CONTINUATION, 0, 1, &[]),
    }),
    ("continuation with headers", |n| match n {
        0 => frame(HEADERS, 0, 1, &call()),
        _ => frame(CONTINUATION, 0, 1, b"\x00\x01x\x01y"),
    }),
    ("rapid reset", |n| {
        let stream = 2 * n + 1;
        [frame(HEADERS, END_HEADERS, stream, &call()), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
    }),
    ("ping", |_| frame(PING, 0, 0, &[7; 8])),
    ("settings", |_| frame(SETTINGS, 0, 0, &[])),
    ("window update", |n| frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, u8::from(n % 2 == 0)])),
    ("empty data", |n| match n {
        0 => frame(HEADERS, END_HEADERS, 1, &call()),
        _ => frame(0, 0, 1, &[]),
    }),
    ("unknown frames", |n| frame(200, 255, n % 3, &[7; 64])),
    ("priority", |n| frame(2, 0, 2 * n + 1, &[0, 0, 0, 0, 16])),
    ("streams that nobody closes", |n| frame(HEADERS, END_HEADERS, 2 * n + 1, &call())),
];

/// Sends a flood until it ends or the agent has hung up.
async fn flood(socket: std::path::PathBuf, round: Round, reads: bool) {
    let stream = UnixStream::connect(socket).await.unwrap();
    let (mut answers, mut requests) = stream.into_split();
    let reading = tokio::spawn(async move {
        let mut buffer = vec![0; 4096];
        while reads && answers.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
        answers
    });
    let sending = async {
        requests.write_all(&hello(&[])).await?;
        for n in (0..FRAMES).step_by(100) {
            let rounds: Vec<u8> = (n..n + 100).flat_map(round).collect();
            requests.write_all(&rounds).await?;
        }
        std::io::Result::Ok(())
    };
    // A client that does not read fills the agent's answers up, and then waits for ever.
    let _ = timeout(Duration::from_secs(3), sending).await;
    drop(requests);
    reading.abort();
}

/// Another caller, which the flood must not keep waiting.
async fn answered(agent: &Agent, during: &str) {
    let calls = async {
        for _ in 0..3 {
            check(&mut agent.client().await).await.unwrap_or_else(|status| panic!("{during}: {status}"));
        }
    };
    timeout(Duration::from_secs(10), calls).await.unwrap_or_else(|_| panic!("{during}: no answer"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_flood_of_frames_keeps_others_from_their_answers() {
    let agent = Agent::serving().await;
    for (name, round) in FLOODS {
        for reads in [true, false] {
            let flooding = tokio::spawn(flood(agent.socket.clone(), round, reads));
            answered(&agent, name).await;
            flooding.await.unwrap();
            answered(&agent, name).await;
        }
    }
    agent.stopped().await;
}

/// Reads until the agent hangs up.
async fn until_hung_up(mut stream: UnixStream) {
    let mut buffer = vec![0; 4096];
    while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_that_break_the_protocol_end_their_connection_and_no_other() {
    let agent = Agent::serving().await;
    let broken = [
        ("no preface", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("a frame beyond the limit", [hello(&[]), vec![0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1]].concat()),
        ("data on no stream", [hello(&[]), frame(0, 0, 0, b"x")].concat()),
        ("a stream of the server", [hello(&[]), frame(HEADERS, END_HEADERS, 2, &call())].concat()),
        ("headers that do not decode", [hello(&[]), frame(HEADERS, END_HEADERS, 1, &[0xff; 64])].concat()),
        ("a continuation of nothing", [hello(&[]), frame(CONTINUATION, 0, 1, &[])].concat()),
        (
            "a window that overflows",
            [hello(&[]), frame(WINDOW_UPDATE, 0, 0, &[0x7f, 255, 255, 255])].concat(),
        ),
    ];
    for (name, bytes) in broken {
        let mut stream = UnixStream::connect(&agent.socket).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        let hung_up = timeout(Duration::from_secs(10), until_hung_up(stream)).await;
        assert!(hung_up.is_ok(), "{name}");
        answered(&agent, name).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_without_an_end_and_answers_that_nobody_reads_keep_nobody_waiting() {
    let agent = Agent::serving().await;
    // A window of 0 bytes for every answer, and calls whose request is never completed, or is.
    let silent = hello(&[0, 4, 0, 0, 0, 0]);
    let begun = |n| frame(HEADERS, END_HEADERS, 2 * n + 1, &call());
    let half: Vec<u8> = (0..64).flat_map(begun).collect();
    let whole: Vec<u8> =
        (0..64).flat_map(|n| [begun(n), frame(0, END_STREAM, 2 * n + 1, &[0; 5])].concat()).collect();
    let hold = async |connections: usize, calls: &[u8]| {
        let mut held = Vec::new();
        for _ in 0..connections {
            let mut stream = UnixStream::connect(&agent.socket).await.unwrap();
            // Whoever is refused because of its share may be hung up on before all is sent.
            let _ = stream.write_all(&[&silent[..], calls].concat()).await;
            held.push(stream);
        }
        held
    };
    let halves = hold(30, &half).await;
    answered(&agent, "half requests").await;
    let beyond_the_share = hold(40, &whole).await;
    let refused = async {
        loop {
            match check(&mut agent.client().await).await {
                Err(status) => return status,
                Ok(_) => sleep(Duration::from_millis(5)).await,
            }
        }
    };
    let refused = timeout(Duration::from_secs(4), refused).await.expect("a share");
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    assert_eq!(refused.get_details_error_info().unwrap().reason, Reason::TooMany.name());
    drop((halves, beyond_the_share));
    let served_again = async {
        while check(&mut agent.client().await).await.is_err() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(10), served_again).await.unwrap();
    answered(&agent, "afterwards").await;
    agent.stopped().await;
}
