use std::io::{Read, Write};

use super::*;
use crate::clock::{FakeClock, SystemClock, WallOffset};
use crate::network::is_loopback;
use crate::testing::double::{Double, Script, answer, cut_answer};

const SHORT: Limits = Limits { time: Duration::from_millis(300), bytes: 1000 };

fn http(limits: Limits) -> Http {
    Http::new(Arc::new(SystemClock::new(WallOffset::default())), limits)
}

async fn submit(double: &Double, limits: Limits) -> Result<Reply, Fault> {
    let url = Url::parse(&format!("{}/token", double.url)).unwrap();
    http(limits).submit(&url, &[("refresh_token", "a b&c")]).await
}

#[tokio::test]
async fn a_request_says_who_sends_it_and_what_it_wants() {
    let double = Double::bare().await;
    submit(&double, Limits::default()).await.unwrap();
    let seen = double.seen("POST /token").remove(0);
    assert_eq!(seen.field("refresh_token").unwrap(), "a b&c");
    assert!(seen.head.contains(concat!("user-agent: seqera-agent/", env!("CARGO_PKG_VERSION"))), "{seen:?}");
    assert!(seen.head.contains("accept: application/json"), "{seen:?}");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_never_followed() {
    let double = Double::bare().await;
    double.script("POST /token", answer(307, &[("location", "/elsewhere")], ""));
    assert_eq!(submit(&double, Limits::default()).await.unwrap().status, 307);
    assert!(double.seen("POST /elsewhere").is_empty());
}

#[tokio::test]
async fn an_endless_body_is_cut_at_the_limit() {
    let double = Double::bare().await;
    double.script("POST /token", Script::Endless);
    let reply = submit(&double, Limits { bytes: 1000, ..Limits::default() }).await.unwrap();
    assert_eq!(reply.body.len(), 1000);
    assert!(reply.cut.unwrap().contains("longer than 1000 bytes"));
}

#[tokio::test]
async fn a_compressed_body_is_neither_asked_for_nor_unpacked() {
    let double = Double::bare().await;
    let packed = "\u{1f}not unpacked";
    double.script("POST /token", answer(200, &[("content-encoding", "gzip")], packed));
    let reply = submit(&double, Limits::default()).await.unwrap();
    assert_eq!(reply.body, packed.as_bytes());
    assert!(!double.seen("POST /token")[0].head.contains("accept-encoding"));
}

#[tokio::test]
async fn a_head_without_an_end_is_no_answer() {
    let double = Double::bare().await;
    let endless = format!("HTTP/1.1 200 OK\r\nx: {}", "x".repeat(4 << 20));
    double.script("POST /token", Script::Bytes(endless.into_bytes()));
    assert!(matches!(submit(&double, Limits::default()).await, Err(Fault::Unanswered(_))));
}

#[tokio::test]
async fn what_came_of_a_body_that_stalls_is_kept() {
    let double = Double::bare().await;
    double.script("POST /token", Script::Hang(cut_answer(200, "the beginning")));
    let reply = submit(&double, SHORT).await.unwrap();
    assert_eq!(reply.body, b"the beginning");
    assert!(reply.cut.is_some());
}

#[tokio::test]
async fn a_request_without_an_answer_ends_at_the_limit() {
    let double = Double::bare().await;
    double.script("POST /token", Script::Hang(Vec::new()));
    assert!(matches!(submit(&double, SHORT).await, Err(Fault::Unanswered(_))));
}

#[tokio::test]
async fn a_suspend_counts_against_the_limit() {
    let double = Double::bare().await;
    double.script("POST /token", Script::Hang(Vec::new()));
    let clock = FakeClock::new();
    let url = Url::parse(&format!("{}/token", double.url)).unwrap();
    let http = Http::new(clock.clone(), Limits::default());
    let suspend = async {
        double.wait_for("POST /token").await;
        clock.jump(3600);
    };
    let started = tokio::time::Instant::now();
    let (answer, ()) = tokio::join!(http.submit(&url, &[]), suspend);
    assert!(matches!(answer, Err(Fault::Unanswered(_))));
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

/// As on a machine that is paused: nothing runs, and then the answer and the end of the time are there together.
#[tokio::test]
async fn an_answer_that_came_while_everything_stood_still_is_read() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = Url::parse(&format!("http://{}/token", listener.local_addr().unwrap())).unwrap();
    let (asked, is_asked) = tokio::sync::oneshot::channel();
    let (stands, stands_still) = std::sync::mpsc::channel();
    let (answered, is_answered) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        connection.read_exact(&mut [0; 4]).unwrap();
        asked.send(()).unwrap();
        stands_still.recv().unwrap();
        connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").unwrap();
        answered.send(connection).unwrap();
    });
    let pause = async {
        is_asked.await.unwrap();
        stands.send(()).unwrap();
        let connection = is_answered.recv().unwrap();
        let until = tokio::time::Instant::now() + 2 * SHORT.time;
        while tokio::time::Instant::now() < until {
            std::thread::yield_now();
        }
        connection
    };
    let http = http(SHORT);
    let (answer, _connection) = tokio::join!(http.submit(&url, &[]), pause);
    assert_eq!(answer.unwrap().body, b"{}");
}

