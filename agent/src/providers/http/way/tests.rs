//! Ways through a proxy that a test plays, and files of authorities that are good for nothing.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::super::{Http, Limits};
use super::*;
use crate::clock::{SystemClock, WallOffset};

fn http() -> Http {
    let limits = Limits { time: Duration::from_secs(5), ..Limits::default() };
    Http::new(Arc::new(SystemClock::new(WallOffset::default())), limits)
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn network(proxy: &str, no_proxy: &str) -> Network {
    Network::read(proxy, no_proxy, "").unwrap()
}

/// A proxy for one request: its address, and the head that it got.
async fn proxy(answer: &'static str) -> (String, oneshot::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (heard, head) = oneshot::channel();
    tokio::spawn(async move {
        let (mut peer, _) = listener.accept().await.unwrap();
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            bytes.push(peer.read_u8().await.unwrap());
        }
        peer.write_all(answer.as_bytes()).await.unwrap();
        let _ = heard.send(String::from_utf8(bytes).unwrap());
    });
    (address, head)
}

struct Known(&'static str);

#[async_trait]
impl Passwords for Known {
    async fn password(&self, _: &Network) -> Option<Password> {
        Some(Password::new(self.0))
    }
}

#[tokio::test]
async fn a_port_that_answers_in_plain_http_is_said_not_to_speak_tls() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut peer, _) = listener.accept().await.unwrap();
        let _ = peer.read(&mut [0; 64]).await;
        peer.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    });
    let fault = http().fetch(&url(&format!("https://127.0.0.1:{port}/")), None).await.err().unwrap();
    assert_eq!(fault.to_string(), "this port does not speak TLS");
    assert!(fault.why().hint_or("").contains("port"), "{fault}");
}

#[test]
fn the_proxy_serves_every_host_but_this_machine_and_those_that_need_none() {
    let through = network("http://proxy.test:3128", ".corp.test, 10.0.0.0/8");
    for proxied in ["https://cloud.seqera.io/api", "https://notcorp.test/", "https://11.0.0.1/"] {
        assert!(is_proxied(&url(proxied), &through), "{proxied}");
    }
    for direct in
        ["https://platform.corp.test/api", "https://10.1.2.3/", "https://127.0.0.1:9/", "https://localhost/"]
    {
        assert!(!is_proxied(&url(direct), &through), "{direct}");
    }
    assert!(!is_proxied(&url("https://cloud.seqera.io/api"), &network("http://proxy.test:3128", "*")));
    assert!(!is_proxied(&url("https://cloud.seqera.io/api"), &Network::default()));
}

#[tokio::test]
async fn the_proxy_gets_the_user_and_the_decoded_password_and_the_name_of_the_host() {
    let (address, head) = proxy("HTTP/1.1 502 Bad Gateway\r\n\r\n").await;
    let network = network(&format!("http://ada:p%40ss@{address}"), "");
    let fault = http().over(&network).fetch(&url("https://platform.test/api"), None).await.err().unwrap();
    let head = head.await.unwrap();
    assert!(head.starts_with("CONNECT platform.test:443 HTTP/1.1\r\n"), "{head}");
    // base64 of `ada:p@ss`
    assert!(
        head.to_lowercase().contains("proxy-authorization: basic ") && head.contains("YWRhOnBAc3M="),
        "{head}"
    );
    assert!(matches!(&fault, Fault::NotSent(why) if why.contains(&network.shown_proxy())), "{fault}");
    assert!(!fault.to_string().contains("p%40ss") && !fault.to_string().contains("ada"));
}

#[tokio::test]
async fn a_password_that_the_login_did_not_bring_is_asked_for() {
    let (address, head) = proxy("HTTP/1.1 502 Bad Gateway\r\n\r\n").await;
    let network = network(&format!("http://ada@{address}"), "");
    let http = http().with(Arc::new(Known("p%40ss")), 0).over(&network);
    http.fetch(&url("https://platform.test/api"), None).await.err().unwrap();
    assert!(head.await.unwrap().contains("YWRhOnBAc3M="));
}

