//! Calls of every method with contents that nobody meant: each one is answered, and nothing panics.

use std::cell::Cell;
use std::pin::pin;
use std::time::Duration;

use futures_util::FutureExt;
use http_body_util::{BodyExt, Full};
use prost::Message;
use seqera_agent_proto::v1::InfoResponse;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::codegen::http::Request;
use tonic::service::Routes;

use super::*;
use crate::clock::{FakeClock, SystemClock, WallOffset};
use crate::providers::http::{Http, Limits};
use crate::storage::fake::FakeStore;
use crate::storage::store::StoreKind;
use crate::testing::fakes::{Agent, LIFETIME, Provider};
use crate::testing::test_places::TestPlaces;

/// How many calls are made.
const CALLS: u64 = 12_000;

/// Numbers from a seed, by a xorshift generator (Marsaglia, "Xorshift RNGs", 2003).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    fn number(&mut self) -> u64 {
        match self.below(8) {
            0 => 0,
            1 => 1,
            2 => u64::MAX,
            3 => i64::MAX as u64,
            4 => i64::MIN as u64,
            5 => u64::from(u32::MAX),
            6 => 1 << self.below(64),
            _ => self.next(),
        }
    }

    fn text(&mut self) -> Vec<u8> {
        const TEXTS: [&str; 16] = [
            "",
            "work",
            "default",
            "scitoolkit",
            // Nothing listens on this port.
            "http://127.0.0.1:1/api",
            "http://127.0.0.1:1/",
            "https://127.0.0.1:1/?code=a&state=b",
            "/",
            "../../etc/passwd",
            "a\nb\u{202e}\u{200b}\0",
            "-1",
            "[::1]:99999",
            "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "eyJhbGciOiJub25lIn0.e30.",
            "\u{1f512}",
            "%",
        ];
        match self.below(12) {
            0 => vec![b'x'; self.below(60_000)],
            1 => (0..self.below(40)).map(|_| self.next() as u8).collect(),
            _ => TEXTS[self.below(TEXTS.len())].into(),
        }
    }

    /// A message in the form of Protocol Buffers, or nearly.
    fn message(&mut self, depth: usize) -> Vec<u8> {
        let mut message = Vec::new();
        for _ in 0..self.below(8) {
            let highest = if self.below(9) == 0 { 4000 } else { 14 };
            let field = 1 + self.below(highest) as u64;
            match self.below(8) {
                0..=2 => {
                    prost::encoding::encode_varint(field << 3, &mut message);
                    prost::encoding::encode_varint(self.number(), &mut message);
                }
                3 if depth > 0 => {
                    let inner = self.message(depth - 1);
                    delimited(field, &inner, &mut message);
                }
                7 => message.extend(self.text().iter().take(9)),
                _ => {
                    let text = self.text();
                    delimited(field, &text, &mut message);
                }
            }
        }
        message.truncate(MAX_MESSAGE_BYTES);
        message
    }
}

fn delimited(field: u64, content: &[u8], message: &mut Vec<u8>) {
    prost::encoding::encode_varint(field << 3 | 2, message);
    prost::encoding::encode_varint(content.len() as u64, message);
    message.extend(content);
}

/// A process that does nothing.
struct Still;

impl control::Host for Still {
    fn info(&self) -> InfoResponse {
        InfoResponse::default()
    }

    fn met(&self) -> Vec<String> {
        Vec::new()
    }

    fn user(&self) -> String {
        String::new()
    }

    fn reload(&self) -> Vec<String> {
        Vec::new()
    }

    fn stop(&self) {}
}

/// The paths of all methods of the contract.
fn methods() -> Vec<String> {
    let described = prost_types::FileDescriptorSet::decode(seqera_agent_proto::DESCRIPTORS).unwrap();
    let services = described.file.iter().flat_map(|file| {
        file.service.iter().map(|service| (format!("{}.{}", file.package(), service.name()), service))
    });
    services
        .flat_map(|(name, service)| {
            service.method.iter().map(move |method| format!("/{name}/{}", method.name()))
        })
        .collect()
}

async fn call(routes: &mut Routes, path: &str, message: &[u8]) {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    let body = [&[0], &length[..], message].concat();
    let request = Request::post(path)
        .header("content-type", "application/grpc")
        .header("grpc-timeout", "1S")
        .body(Body::new(Full::new(body.into()).map_err(|never| match never {})))
        .unwrap();
    let answered = async {
        let response = routes.call(request).await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        let mut body = pin!(response.into_body());
        // A stream can go on for ever.
        for _ in 0..4 {
            let Some(Ok(_)) = body.frame().await else { break };
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(2), answered).await;
}

thread_local! {
    /// The panics of this test, whose tasks all run on its own thread.
    static PANICS: Cell<u32> = const { Cell::new(0) };
}

fn count_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICS.set(PANICS.get() + 1);
        before(panic);
    }));
}

#[tokio::test(start_paused = true)]
async fn twelve_thousand_calls_of_any_content_are_answered_without_a_panic() {
    count_panics();
    let provider = Arc::new(Provider::new(LIFETIME, Duration::MAX));
    let store = FakeStore::new(StoreKind::File);
    let agent = Agent::over(TestPlaces::in_memory(), store, provider, FakeClock::new());
    agent.login("work").await;
    let clock = Arc::new(SystemClock::new(WallOffset::default()));
    let providers = Arc::new(Providers::new(Http::new(clock.clone(), Limits::default()), clock));
    let home = tempfile::tempdir().unwrap();
    let registry = Arc::clone(&agent.registry);
    let mut routes = routes(registry, providers, Arc::new(Still), Some(home.path())).routes().prepare();
    let methods = methods();
    let mut random = Random(0x5eed_5eed_5eed_5eed);
    for number in 0..CALLS {
        let path = &methods[random.below(methods.len())];
        let message = random.message(2);
        let panicked = std::panic::AssertUnwindSafe(call(&mut routes, path, &message)).catch_unwind().await;
        assert!(panicked.is_ok() && PANICS.get() == 0, "call {number} of {path}: {message:?}");
    }
    agent.login("work").await;
    assert!(agent.token(0, 1).await.is_ok(), "the agent serves as before");
}
