//! The Platform that a configuration describes: how people sign in, who is root, how long sessions last.

use crate::keys::random_text;
use crate::providers::allow_list::AllowList;
use crate::providers::mail::{Smtp, SmtpError};
use crate::providers::{Name, Provider};
use crate::settings::Settings;
use crate::settings::configuration::{self as keys, Configuration, Key, ValueError};
use crate::tokens::jwt::{JwtSecret, RECOMMENDED_LENGTH};

/// How often an open page reloads to keep its session alive.
pub(crate) const HEARTBEAT_SECONDS: u32 = 60;

/// The Platform's documented defaults, in seconds.
const COOKIE_MAX_AGE: u32 = 12 * 3600;
const EPHEMERAL_DURATION: u32 = 6 * 3600;

/// Where Micronaut itself keeps OIDC providers, each under a key of its own.
const MICRONAUT_CLIENTS: &str = "micronaut.security.oauth2.clients.";

/// How this sandbox signs people in. Without a configuration it is plain: it has no providers, and users are
/// buttons.
pub(crate) struct Tower {
    pub(crate) secret: JwtSecret,
    pub(crate) roots: Vec<String>,
    /// Magic links. None if e-mail is not set up or is switched off.
    pub(crate) email: Option<Smtp>,
    /// In the order of the page.
    pub(crate) providers: Vec<Provider>,
    /// How many seconds a browser keeps a session's cookies.
    pub(crate) cookie_max_age: u32,
    /// For how many seconds the parameters of a run can be fetched.
    pub(crate) ephemeral_duration: u32,
    /// What works but is not what the document recommends.
    pub(crate) warnings: Vec<String>,
}

/// A configuration that describes no Platform.
#[derive(Debug, thiserror::Error)]
pub enum TowerError {
    /// There is no secret to sign sessions with.
    #[error("TOWER_JWT_SECRET is required; make one with: openssl rand -base64 48")]
    NoJwtSecret,
    /// A value does not fit its setting.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// A provider is only partly configured.
    #[error("{provider} sign-in is incomplete: {missing} is missing")]
    Incomplete {
        /// The provider's name for people.
        provider: &'static str,
        /// The variable to set.
        missing: String,
    },
    /// There are two OIDC providers, and only one is allowed.
    #[error("only one OIDC provider can be configured at a time, and there are two: {0} and {1}")]
    SecondOidc(String, String),
    /// The mail settings do not work.
    #[error(transparent)]
    Smtp(#[from] SmtpError),
}

impl Tower {
    /// A sandbox without a configuration. Its secret is new at each start, so no session survives a restart.
    pub(crate) fn plain() -> Self {
        Self {
            secret: JwtSecret::new(random_text(48)),
            roots: Vec::new(),
            email: None,
            providers: Vec::new(),
            cookie_max_age: COOKIE_MAX_AGE,
            ephemeral_duration: EPHEMERAL_DURATION,
            warnings: Vec::new(),
        }
    }

    /// Reads a configuration. Its addresses and lifetimes go into the settings.
    pub(crate) fn read(from: &Configuration, settings: &mut Settings) -> Result<Self, TowerError> {
        let mut warnings = Vec::new();
        let secret = from.text(keys::JWT_SECRET).ok_or(TowerError::NoJwtSecret)?;
        if secret.chars().count() < RECOMMENDED_LENGTH {
            warnings.push(format!("TOWER_JWT_SECRET is shorter than {RECOMMENDED_LENGTH} characters"));
        }
        if let Some(url) = from.text(keys::SERVER_URL) {
            settings.server_url = Some(url.trim_end_matches('/').to_owned());
        }
        settings.access_lifetime = from.seconds(keys::ACCESS_LIFETIME)?.unwrap_or(settings.access_lifetime);
        settings.refresh_lifetime =
            refresh_lifetime(from, &mut warnings)?.unwrap_or(settings.refresh_lifetime);
        let refresh = settings.refresh_lifetime;
        let cookie_max_age = from.seconds(keys::COOKIE_MAX_AGE)?.unwrap_or(COOKIE_MAX_AGE);
        if cookie_max_age < refresh {
            warnings.push(format!(
                "{} is {cookie_max_age} s, less than the refresh token's {refresh} s: the cookie ends sessions",
                keys::COOKIE_MAX_AGE.0
            ));
        }
        let ephemeral_duration = from.seconds(keys::EPHEMERAL_DURATION)?.unwrap_or(EPHEMERAL_DURATION);
        if ephemeral_duration != refresh {
            warnings.push(format!(
                "{} is {ephemeral_duration} s and the refresh token lives {refresh} s: they should be the same",
                keys::EPHEMERAL_DURATION.0
            ));
        }
        let providers = providers(from)?;
        let email = email(from, &providers, &mut warnings)?;
        Ok(Self {
            secret: JwtSecret::new(secret.to_owned()),
            roots: from.list(keys::ROOT_USERS).unwrap_or_default(),
            email,
            providers,
            cookie_max_age,
            ephemeral_duration,
            warnings,
        })
    }

