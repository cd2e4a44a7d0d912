//! The one way to the network. Every request of the agent goes through here and keeps the same rules: no
//! redirects, so that a secret never travels on; no proxy but the profile's; nothing is sent twice behind our
//! back; plain http to loopback addresses only; time and size are limited. Which way a request takes is in
//! `way.rs`.

mod apart;
mod bundle;
mod client;
mod fault;
pub(crate) mod lenient;
mod room;
mod way;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderName, RETRY_AFTER};
use reqwest::{Client, Method, Request};
use url::Url;

use self::apart::{Apart, Exchange, Part};
pub(crate) use self::fault::Fault;
use self::fault::{fault, told};
use self::room::Room;
use self::way::Clients;
pub(crate) use self::way::{Passwords, is_proxied, skipped_authorities};
use crate::clock::{Clock, Moment, from_timestamp, reached};
use crate::network::Network;
use crate::token::AccessToken;

const NO_ROOM: &str = "too many other requests are under way";
const NO_WAY: &str = "the proxy's password or the file of certificate authorities could not be read in time";

const BROKEN_OFF: &str = "the request was broken off";

/// What has arrived by then is read in much less.
const ARRIVED: Duration = Duration::from_millis(250);

/// How much one exchange may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// From sending to the last byte, by the clock that counts more.
    pub time: Duration,
    /// Of the answer's body.
    pub bytes: usize,
}

impl Default for Limits {
    /// 20 s and 1 MiB ([The way to the network](crate::manual::providers#the-way-to-the-network)).
    fn default() -> Self {
        Self { time: Duration::from_secs(20), bytes: 1 << 20 }
    }
}

/// An answer, perhaps cut off. Not `Debug`: the body may hold tokens.
pub(crate) struct Reply {
    /// HTTP status code.
    pub status: u16,
    /// `Retry-After`, as a time from now.
    pub retry_after: Option<Duration>,
    /// The provider's clock when it answered.
    pub date: Option<SystemTime>,
    /// What arrived of the body.
    pub body: Vec<u8>,
    /// Why the body is not whole; `None`: it is.
    pub cut: Option<String>,
}

impl Reply {
    /// 2xx.
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// 408, 425, 429 and 5xx: the same request may succeed later (RFC 9110, section 15).
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self.status, 408 | 425 | 429 | 500..)
    }

    /// The whole body as JSON of this shape.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self) -> Option<T> {
        if self.cut.is_some() {
            return None;
        }
        lenient::read(&self.body)
    }
}

/// Sends requests on one way. Clones share their clients and settings.
#[derive(Clone)]
pub(crate) struct Http {
    clock: Arc<dyn Clock>,
    limits: Limits,
    clients: Arc<Clients>,
    room: Arc<Room>,
    apart: Arc<Apart>,
    network: Arc<Network>,
}

impl Http {
    /// The direct way. Builds nothing yet: a machine without root certificates is told so at its first https
    /// request.
    pub(crate) fn new(clock: Arc<dyn Clock>, limits: Limits) -> Self {
        let room = Arc::new(Room::beside(0));
        let (clients, network) = Default::default();
        Self { clock, limits, clients, room, apart: Arc::new(Apart::nowhere()), network }
    }

    /// The same on a thread of its own, with somebody who knows the passwords of proxies, and room for so many logins
    /// beside others.
    #[must_use]
    pub(crate) fn with(self, passwords: Arc<dyn Passwords>, logins: usize) -> Self {
        let (clients, room) = (Arc::new(Clients::knowing(passwords)), Arc::new(Room::beside(logins)));
        Self { clients, room, apart: Arc::new(Apart::new()), ..self }
    }

    /// The way of a profile.
    #[must_use]
    pub(crate) fn over(&self, network: &Network) -> Self {
        Self { network: Arc::new(network.clone()), ..self.clone() }
    }

    /// GET, with a bearer token where one is given.
    ///
    /// # Errors
    /// Where no answer came; a status of any kind is an answer.
    pub(crate) async fn fetch(&self, url: &Url, bearer: Option<&AccessToken>) -> Result<Reply, Fault> {
        self.send(Method::GET, url, bearer, None).await
    }

    /// DELETE with a bearer token.
    ///
    /// # Errors
    /// Where no answer came.
    pub(crate) async fn delete(&self, url: &Url, bearer: &AccessToken) -> Result<Reply, Fault> {
        self.send(Method::DELETE, url, Some(bearer), None).await
    }

    /// POST of a form. Never sent twice.
    ///
    /// # Errors
    /// Where no answer came.
    pub(crate) async fn submit(&self, url: &Url, form: &[(&str, &str)]) -> Result<Reply, Fault> {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        self.send(Method::POST, url, None, Some(("application/x-www-form-urlencoded", body))).await
    }

