//! One client for each way to the network: direct or through a proxy, trusting the certificate authorities
//! of the system or more than those.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Client, Proxy};
use secrecy::ExposeSecret;
use seqera_agent_proto::files;
use seqera_agent_proto::values::proxy::shown;
use tokio::time::{Instant, sleep_until};
use url::Url;

use super::bundle;
use super::client::builder;
use super::fault::{Fault, told};
use crate::error::chain;
use crate::lock::lock;
use crate::network::direct::is_direct;
use crate::network::{KnownPassword, Network, Password, is_loopback};
use crate::outcome::{Remedy, Why};

/// More ways than anybody has; what is dropped is built again.
const KEPT: usize = 16;

/// Clients that nobody has needed for so long are dropped: they hold the certificates of the whole system, and
/// renewals are far apart.
const UNUSED: Duration = Duration::from_secs(60);

/// Some ten times what systems and companies trust.
const LARGEST_CA_FILE: u64 = 4 << 20;

/// Written by hyper-util where a proxy answers CONNECT with 407; a test holds it to that.
const PROXY_WANTS_USER: &str = "proxy authorization required";
/// Written by rustls.
const UNTRUSTED: &str = "UnknownIssuer";
/// Written by rustls where the other side answers in another protocol, such as plain http.
const NOT_TLS: &str = "received corrupt message";

/// Where the passwords of proxies are known.
#[async_trait]
pub(crate) trait Passwords: Send + Sync {
    /// The password for the user in the proxy's address. May wait for a store.
    async fn password(&self, network: &Network) -> Option<Password>;
}

/// A client and the way that it takes.
pub(super) struct Way {
    pub(super) client: Client,
    /// Kept until the request has ended: the client only knows it.
    _password: Option<Password>,
    /// Empty: direct.
    proxy: String,
}

impl Way {
    /// The fault in words of this way.
    pub(super) fn explained(&self, fault: Fault) -> Fault {
        let proxy = if self.proxy.is_empty() { String::new() } else { shown(&self.proxy) };
        match fault {
            Fault::NotSent(why) if why.contains(PROXY_WANTS_USER) => {
                let what = format!("wrong or missing user name or password for the proxy {proxy} (407)");
                Fault::Misconfigured(Why::with(Remedy::ProxyUser, what))
            }
            Fault::NotSent(why) if why.contains(UNTRUSTED) => {
                let what = "its certificate is signed by an authority that is not trusted here";
                Fault::NotSent(Why::with(Remedy::PrivateAuthority, what))
            }
            Fault::NotSent(why) if why.contains(NOT_TLS) => {
                Fault::NotSent(Why::with(Remedy::Port, "this port does not speak TLS"))
            }
            Fault::NotSent(why) if !proxy.is_empty() => {
                Fault::NotSent(why.said(|why| format!("through the proxy {proxy}: {why}")))
            }
            Fault::Unanswered(why) if !proxy.is_empty() => {
                Fault::Unanswered(why.said(|why| format!("through the proxy {proxy}: {why}")))
            }
            other => other,
        }
    }
}

/// What two clients may differ in.
#[derive(Clone)]
struct ClientKey {
    /// Empty: direct.
    proxy: String,
    password: Option<Password>,
    /// PEM.
    authorities: Vec<u8>,
}

/// A client that was needed. It keeps no password: that goes with the last profile that needs it, and then the
/// client is good for nothing.
struct Kept {
    proxy: String,
    password: Option<KnownPassword>,
    authorities: Vec<u8>,
    client: Client,
}

impl Kept {
    fn new(key: ClientKey, client: Client) -> Self {
        let password = key.password.as_ref().map(Password::acquaintance);
        Self { proxy: key.proxy, password, authorities: key.authorities, client }
    }

    fn is_usable(&self) -> bool {
        self.password.as_ref().is_none_or(|password| password.meet().is_some())
    }

