//! Accepts connections and answers their requests. It works below axum, because a fault may reset a
//! connection.

mod distort;
mod routes;

use std::error::Error as _;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tower::ServiceExt as _;

use crate::app::App;
use crate::faults::call::Call;

use distort::{Reset, distort};
use routes::router;

/// More than any client here sends.
const BODY_LIMIT: usize = 1024 * 1024;

/// How long to wait after a failed accept, which is usually caused by a lack of file descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves until the future is dropped, which closes all connections.
pub(crate) async fn serve(listener: TcpListener, app: Arc<App>) {
    let router = router(app.clone());
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(connections.spawn(connection(stream, app.clone(), router.clone()))),
            Err(_) => sleep(PAUSE).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(stream: TcpStream, app: Arc<App>, router: Router) {
    // Boxed, because hyper returns the socket only from a service that can be moved.
    let service = service_fn(|request| Box::pin(answer(request, &app, &router)));
    let mut connection =
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    let end = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let is_reset = |error: hyper::Error| error.source().is_some_and(|source| source.is::<Reset>());
    if end.is_err_and(is_reset) {
        // Without lingering, closing sends RST instead of FIN. If that fails, the FIN ends the connection
        // too.
        let _ = connection.into_parts().io.into_inner().set_zero_linger();
    }
}

async fn answer(request: hyper::Request<Incoming>, app: &App, router: &Router) -> Result<Response, Reset> {
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, BODY_LIMIT).collect().await.map(|body| body.to_bytes()) else {
        return Ok(StatusCode::PAYLOAD_TOO_LARGE.into_response());
    };
    let call = Call::of(&parts.uri, &body);
    if let Some(call) = call {
        app.counter.arrive(call);
    }
    let process = async {
        let response = process(Request::from_parts(parts, body.into()), router).await;
        call.inspect(|call| app.counter.take_effect(*call));
        response
    };
    match call.and_then(|call| app.faults.meet(call)) {
        Some(met) => distort(met, &app.key, process).await,
        None => Ok(process.await),
    }
}

async fn process(request: Request, router: &Router) -> Response {
    let Ok(mut response) = router.clone().oneshot(request).await;
    response.headers_mut().insert(header::SERVER, HeaderValue::from_static("seqera-sandbox"));
    response
}