#[tokio::test]
async fn a_client_keeps_no_password_and_serves_while_somebody_else_does() {
    let clients = Clients::default();
    let address = url("https://platform.test/api");
    let given = network("http://ada:p%40ss@127.0.0.1:9", "");
    let kept = || lock(&clients.kept).secure.len();
    drop(clients.way(&address, &given).await.unwrap());
    // Another text of the same password does as well.
    drop(clients.way(&address, &network("http://ada:p%40ss@127.0.0.1:9", "")).await.unwrap());
    assert_eq!(kept(), 1);
    let other = network("http://ada:other@127.0.0.1:9", "");
    drop(clients.way(&address, &other).await.unwrap());
    assert_eq!(kept(), 2, "another password is another client");
    drop((given, other));
    assert!(lock(&clients.kept).secure.iter().all(|kept| !kept.is_usable()));
    drop(clients.way(&address, &Network::default()).await.unwrap());
    assert_eq!(kept(), 1, "only the direct one is left");
}

#[tokio::test]
async fn a_proxy_that_wants_a_password_is_a_matter_for_the_person_and_the_request_was_not_sent() {
    let (address, _head) =
        proxy("HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n").await;
    let network = network(&format!("http://ada:wrong@{address}"), "");
    let fault = http().over(&network).submit(&url("https://platform.test/token"), &[]).await.err().unwrap();
    let Fault::Misconfigured(why) = fault else { panic!("{fault}") };
    assert_eq!(
        why.to_string(),
        format!("wrong or missing user name or password for the proxy {} (407)", network.shown_proxy())
    );
    assert!(why.hint_or("").contains("HTTPS_PROXY"));
}

#[tokio::test]
async fn a_file_of_authorities_that_is_no_good_is_named_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let (missing, garbage) = (dir.path().join("missing.pem"), dir.path().join("garbage.pem"));
    let broken = dir.path().join("broken.pem");
    std::fs::write(&garbage, "not PEM").unwrap();
    std::fs::write(&broken, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    for file in [missing, garbage, broken] {
        let file = file.to_str().unwrap();
        let http = http().over(&Network::read("", "", file).unwrap());
        let fault = http.fetch(&url("https://127.0.0.1:1/"), None).await.err().unwrap();
        let Fault::Misconfigured(why) = fault else { panic!("{fault}") };
        assert!(why.contains(file) && why.hint_or("").contains("caFile"), "{why}");
    }
}

#[tokio::test]
async fn what_is_no_file_of_authorities_by_its_size_or_kind_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let huge = dir.path().join("huge.pem");
    std::fs::File::create(&huge).unwrap().set_len(LARGEST_CA_FILE + 1).unwrap();
    for (path, why) in [(dir.path(), "it is a folder, not a file"), (&huge, "4194304 are the limit")] {
        let fault = authorities(path.to_str().unwrap()).await.unwrap_err();
        assert!(fault.to_string().contains(why), "{fault}");
    }
    #[cfg(unix)]
    {
        let pipe = dir.path().join("pipe.pem");
        crate::testing::odd::named_pipe(&pipe);
        let fault = authorities(pipe.to_str().unwrap()).await.unwrap_err();
        assert!(fault.to_string().contains("it is a named pipe, not a file"), "{fault}");
        // What distributions have in /etc/ssl is a link.
        let (real, link) = (dir.path().join("real.pem"), dir.path().join("link.pem"));
        std::fs::write(&real, "PEM").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert_eq!(authorities(link.to_str().unwrap()).await.unwrap(), b"PEM");
    }
}

/// A keychain that hangs.
struct Silent;

#[async_trait]
impl Passwords for Silent {
    async fn password(&self, _: &Network) -> Option<Password> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_password_that_nobody_tells_ends_the_request_in_time_and_nothing_was_sent() {
    let limits = Limits { time: Duration::from_millis(50), ..Limits::default() };
    let http = Http::new(Arc::new(SystemClock::new(WallOffset::default())), limits);
    let http = http.with(Arc::new(Silent), 0).over(&network("http://ada@127.0.0.1:9", ""));
    let address = url("https://platform.test/api");
    let asked = http.fetch(&address, None);
    let fault = tokio::time::timeout(Duration::from_secs(5), asked).await.unwrap().err().unwrap();
    assert!(matches!(&fault, Fault::NotSent(why) if why.contains("password")), "{fault}");
}

#[tokio::test(start_paused = true)]
async fn clients_that_nobody_needs_for_a_minute_are_dropped_and_built_again() {
    let clients = Clients::default();
    let kept = || lock(&clients.kept).plain.is_some();
    let address = url("http://127.0.0.1:1/");
    for _ in 0..2 {
        clients.way(&address, &Network::default()).await.unwrap();
        tokio::time::sleep(UNUSED / 2).await;
        clients.way(&address, &Network::default()).await.unwrap();
        tokio::time::sleep(UNUSED - Duration::from_secs(1)).await;
        assert!(kept(), "it was used less than a minute ago");
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(!kept());
    }
}