    /// This way, if it is the one that is asked for.
    fn way(&self, asked: &ClientKey) -> Option<Way> {
        let password = self.password.as_ref().map(|password| password.meet());
        let same = self.proxy == asked.proxy && self.authorities == asked.authorities;
        (same && password.clone().unwrap_or_default() == asked.password).then(|| Way {
            client: self.client.clone(),
            _password: password.flatten(),
            proxy: self.proxy.clone(),
        })
    }
}

/// The clients that were needed lately.
#[derive(Default)]
pub(super) struct Clients {
    passwords: Option<Arc<dyn Passwords>>,
    kept: Arc<Mutex<Keep>>,
}

/// What is kept from one request to the next.
#[derive(Default)]
struct Keep {
    /// Trusts no certificate, so that it can be built on a machine without any.
    plain: Option<Client>,
    secure: Vec<Kept>,
    /// When one was needed last; `None` if nothing is kept.
    used: Option<Instant>,
}

impl Keep {
    /// Notes that a client is needed now. True if somebody has to begin to wait for the time when none is.
    fn use_now(&mut self) -> bool {
        self.used.replace(Instant::now()).is_none()
    }

    /// When everything can be dropped, unless a client is needed before.
    fn due(&self) -> Option<Instant> {
        self.used.map(|used| used + UNUSED)
    }
}

/// Drops the clients once none has been needed for [`UNUSED`]. Those that are in use live on until their requests
/// have ended.
async fn drop_unused(kept: Weak<Mutex<Keep>>) {
    while let Some(due) = kept.upgrade().and_then(|kept| lock(&kept).due()) {
        if due > Instant::now() {
            sleep_until(due).await;
        } else if let Some(kept) = kept.upgrade() {
            *lock(&kept) = Keep::default();
        }
    }
}

impl Clients {
    pub(super) fn knowing(passwords: Arc<dyn Passwords>) -> Self {
        Self { passwords: Some(passwords), ..Self::default() }
    }

    /// The way to this address.
    pub(super) async fn way(&self, url: &Url, network: &Network) -> Result<Way, Fault> {
        match url.scheme() {
            "https" => self.secure(url, network).await,
            "http" if is_loopback(url) => {
                Ok(Way { client: self.plain()?, _password: None, proxy: String::new() })
            }
            _ => Err(Fault::Misconfigured(
                format!("{url} is not https; plain http is accepted for loopback addresses only").into(),
            )),
        }
    }

    /// Notes that a client is needed, and sees that it does not stay for ever.
    fn use_now(&self, kept: &mut Keep) {
        if kept.use_now() {
            tokio::spawn(drop_unused(Arc::downgrade(&self.kept)));
        }
    }

    fn plain(&self) -> Result<Client, Fault> {
        let mut kept = lock(&self.kept);
        self.use_now(&mut kept);
        if let Some(client) = &kept.plain {
            return Ok(client.clone());
        }
        Ok(kept.plain.insert(plain_client()?).clone())
    }

    async fn secure(&self, url: &Url, network: &Network) -> Result<Way, Fault> {
        let proxied = is_proxied(url, network);
        let key = ClientKey {
            proxy: if proxied { network.proxy.clone() } else { String::new() },
            password: if proxied { self.password(network).await } else { None },
            authorities: authorities(&network.ca_file).await?,
        };
        if let Some(way) = self.known(&key) {
            return Ok(way);
        }
        // Reads the certificates of the system, which takes some milliseconds of file access.
        let (made, ca_file) = (key.clone(), network.ca_file.clone());
        let built = tokio::task::spawn_blocking(move || secure_client(&made, &ca_file)).await;
        let client = built.map_err(|error| Fault::NotSent(chain(&error).into()))??;
        let way = Way { client, _password: key.password.clone(), proxy: key.proxy.clone() };
        let mut kept = lock(&self.kept);
        self.use_now(&mut kept);
        if kept.secure.len() == KEPT {
            kept.secure.remove(0);
        }
        kept.secure.push(Kept::new(key, way.client.clone()));
        Ok(way)
    }