    /// Whether people sign in without proving who they are.
    pub(crate) fn is_plain(&self) -> bool {
        self.email.is_none() && self.providers.is_empty()
    }

    pub(crate) fn provider(&self, name: Name) -> Option<&Provider> {
        self.providers.iter().find(|provider| provider.name == name)
    }

    /// Root users are named by id or by e-mail address.
    pub(crate) fn is_root(&self, id: u64, email: &str) -> bool {
        self.roots.iter().any(|root| root.eq_ignore_ascii_case(email) || root.parse() == Ok(id))
    }
}

/// The newer spelling overrides the documented one.
fn refresh_lifetime(from: &Configuration, warnings: &mut Vec<String>) -> Result<Option<u32>, ValueError> {
    let newer = from.seconds(keys::REFRESH_LIFETIME)?;
    let older = from.seconds(keys::REFRESH_LIFETIME_OLDER)?;
    if newer.is_some() && older.is_some() && newer != older {
        let [newer, older] = [keys::REFRESH_LIFETIME.0, keys::REFRESH_LIFETIME_OLDER.0];
        warnings.push(format!("{newer} and {older} differ: the first one counts"));
    }
    Ok(newer.or(older))
}

/// E-mail can be switched off only if people have another way to sign in.
fn email(
    from: &Configuration,
    providers: &[Provider],
    warnings: &mut Vec<String>,
) -> Result<Option<Smtp>, TowerError> {
    let disabled = from.flag(keys::DISABLE_EMAIL)?;
    if disabled && !providers.is_empty() {
        return Ok(None);
    }
    if disabled {
        let name = keys::DISABLE_EMAIL.1;
        warnings.push(format!("{name} has no effect without an OAuth or OIDC provider"));
    }
    Ok(Smtp::read(from)?)
}

fn providers(from: &Configuration) -> Result<Vec<Provider>, TowerError> {
    let github = [keys::GITHUB_CLIENT, keys::GITHUB_SECRET, keys::GITHUB_URL];
    let google = [keys::GOOGLE_CLIENT, keys::GOOGLE_SECRET, keys::GOOGLE_ISSUER];
    let found = [
        provider(from, Name::Github, github, keys::GITHUB_ALLOW)?,
        provider(from, Name::Google, google, keys::GOOGLE_ALLOW)?,
        oidc(from)?,
    ];
    Ok(found.into_iter().flatten().collect())
}

/// A provider with its client, secret and address. Either all three are set, or none.
fn provider(
    from: &Configuration,
    name: Name,
    needed: [Key; 3],
    allowed: Key,
) -> Result<Option<Provider>, TowerError> {
    // The address of a stand-in does not by itself mean that the provider is wanted.
    let is_asked_for = |key: &Key| key.0.starts_with("tower.") && from.text(*key).is_some();
    if !needed.iter().any(is_asked_for) {
        return Ok(None);
    }
    let value = |key: Key| {
        let missing =
            || TowerError::Incomplete { provider: name.label(), missing: format!("{} ({})", key.1, key.0) };
        from.text(key).map(str::to_owned).ok_or_else(missing)
    };
    let [client, secret, address] = [value(needed[0])?, value(needed[1])?, value(needed[2])?];
    Ok(Some(Provider { name, client, secret, address, allow: allow(from, allowed) }))
}

fn allow(from: &Configuration, key: Key) -> Option<AllowList> {
    from.list(key).map(AllowList::new)
}

/// The OIDC provider of `TOWER_OIDC_*`, or the one in Micronaut's own keys.
fn oidc(from: &Configuration) -> Result<Option<Provider>, TowerError> {
    let needed = [keys::OIDC_CLIENT, keys::OIDC_SECRET, keys::OIDC_ISSUER];
    let ours = provider(from, Name::Oidc, needed, keys::OIDC_ALLOW)?;
    let issuers = || from.below(MICRONAUT_CLIENTS).filter_map(|path| path.strip_suffix(".openid.issuer"));
    let mut named = ours.iter().map(|_| keys::OIDC_ISSUER.1.to_owned());
    let mut written = issuers().map(|client| format!("{MICRONAUT_CLIENTS}{client}"));
    let mut all = named.by_ref().chain(written.by_ref());
    let (first, second) = (all.next(), all.next());
    if let (Some(first), Some(second)) = (&first, second) {
        return Err(TowerError::SecondOidc(first.clone(), second));
    }
    let (None, Some(path)) = (&ours, first) else { return Ok(ours) };
    let value = |below: &str| {
        let missing =
            || TowerError::Incomplete { provider: Name::Oidc.label(), missing: format!("{path}.{below}") };
        from.at(&format!("{path}.{below}")).map(str::to_owned).ok_or_else(missing)
    };
    Ok(Some(Provider {
        name: Name::Oidc,
        client: value("client-id")?,
        secret: value("client-secret")?,
        address: value("openid.issuer")?,
        allow: allow(from, keys::OIDC_ALLOW),
    }))
}

#[cfg(test)]
mod tests;