    /// POST of JSON with a bearer token. Never sent twice.
    ///
    /// # Errors
    /// Where no answer came.
    pub(crate) async fn create(
        &self,
        url: &Url,
        bearer: &AccessToken,
        body: &serde_json::Value,
    ) -> Result<Reply, Fault> {
        self.send(Method::POST, url, Some(bearer), Some(("application/json", body.to_string()))).await
    }

    async fn send(
        &self,
        method: Method,
        url: &Url,
        bearer: Option<&AccessToken>,
        body: Option<(&'static str, String)>,
    ) -> Result<Reply, Fault> {
        let due = self.clock.now().plus(self.limits.time);
        let _place = tokio::select! {
            place = self.room.enter(url) => place,
            () = reached(&*self.clock, due) => return Err(Fault::NotSent(NO_ROOM.into())),
        };
        let way = tokio::select! {
            way = self.clients.way(url, &self.network) => way?,
            // A store, or a network file system with the authorities, that does not answer.
            () = reached(&*self.clock, due) => return Err(Fault::NotSent(NO_WAY.into())),
        };
        let mut request = way.client.request(method, url.clone()).header(ACCEPT, "application/json");
        if let Some(token) = bearer {
            let mut value = reqwest::header::HeaderValue::try_from(format!("Bearer {}", token.expose()))
                .map_err(|_| {
                    Fault::Misconfigured("the token contains characters that no HTTP header may have".into())
                })?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        if let Some((kind, body)) = body {
            request = request.header(CONTENT_TYPE, kind).body(body);
        }
        let request = request.build().map_err(|error| Fault::Misconfigured(told(error).into()))?;
        self.exchange(way.client.clone(), request).await.map_err(|fault| way.explained(fault))
    }

    async fn exchange(&self, client: Client, request: Request) -> Result<Reply, Fault> {
        let due = self.clock.now().plus(self.limits.time);
        let late = || format!("no complete answer within {} s", self.limits.time.as_secs_f32());
        let mut exchange = self.apart.begin(client, request);
        let (status, headers) = tokio::select! {
            head = head(&mut exchange) => head?,
            () = self.given_up(due) => return Err(Fault::Unanswered(late().into())),
        };
        let retry_after = retry_after(&headers, self.clock.now().wall);
        let date = headers.get(DATE).and_then(|date| self::date(date.to_str().ok()?.trim()));
        let mut body = Vec::new();
        let read = tokio::select! {
            read = read(&mut exchange, &mut body, self.limits.bytes) => read,
            () = self.given_up(due) => Err(late()),
        };
        Ok(Reply { status, retry_after, date, body, cut: read.err() })
    }

    /// Waits until `due`, and a moment longer. Where the process or the whole machine stood still meanwhile, the limit
    /// has passed together with the arrival of the answer, and an answer that is thrown away may be the only one that
    /// has the next refresh token.
    async fn given_up(&self, due: Moment) {
        reached(&*self.clock, due).await;
        tokio::time::sleep(ARRIVED).await;
    }
}

/// Status and headers of the answer.
async fn head(exchange: &mut Exchange) -> Result<(u16, HeaderMap), Fault> {
    match exchange.next().await {
        Some(Ok(Part::Head(status, headers))) => Ok((status, headers)),
        Some(Err(error)) => Err(fault(error)),
        Some(Ok(Part::Body(_) | Part::End)) | None => Err(Fault::Unanswered(BROKEN_OFF.into())),
    }
}

/// Reads into `body` what comes, so that the part that came before a failure is kept.
async fn read(exchange: &mut Exchange, body: &mut Vec<u8>, most: usize) -> Result<(), String> {
    loop {
        let chunk = match exchange.next().await {
            Some(part) => match part.map_err(told)? {
                Part::Body(chunk) => chunk,
                Part::Head(..) => continue,
                Part::End => return Ok(()),
            },
            None => return Err(BROKEN_OFF.to_owned()),
        };
        let room = most - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            return Err(format!("the answer is longer than {most} bytes"));
        }
    }
}

/// `Retry-After` in seconds or as a date (RFC 9110, section 10.2.3). A date is measured against the answer's
/// own `Date`, because the clock of this machine may be off.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: HeaderName| Some(headers.get(name)?.to_str().ok()?.trim().to_owned());
    let value = text(RETRY_AFTER)?;
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = date(&value)?;
    let from = text(DATE).and_then(|sent| date(&sent)).unwrap_or(now);
    Some(at.duration_since(from).unwrap_or_default())
}

fn date(text: &str) -> Option<SystemTime> {
    let zoned = jiff::fmt::rfc2822::DateTimeParser::new().parse_zoned(text).ok()?;
    from_timestamp(zoned.timestamp())
}

#[cfg(test)]
mod tests;
