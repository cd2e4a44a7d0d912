//! Applies a fault to a call.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use http_body_util::BodyExt as _;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, interval, interval_at, sleep};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::IntervalStream;

use crate::faults::{IdTokenFault, Kind, Met};
use crate::keys::{SigningKey, claims_of, unsigned};

/// The connection has to be reset instead of answered.
#[derive(Debug, thiserror::Error)]
#[error("a fault resets this connection")]
pub(crate) struct Reset;

/// A piece of an endless body, and how often one is sent: so slowly that a limit on size does not end it.
const DRIP: [u8; 1024] = [b' '; 1024];
const DRIP_EVERY: Duration = Duration::from_millis(50);

/// Answers as the fault says, and runs `process` only if the fault lets it.
pub(crate) async fn distort(
    met: Met,
    key: &SigningKey,
    process: impl Future<Output = Response>,
) -> Result<Response, Reset> {
    let Met { fault, mut cleared } = met;
    let after = fault.after;
    Ok(match fault.kind {
        Kind::Patch { set, remove, id_token } => {
            let change = |answer: &mut Map<String, Value>| {
                answer.extend(set);
                remove.iter().for_each(|name| drop(answer.remove(name)));
                if let Some(fault) = id_token {
                    spoil_id_token(answer, &fault, key);
                }
            };
            patched(process.await, change).await?
        }
        Kind::Truncate { bytes } => truncated(process.await, bytes).await?,
        Kind::Delay { ms } => around(process, sleep(Duration::from_millis(ms)), after).await,
        Kind::Hang => around(process, async { drop(cleared.changed().await) }, after).await,
        Kind::Oversize { bytes } => {
            let answer = if after { process.await } else { Json(json!({})).into_response() };
            padded(answer, bytes).await?
        }
        Kind::Reset => {
            first(process, after).await;
            return Err(Reset);
        }
        Kind::Status { code, body, headers } => {
            first(process, after).await;
            spoken(code, body, &headers)
        }
        Kind::EndlessBody => {
            first(process, after).await;
            endless()
        }
        Kind::Garbage { body, content_type } => {
            first(process, after).await;
            let headers = BTreeMap::from([("content-type".into(), content_type)]);
            spoken(200, Some(Value::String(body)), &headers)
        }
        Kind::Redirect { location, code } => {
            first(process, after).await;
            spoken(code, None, &BTreeMap::from([("location".into(), location)]))
        }
    })
}

/// Lets the request take effect if the fault says so, and drops the real answer.
async fn first(process: impl Future<Output = Response>, after: bool) {
    if after {
        process.await;
    }
}

/// Waits before or after the request takes effect.
async fn around(
    process: impl Future<Output = Response>,
    wait: impl Future<Output = ()>,
    after: bool,
) -> Response {
    if after {
        let answer = process.await;
        wait.await;
        answer
    } else {
        wait.await;
        process.await
    }
}

/// An answer that a test made up. Anything in it that HTTP forbids turns it into a 500.
fn spoken(code: u16, body: Option<Value>, headers: &BTreeMap<String, String>) -> Response {
    let mut builder = Response::builder().status(code);
    let is_json = body.as_ref().is_some_and(|body| !body.is_string());
    if is_json && !headers.contains_key("content-type") {
        builder = builder.header(header::CONTENT_TYPE, "application/json");
    }
    for (name, value) in headers {
        builder = builder.header(name, value);
    }
    let body = match body {
        None => Body::empty(),
        Some(Value::String(text)) => text.into(),
        Some(json) => json.to_string().into(),
    };
    builder.body(body).unwrap_or_else(|error| {
        let text = format!("sandbox: this fault makes no HTTP answer: {error}");
        (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
    })
}

fn endless() -> Response {
    let drip = IntervalStream::new(interval(DRIP_EVERY)).map(|_| Bytes::from_static(&DRIP));
    let body = tokio_stream::once(Bytes::from_static(b"{")).chain(drip).map(Ok::<_, Infallible>);
    ([(header::CONTENT_TYPE, "application/json")], Body::from_stream(body)).into_response()
}

async fn padded(answer: Response, bytes: usize) -> Result<Response, Reset> {
    with_body(answer, |body| {
        let mut body = body.to_vec();
        body.resize(bytes.max(body.len()), b' ');
        body.into()
    })
    .await
}

/// Changes the members of a JSON object. Any other answer is left as it is.
async fn patched(answer: Response, change: impl FnOnce(&mut Map<String, Value>)) -> Result<Response, Reset> {
    with_body(answer, |body| match serde_json::from_slice(&body) {
        Ok(mut object) => {
            change(&mut object);
            Value::Object(object).to_string().into()
        }
        Err(_) => body.into(),
    })
    .await
}

/// Announces the whole body but sends only a part of it.
async fn truncated(answer: Response, bytes: usize) -> Result<Response, Reset> {
    let mut length = 0;
    let mut answer = with_body(answer, |body| {
        length = body.len();
        let sent = tokio_stream::once(Ok(body.slice(..bytes.min(length))));
        // The error comes one tick after the part, so that the part is written first; at an error, hyper
        // drops what it still holds.
        let cut = IntervalStream::new(interval_at(Instant::now() + DRIP_EVERY, DRIP_EVERY))
            .map(|_| Err(io::Error::from(io::ErrorKind::ConnectionAborted)));
        Body::from_stream(sent.chain(cut))
    })
    .await?;
    answer.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    Ok(answer)
}

/// The same status and header fields, with a body made from the old one.
async fn with_body(answer: Response, change: impl FnOnce(Bytes) -> Body) -> Result<Response, Reset> {
    let (mut parts, body) = answer.into_parts();
    let body = body.collect().await.map_err(|_| Reset)?.to_bytes();
    parts.headers.remove(header::CONTENT_LENGTH);
    Ok(Response::from_parts(parts, change(body)))
}

/// Changes the ID token of an answer, if it has one.
fn spoil_id_token(answer: &mut Map<String, Value>, fault: &IdTokenFault, key: &SigningKey) {
    let Some(mut claims) = answer.get("id_token").and_then(Value::as_str).and_then(claims_of) else { return };
    let told = [("sub", &fault.sub), ("iss", &fault.iss), ("aud", &fault.aud), ("nonce", &fault.nonce)];
    for (name, value) in told {
        if let Some(value) = value {
            claims[name] = json!(value);
        }
    }
    if let (Some(offset), Some(issued)) = (fault.exp_offset, claims["iat"].as_i64()) {
        claims["exp"] = json!(issued + offset);
    }
    let token = if fault.alg_none { unsigned(&claims) } else { key.sign("JWT", &claims).unwrap_or_default() };
    let token = if fault.bad_signature { with_other_signature(&token) } else { token };
    answer.insert("id_token".into(), json!(token));
}

/// Replaces the signature with one of the same length that is all zero bits.
fn with_other_signature(jws: &str) -> String {
    let (message, signature) = jws.rsplit_once('.').unwrap_or((jws, ""));
    format!("{message}.{}", "A".repeat(signature.len()))
}
