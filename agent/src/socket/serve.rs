//! Serves accepted connections over HTTP/2. tonic's own server cannot say goodbye to one connection alone, and
//! has no limits on what a client that does not read makes the agent keep.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming as Received;
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::sleep;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::codegen::http::{Request, Response};

use crate::socket::bind::Incoming;
use crate::socket::connection::Connection;
use crate::socket::shares::{Leave, Leaving, Seat};
use crate::socket::untaken::Untaken;

/// Calls of one connection at a time. A client makes one; a pooling one some.
const MOST_STREAMS: u32 = 64;
/// Headers of a call; those of a client have some hundred bytes.
pub(crate) const MOST_HEADER_BYTES: u32 = 16 * 1024;
/// What a client may send ahead of being read: a message, and some calls beside it.
const WINDOW: u32 = 128 * 1024;
/// What is kept of an answer that the client does not read.
const MOST_SEND_BYTES: usize = 64 * 1024;
/// Connections that are taken on before their calls have their turn. Each may bring 64, and the runtime's queue never
/// shrinks.
const IN_A_ROW: u64 = 4;
/// How long an idle connection gets to take leave. Whoever does not answer a goodbye by then is cut.
const GOODBYE: Duration = Duration::from_millis(250);

/// Serves until `stop` completes and the last connection has ended.
pub(crate) async fn serve<S>(mut incoming: Incoming, service: S, stop: impl Future<Output = ()>)
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let stopping = watch::Sender::new(false);
    let mut stop = pin!(stop);
    for number in 1_u64.. {
        tokio::select! {
            () = &mut stop => break,
            next = incoming.recv() => {
                let Some(connection) = next else { break };
                tokio::spawn(run(connection, service.clone(), stopping.subscribe()));
            }
        }
        if number.is_multiple_of(IN_A_ROW) {
            yield_now().await;
        }
    }
    drop(incoming);
    stopping.send_replace(true);
    stopping.closed().await;
}

async fn run<S>(mut connection: Connection, service: S, mut stopping: watch::Receiver<bool>)
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let caller = connection.caller().clone();
    let seat = Arc::clone(&caller.seat);
    let (leave, activity) = (seat.leave(), Arc::clone(&caller.activity));
    if !is_heard(&mut connection, &leave, &mut stopping).await {
        return;
    }
    let untaken = Untaken::new();
    let follow = Arc::clone(&untaken);
    let answer = service_fn(move |mut request: Request<Received>| {
        request.extensions_mut().insert(caller.clone());
        let (mut service, follow) = (service.clone(), Arc::clone(&follow));
        async move {
            poll_fn(|cx| service.poll_ready(cx)).await?;
            let answered = service.call(request.map(Body::new)).await;
            answered.map(|response| response.map(|body| follow.answer(body)))
        }
    });
    let served = Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        // gRPC knows no use for it.
        .auto_date_header(false)
        .max_concurrent_streams(MOST_STREAMS)
        .max_header_list_size(MOST_HEADER_BYTES)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_send_buf_size(MOST_SEND_BYTES)
        .serve_connection(TokioIo::new(connection), answer);
    let mut served = pin!(served);
    let mut neglected = pin!(untaken.neglected());
    let mut goodbye = pin!(async {
        tokio::select! {
            how = leave.told() => Some(how),
            () = stopped(&mut stopping) => None,
        }
    });
    let how = tokio::select! {
        ended = &mut served => return note(ended),
        () = &mut neglected => return neglects(&seat),
        how = &mut goodbye => how,
    };
    match how {
        Some(how) if is_cut(how, &seat) => return,
        _ => served.as_mut().graceful_shutdown(),
    }
    loop {
        tokio::select! {
            ended = &mut served => return note(ended),
            () = &mut neglected => return neglects(&seat),
            how = leave.told() => if is_cut(how, &seat) { return },
            () = sleep(GOODBYE), if how.is_some() => {}
        }
        // A request that was on its way at the goodbye is served to its end.
        if !activity.quiet_for().is_zero() {
            return;
        }
    }
}

/// True if a connection gets no goodbye.
fn is_cut(how: Leaving, seat: &Seat) -> bool {
    if how == Leaving::Busy {
        tracing::warn!(seat = ?seat.holder(), "a connection was cut to make room for others");
    }
    how != Leaving::Idle
}

fn neglects(seat: &Seat) {
    tracing::warn!(seat = ?seat.holder(), "a connection was cut, since an answer on it was not taken");
}

/// False if the caller says nothing until it is too late.
async fn is_heard(connection: &mut Connection, leave: &Leave, stopping: &mut watch::Receiver<bool>) -> bool {
    let too_late = async {
        tokio::select! {
            _ = leave.told() => {}
            // What a caller has sent before the end is still answered.
            () = stopped(stopping) => sleep(GOODBYE).await,
        }
    };
    tokio::select! {
        biased;
        heard = connection.heard() => heard.is_ok(),
        () = too_late => false,
    }
}

/// Waits until the agent stops serving.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

fn note(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;
    use tokio::time::Instant;
    use tower::service_fn;

    use super::*;
    use crate::socket::activity::Activity;
    use crate::socket::limits::{Limits, Silence};
    use crate::socket::peers::Peer;
    use crate::socket::shares::{Admission, Shares};

    /// What a client says that gives each of its streams a window of so many bytes, and makes one request.
    fn spoken(window: u32) -> Vec<u8> {
        let settings = [&[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4], &window.to_be_bytes()[..]].concat();
        // `POST`, `http`, `/` and an `:authority` (RFC 7541, appendix A).
        let request = [0, 0, 6, 1, 5, 0, 0, 0, 1, 0x83, 0x86, 0x84, 0x01, 1, b'x'];
        [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &settings, &request].concat()
    }

    /// Seconds until the connection of such a client has ended.
    async fn ends_after(window: u32) -> u64 {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let peer = Peer { uid: 0, pid: Some(1), exe: None };
        let (activity, shares) = (Activity::new(), Shares::new(Limits::of_descriptors(256)));
        let Admission::Seat(seat) = shares.admit(peer.holder(), &activity) else { panic!("no seat") };
        let connection = Connection::new(ours, peer, Silence::DEFAULT, Arc::clone(&activity), seat);
        let answer = service_fn(move |_: Request<Body>| {
            let running = activity.begin();
            let body = futures_util::stream::once(async move {
                drop(running);
                Ok::<_, tonic::Status>(hyper::body::Frame::data(hyper::body::Bytes::from_static(b"answer")))
            });
            let body = Body::new(http_body_util::StreamBody::new(body));
            async move { Ok::<_, Infallible>(Response::new(body)) }
        });
        theirs.write_all(&spoken(window)).await.unwrap();
        let start = Instant::now();
        let (_stopping, stop) = watch::channel(false);
        let mut taken = Vec::new();
        let (read, ()) = tokio::join!(theirs.read_to_end(&mut taken), run(connection, answer, stop));
        read.unwrap();
        assert_eq!(taken.windows(6).any(|six| six == b"answer"), window > 0);
        start.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_opens_no_window_for_its_answer_is_cut_after_half_a_minute() {
        assert_eq!(ends_after(0).await, 30);
        assert_eq!(ends_after(65_535).await, 300, "idle");
    }
}