    fn known(&self, asked: &ClientKey) -> Option<Way> {
        let mut kept = lock(&self.kept);
        kept.secure.retain(Kept::is_usable);
        let way = kept.secure.iter().find_map(|kept| kept.way(asked))?;
        self.use_now(&mut kept);
        Some(way)
    }

    async fn password(&self, network: &Network) -> Option<Password> {
        match (&network.password, &self.passwords) {
            (Some(given), _) => Some(given.clone()),
            (None, Some(passwords)) if network.has_user() => passwords.password(network).await,
            (None, _) => None,
        }
    }
}

/// True where the profile's proxy stands between us and the address. This machine itself is reached directly,
/// whatever `noProxy` says.
pub(crate) fn is_proxied(url: &Url, network: &Network) -> bool {
    if network.proxy.is_empty() || is_loopback(url) {
        return false;
    }
    !is_direct(&network.no_proxy, url)
}

/// Read each time: a file that was put right works at once.
async fn authorities(ca_file: &str) -> Result<Vec<u8>, Fault> {
    if ca_file.is_empty() {
        return Ok(Vec::new());
    }
    let path = PathBuf::from(ca_file);
    let read = move || files::read_trusted(&path, LARGEST_CA_FILE);
    let read = tokio::task::spawn_blocking(read).await.unwrap_or_else(|error| Err(error.into()));
    read.map_err(|error| match files::is_refused(&error) {
        true => bad_ca_file(ca_file, &format!("it {error}")),
        false => bad_ca_file(ca_file, &error.to_string()),
    })
}

/// The certificates of the file that cannot be used; none where the file as a whole cannot be read, which is told
/// wherever somebody is asked.
pub(crate) async fn skipped_authorities(ca_file: &str) -> Vec<String> {
    let Ok(bytes) = authorities(ca_file).await else { return Vec::new() };
    let read = move || bundle::read(&bytes).map(|bundle| bundle.skipped).unwrap_or_default();
    tokio::task::spawn_blocking(read).await.unwrap_or_default()
}

fn bad_ca_file(ca_file: &str, why: &str) -> Fault {
    let what = format!("the file of certificate authorities {ca_file} cannot be used: {why}");
    Fault::Misconfigured(Why::with(Remedy::AuthorityFile, what))
}

fn secure_client(key: &ClientKey, ca_file: &str) -> Result<Client, Fault> {
    let mut builder = builder().https_only(true);
    if !ca_file.is_empty() {
        let bundle = bundle::read(&key.authorities).map_err(|why| bad_ca_file(ca_file, &why))?;
        for why in bundle.skipped {
            tracing::warn!(file = ca_file, why, "a certificate authority is left out");
        }
        builder = builder.tls_certs_merge(bundle.certificates);
    }
    if !key.proxy.is_empty() {
        builder = builder.proxy(through(&key.proxy, key.password.as_ref())?);
    }
    builder.build().map_err(|error| match told(error) {
        why if !ca_file.is_empty() => bad_ca_file(ca_file, &why),
        why => Fault::Misconfigured(
            format!("https does not work here; are there root certificates? {why}").into(),
        ),
    })
}

/// The client knows the password while somebody else keeps it, and has it in the clear while it connects.
fn through(proxy: &str, password: Option<&Password>) -> Result<Proxy, Fault> {
    let bad = || Fault::Misconfigured(format!("{} is not the address of a proxy", shown(proxy)).into());
    let url = Url::parse(proxy).map_err(|_| bad())?;
    let without = Proxy::all(url.clone()).map_err(|_| bad())?;
    let Some(known) = password.map(Password::acquaintance) else { return Ok(without) };
    Ok(Proxy::custom(move |_| {
        let mut url = url.clone();
        if let Some(password) = known.meet() {
            // Fails for addresses without a host, which were refused above.
            let _ = url.set_password(Some(password.open().expose_secret()));
        }
        // Always through the proxy: without its password it answers 407.
        Some(url)
    }))
}

fn plain_client() -> Result<Client, Fault> {
    builder().tls_certs_only([]).build().map_err(|error| Fault::Misconfigured(told(error).into()))
}

#[cfg(test)]
mod tests;
