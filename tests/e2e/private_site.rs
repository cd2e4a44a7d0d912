//! A Platform as Enterprise sites have it. Only the forward proxy can reach its address, and its certificate
//! comes from the site's own authority. The sandbox is the Platform behind both.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use seqera_tests::{Home, Sandbox};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// A name that no resolver knows (RFC 6761, section 6.2).
const HOST: &str = "platform.test";

/// The proxy, the certificate and the Platform.
pub(crate) struct PrivateSite {
    pub(crate) sandbox: Sandbox,
    /// `127.0.0.1:<port>` of the proxy.
    pub(crate) proxy: String,
    /// The Platform's own address, for clients without a proxy.
    pub(crate) direct: String,
    /// The PEM of the site's authority.
    authorities: String,
    rules: Arc<Rules>,
}

/// What the proxy requires and what it has seen.
#[derive(Default)]
struct Rules {
    /// The required value of `Proxy-Authorization`. None lets everybody pass.
    wanted: Mutex<Option<String>>,
    /// The targets of CONNECT requests that were let through.
    passed: Mutex<Vec<String>>,
    /// How many requests were refused.
    refused: Mutex<usize>,
}

impl PrivateSite {
    /// A site whose Platform has these settings.
    pub(crate) fn open(mut settings: Value) -> Self {
        settings["server_url"] = json!(format!("https://{HOST}"));
        let sandbox = Sandbox::start(&settings);
        let platform: SocketAddr = sandbox.url.trim_start_matches("http://").parse().expect("an address");
        let (authorities, server) = certificate();
        let rules = Arc::new(Rules::default());
        let (proxy, front) = serve(platform, server, Arc::clone(&rules));
        Self { sandbox, proxy: proxy.to_string(), direct: format!("https://{front}"), authorities, rules }
    }

    /// From now on the proxy requires these credentials (base64 of `user:password`).
    pub(crate) fn want(&self, credentials: &str) {
        *lock(&self.rules.wanted) = Some(format!("Basic {credentials}"));
    }

    /// The targets that clients have connected to so far.
    pub(crate) fn passed(&self) -> Vec<String> {
        lock(&self.rules.passed).clone()
    }

    /// How many requests the proxy has refused so far.
    pub(crate) fn refused(&self) -> usize {
        *lock(&self.rules.refused)
    }

    /// Writes the site's authority to a file in a home.
    pub(crate) fn ca_file(&self, home: &Home) -> PathBuf {
        let path = home.root().join("site-ca.pem");
        std::fs::write(&path, &self.authorities)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }

    /// The URL that a browser inside the site opens for this one.
    pub(crate) fn inside(&self, url: &str) -> String {
        url.replace(&format!("https://{HOST}"), &self.sandbox.url)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The site's own authority, and a server certificate issued by it.
fn certificate() -> (String, ServerConfig) {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority =
        CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let names = [HOST.to_owned(), "127.0.0.1".to_owned()];
    let server = CertificateParams::new(names).expect("names").signed_by(&key, &authority).expect("signed");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config =
        ServerConfig::builder().with_no_client_auth().with_single_cert(vec![server.der().clone()], key);
    (authority.pem(), config.expect("key and certificate fit"))
}

/// Starts the proxy and the front on their own thread, which ends with the test program. Returns their
/// addresses.
fn serve(platform: SocketAddr, server: ServerConfig, rules: Arc<Rules>) -> (SocketAddr, SocketAddr) {
    let (ready, addresses) = std::sync::mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
        runtime.block_on(async {
            let proxy = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let front = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let front_address = front.local_addr().expect("it is bound");
            let _ = ready.send((proxy.local_addr().expect("it is bound"), front_address));
            tokio::join!(
                accept(front, |peer| terminate(peer, TlsAcceptor::from(Arc::new(server.clone())), platform)),
                accept(proxy, |peer| forward(peer, front_address, Arc::clone(&rules))),
            );
        });
    });
    addresses.recv().expect("both listen")
}

async fn accept<F: Future<Output = ()> + Send + 'static>(
    listener: TcpListener,
    serve: impl Fn(TcpStream) -> F,
) {
    while let Ok((peer, _)) = listener.accept().await {
        tokio::spawn(serve(peer));
    }
}

/// Takes the TLS off and passes on what is inside.
async fn terminate(peer: TcpStream, acceptor: TlsAcceptor, platform: SocketAddr) {
    // A client that does not trust the certificate hangs up here.
    let Ok(mut peer) = acceptor.accept(peer).await else { return };
    let Ok(mut platform) = TcpStream::connect(platform).await else { return };
    let _ = copy_bidirectional(&mut peer, &mut platform).await;
}

/// CONNECT (RFC 9110, section 9.3.6), with Basic authentication if it is required.
async fn forward(mut peer: TcpStream, front: SocketAddr, rules: Arc<Rules>) {
    let Some(head) = head(&mut peer).await else { return };
    let target = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next());
    let credentials = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("proxy-authorization").then(|| value.to_owned())
    });
    let wanted = lock(&rules.wanted).clone();
    if wanted.is_some() && wanted != credentials {
        *lock(&rules.refused) += 1;
        let answer = "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"site\"\r\n\
                      Content-Length: 0\r\n\r\n";
        let _ = peer.write_all(answer.as_bytes()).await;
        return;
    }
    let Some(target) = target.filter(|target| *target == format!("{HOST}:443")) else {
        let _ = peer.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await;
        return;
    };
    lock(&rules.passed).push(target.to_owned());
    let Ok(mut front) = TcpStream::connect(front).await else { return };
    let _ = peer.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await;
    let _ = copy_bidirectional(&mut peer, &mut front).await;
}

/// Reads up to the empty line. The client waits for the answer before it sends more.
async fn head(peer: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(peer.read_u8().await.ok()?);
    }
    String::from_utf8(bytes).ok()
}