#[tokio::test]
async fn a_request_whose_connection_breaks_is_not_sent_again() {
    let double = Double::bare().await;
    double.script("POST /token", Script::Reset);
    assert!(matches!(submit(&double, Limits::default()).await, Err(Fault::Unanswered(_))));
    assert_eq!(double.seen("POST /token").len(), 1);
}

#[tokio::test]
async fn a_request_that_found_no_connection_was_not_sent() {
    let double = Double::bare().await;
    let url = double.url.clone();
    drop(double);
    // The task with the listener is gone when the port refuses.
    let address = url.trim_start_matches("http://");
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let answer = http(Limits::default()).submit(&Url::parse(&url).unwrap(), &[]).await;
    assert!(matches!(answer, Err(Fault::NotSent(_))));
}

#[tokio::test]
async fn plain_http_goes_to_loopback_addresses_only() {
    for url in ["http://192.0.2.1/", "http://localhost.example/", "ftp://127.0.0.1/", "file:///etc/passwd"] {
        let answer = http(Limits::default()).fetch(&Url::parse(url).unwrap(), None).await;
        assert!(matches!(answer, Err(Fault::Misconfigured(_))), "{url}");
    }
    for url in ["http://127.0.0.1/", "http://127.9.9.9/", "http://[::1]/", "http://localhost:8080/"] {
        assert!(is_loopback(&Url::parse(url).unwrap()), "{url}");
    }
}

#[test]
fn retry_after_is_seconds_or_a_date_by_the_senders_clock() {
    let headers = |pairs: &[(HeaderName, &str)]| -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    };
    let at = "Sun, 06 Nov 1994 08:49:37 GMT";
    let before = "Sun, 06 Nov 1994 08:49:07 GMT";
    let now = date(at).unwrap() - Duration::from_secs(5);
    let told = |pairs: &[(HeaderName, &str)]| retry_after(&headers(pairs), now);
    assert_eq!(told(&[(RETRY_AFTER, "120")]), Some(Duration::from_secs(120)));
    assert_eq!(told(&[(RETRY_AFTER, at)]), Some(Duration::from_secs(5)));
    assert_eq!(told(&[(RETRY_AFTER, at), (DATE, before)]), Some(Duration::from_secs(30)));
    assert_eq!(told(&[(RETRY_AFTER, before)]), Some(Duration::ZERO));
    for odd in ["soon", "-1", "1e9", "18446744073709551616", "Mon, 01 Jan 0001 00:00:00 GMT"] {
        assert_eq!(told(&[(RETRY_AFTER, odd)]), None, "{odd}");
    }
    assert_eq!(told(&[(RETRY_AFTER, "18446744073709551615")]), Some(Duration::from_secs(u64::MAX)));
    let last = "Thu, 30 Dec 9999 21:00:00 GMT";
    assert!(told(&[(RETRY_AFTER, last), (DATE, "Mon, 01 Jan 0001 00:00:00 GMT")]).is_some());
    assert_eq!(told(&[]), None);
}
