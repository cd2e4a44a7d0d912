//! Who gets a place at the listener.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

/// More than is needed on a busy machine, and less than [`READ_LIMIT`], which would free the places by itself.
const SOON: Duration = Duration::from_secs(5);

async fn open() -> Loopback {
    // Not the usual ports, which the logins of other tests try first.
    Loopback::open(&Landing { path: "/callback", ports: 0..0 }, None).await.unwrap()
}

async fn connect(loopback: &Loopback) -> TcpStream {
    TcpStream::connect(("127.0.0.1", loopback.port)).await.unwrap()
}

/// Connects, and sends the beginning of a request.
async fn unfinished(loopback: &Loopback) -> TcpStream {
    let mut stream = connect(loopback).await;
    stream.write_all(b"GET /callback HTTP/1.1\r\nHost: ").await.unwrap();
    stream
}

async fn finished(loopback: &Loopback) -> TcpStream {
    let mut stream = unfinished(loopback).await;
    stream.write_all(format!("127.0.0.1:{}\r\n\r\n", loopback.port).as_bytes()).await.unwrap();
    stream
}

async fn visit(loopback: &mut Loopback) -> Option<Visit> {
    timeout(SOON, loopback.visit()).await.ok().flatten()
}

/// Accepts whoever has connected, until nobody comes any more.
async fn accept_all(loopback: &mut Loopback) {
    let quiet = timeout(Duration::from_millis(200), loopback.visit()).await;
    assert!(quiet.is_err(), "nobody has sent a whole request");
}

/// True if the listener has closed the connection, orderly or not.
async fn is_closed(mut stream: TcpStream) -> bool {
    let mut rest = Vec::new();
    match timeout(Duration::from_millis(200), stream.read_to_end(&mut rest)).await {
        Ok(read) => read.is_err() || rest.is_empty(),
        Err(_) => false,
    }
}

#[tokio::test]
async fn unfinished_requests_in_all_places_do_not_keep_the_browser_out() {
    for neighbour in [|_, _| Neighbour::Ours, |_, _| Neighbour::Unknown] {
        let mut loopback = Loopback { look_up: neighbour, ..open().await };
        let mut silent = Vec::new();
        for _ in 0..3 * CONNECTIONS {
            silent.push(unfinished(&loopback).await);
        }
        let _browser = finished(&loopback).await;
        assert!(visit(&mut loopback).await.is_some(), "the browser waits behind those who say nothing");
        assert!(loopback.guests.0.len() <= CONNECTIONS, "{}", loopback.guests.0.len());
    }
}

#[tokio::test]
async fn the_oldest_of_those_who_say_nothing_has_to_go() {
    let mut loopback = Loopback { look_up: |_, _| Neighbour::Ours, ..open().await };
    let mut silent = Vec::new();
    for _ in 0..=CONNECTIONS {
        silent.push(unfinished(&loopback).await);
    }
    accept_all(&mut loopback).await;
    let newest = silent.pop().unwrap();
    assert!(is_closed(silent.swap_remove(0)).await, "the oldest");
    assert!(!is_closed(silent.swap_remove(0)).await && !is_closed(newest).await);
}

#[tokio::test]
async fn a_request_that_is_being_answered_keeps_its_place() {
    let mut loopback = Loopback { look_up: |_, _| Neighbour::Ours, ..open().await };
    let mut browser = finished(&loopback).await;
    let visited = visit(&mut loopback).await.unwrap();
    let mut silent = Vec::new();
    for _ in 0..2 * CONNECTIONS {
        silent.push(unfinished(&loopback).await);
    }
    accept_all(&mut loopback).await;
    visited.reply.send(page::not_found()).unwrap();
    let mut answer = String::new();
    browser.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
}

#[tokio::test]
async fn another_user_is_turned_away_unread_and_takes_no_place() {
    let mut loopback = Loopback { look_up: |_, _| Neighbour::Stranger(1), ..open().await };
    let stranger = finished(&loopback).await;
    accept_all(&mut loopback).await;
    assert!(loopback.strangers_came && loopback.guests.0.is_empty());
    assert!(is_closed(stranger).await);
    loopback.look_up = |_, _| Neighbour::Ours;
    let _browser = finished(&loopback).await;
    assert!(visit(&mut loopback).await.is_some());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn those_who_are_not_known_do_not_take_the_places_of_this_user() {
    let mut loopback = Loopback { look_up: |_, _| Neighbour::Unknown, ..open().await };
    let mut silent = Vec::new();
    for _ in 0..CONNECTIONS {
        silent.push(unfinished(&loopback).await);
    }
    accept_all(&mut loopback).await;
    assert_eq!(loopback.guests.0.len(), UNKNOWN_CONNECTIONS);
    loopback.look_up = neighbours::look_up;
    let _browser = finished(&loopback).await;
    let visit = visit(&mut loopback).await.unwrap();
    assert_eq!(visit.neighbour, Neighbour::Ours, "the system knows this test");
}

/// What the listener answers to these bytes, and whether the login gets to see the request.
async fn answer(loopback: &mut Loopback, request: &[u8]) -> (String, bool) {
    let mut stream = connect(loopback).await;
    let talk = async {
        // A listener that has read enough closes the connection.
        let _ = stream.write_all(request).await;
        let mut answer = Vec::new();
        let _ = timeout(SOON, stream.read_to_end(&mut answer)).await;
        String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
    };
    tokio::select! {
        status = talk => (status, false),
        visit = loopback.visit() => (String::new(), visit.is_some()),
    }
}

#[tokio::test]
async fn what_is_not_meant_for_this_listener_or_too_long_never_reaches_the_login() {
    let mut loopback = Loopback { look_up: |_, _| Neighbour::Ours, ..open().await };
    let host = format!("Host: 127.0.0.1:{}", loopback.port);
    let get = |headers: &str| format!("GET /callback?code=c HTTP/1.1\r\n{headers}\r\n\r\n").into_bytes();
    let long = format!("{host}\r\nx: {}", "x".repeat(HEADER_BYTES));
    let many = (0..200).map(|number| format!("x{number}: y\r\n")).collect::<String>();
    let body = "x".repeat(BODY_BYTES + 1);
    let post = format!("POST /callback HTTP/1.1\r\n{host}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    for (what, request) in [
        ("another host", get("Host: attacker.test")),
        ("another port", get("Host: 127.0.0.1:1")),
        ("a longer name", get(&format!("{host}.attacker.test"))),
        ("a name before", get(&format!("Host: attacker.test@127.0.0.1:{}", loopback.port))),
        ("no host", get("X: y")),
        ("two hosts", get(&format!("{host}\r\n{host}"))),
        (
            "a proxy's request",
            format!("GET http://attacker.test/callback HTTP/1.1\r\n{host}\r\n\r\n").into_bytes(),
        ),
        ("a long header", get(&long)),
        (
            "a long address",
            format!("GET /callback?{} HTTP/1.1\r\n{host}\r\n\r\n", "x".repeat(HEADER_BYTES)).into_bytes(),
        ),
        ("many headers", get(&format!("{many}{host}"))),
        ("a long body", post.into_bytes()),
        ("no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec()),
    ] {
        let (status, reached) = answer(&mut loopback, &request).await;
        assert!(!reached && !status.contains(" 200 "), "{what}: {status}");
    }
    let (_, reached) = answer(&mut loopback, &get(&host)).await;
    assert!(reached, "the right request reaches it");
}
