//! The Platform's configuration: `tower.yml`, overridden by the environment, under the names that Seqera
//! documents.

use std::collections::BTreeMap;
use std::fmt;

use saphyr::{LoadableYamlNode as _, Scalar, ScanError, Yaml};

use super::duration::{self, NotADuration};

/// One setting: its path in `tower.yml`, and its variable.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key(pub(crate) &'static str, pub(crate) &'static str);

pub(crate) const SERVER_URL: Key = Key("tower.server-url", "TOWER_SERVER_URL");
pub(crate) const JWT_SECRET: Key = Key("tower.jwt.secret", "TOWER_JWT_SECRET");
pub(crate) const ROOT_USERS: Key = Key("tower.admin.root-users", "TOWER_ROOT_USERS");
pub(crate) const DISABLE_EMAIL: Key = Key("tower.auth.disable-email", "TOWER_AUTH_DISABLE_EMAIL");
pub(crate) const CONTACT_EMAIL: Key = Key("tower.contact-email", "TOWER_CONTACT_EMAIL");
pub(crate) const SMTP_HOST: Key = Key("mail.smtp.host", "TOWER_SMTP_HOST");
pub(crate) const SMTP_PORT: Key = Key("mail.smtp.port", "TOWER_SMTP_PORT");
pub(crate) const SMTP_USER: Key = Key("mail.smtp.user", "TOWER_SMTP_USER");
pub(crate) const SMTP_PASSWORD: Key = Key("mail.smtp.password", "TOWER_SMTP_PASSWORD");
pub(crate) const SMTP_AUTH: Key = Key("mail.smtp.auth", "TOWER_SMTP_AUTH");
pub(crate) const SMTP_STARTTLS: Key = Key("mail.smtp.starttls.required", "TOWER_SMTP_STARTTLS_REQUIRED");
pub(crate) const GITHUB_CLIENT: Key = Key("tower.github.client", "TOWER_GITHUB_CLIENT");
pub(crate) const GITHUB_SECRET: Key = Key("tower.github.secret", "TOWER_GITHUB_SECRET");
pub(crate) const GITHUB_ALLOW: Key = Key("tower.auth.github.allow-list", "TOWER_AUTH_GITHUB_ALLOW_LIST");
pub(crate) const GOOGLE_CLIENT: Key = Key("tower.google.client", "TOWER_GOOGLE_CLIENT");
pub(crate) const GOOGLE_SECRET: Key = Key("tower.google.secret", "TOWER_GOOGLE_SECRET");
pub(crate) const GOOGLE_ALLOW: Key = Key("tower.auth.google.allow-list", "TOWER_AUTH_GOOGLE_ALLOW_LIST");
pub(crate) const OIDC_CLIENT: Key = Key("tower.oidc.client", "TOWER_OIDC_CLIENT");
pub(crate) const OIDC_SECRET: Key = Key("tower.oidc.secret", "TOWER_OIDC_SECRET");
pub(crate) const OIDC_ISSUER: Key = Key("tower.oidc.issuer", "TOWER_OIDC_ISSUER");
pub(crate) const OIDC_ALLOW: Key = Key("tower.auth.oidc.allow-list", "TOWER_AUTH_OIDC_ALLOW_LIST");
pub(crate) const ACCESS_LIFETIME: Key = Key(
    "micronaut.security.token.generator.access-token.expiration",
    "MICRONAUT_SECURITY_TOKEN_GENERATOR_ACCESS_TOKEN_EXPIRATION",
);
pub(crate) const REFRESH_LIFETIME: Key = Key(
    "micronaut.security.token.jwt.generator.refresh-token.expiration",
    "MICRONAUT_SECURITY_TOKEN_JWT_GENERATOR_REFRESH_TOKEN_EXPIRATION",
);
/// The spelling in the Platform's document.
pub(crate) const REFRESH_LIFETIME_OLDER: Key = Key(
    "micronaut.security.token.jwt.signatures.refresh-token.expiration",
    "MICRONAUT_SECURITY_TOKEN_JWT_SIGNATURES_REFRESH_TOKEN_EXPIRATION",
);
pub(crate) const COOKIE_MAX_AGE: Key = Key(
    "micronaut.security.token.refresh.cookie.cookie-max-age",
    "MICRONAUT_SECURITY_TOKEN_REFRESH_COOKIE_COOKIE_MAX_AGE",
);
pub(crate) const EPHEMERAL_DURATION: Key = Key("tower.ephemeral.duration", "TOWER_EPHEMERAL_DURATION");
/// The sandbox's own setting: the address of a stand-in for GitHub. It has no default, so that nothing
/// contacts the real one by accident.
pub(crate) const GITHUB_URL: Key = Key("sandbox.github.url", "SANDBOX_GITHUB_URL");
/// The same for Google, which is an OIDC provider.
pub(crate) const GOOGLE_ISSUER: Key = Key("sandbox.google.issuer", "SANDBOX_GOOGLE_ISSUER");

const ALL: [Key; 28] = [
    SERVER_URL,
    JWT_SECRET,
    ROOT_USERS,
    DISABLE_EMAIL,
    CONTACT_EMAIL,
    SMTP_HOST,
    SMTP_PORT,
    SMTP_USER,
    SMTP_PASSWORD,
    SMTP_AUTH,
    SMTP_STARTTLS,
    GITHUB_CLIENT,
    GITHUB_SECRET,
    GITHUB_ALLOW,
    GOOGLE_CLIENT,
    GOOGLE_SECRET,
    GOOGLE_ALLOW,
    OIDC_CLIENT,
    OIDC_SECRET,
    OIDC_ISSUER,
    OIDC_ALLOW,
    ACCESS_LIFETIME,
    REFRESH_LIFETIME,
    REFRESH_LIFETIME_OLDER,
    COOKIE_MAX_AGE,
    EPHEMERAL_DURATION,
    GITHUB_URL,
    GOOGLE_ISSUER,
];

/// The values of `tower.yml` and of the environment, by path. Unknown keys are ignored, because a Platform
/// has many more.
#[derive(Clone, Default)]
pub struct Configuration {
    values: BTreeMap<String, Vec<String>>,
}

/// The configuration cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// It is not YAML. The error has the line and column.
    #[error("not YAML: {0}")]
    Yaml(#[from] ScanError),
    /// The YAML has nested lists or something similar.
    #[error("{0}: a value or a list of values is expected")]
    Shape(String),
}

/// A value that does not fit its setting.
#[derive(Debug, thiserror::Error)]
#[error("{} ({}): {problem}", key.1, key.0)]
pub struct ValueError {
    key: Key,
    problem: String,
}

impl Configuration {
    /// Reads a `tower.yml` and overrides it with the variables. An empty variable counts as not set.
    pub fn read(
        tower_yml: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigurationError> {
        let mut configuration = Self::default();
        for document in Yaml::load_from_str(tower_yml)? {
            configuration.add(String::new(), &document)?;
        }
        for (name, value) in variables {
            let known = ALL.iter().find(|key| key.1 == name).filter(|_| !value.is_empty());
            if let Some(key) = known {
                configuration.values.insert(key.0.to_owned(), vec![value]);
            }
        }
        Ok(configuration)
    }

    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Flattens the tree. A key may contain dots, as in `starttls.required: true`.
    fn add(&mut self, path: String, node: &Yaml<'_>) -> Result<(), ConfigurationError> {
        match node {
            Yaml::Mapping(members) => {
                for (key, value) in members {
                    let key = scalar(key).ok_or_else(|| ConfigurationError::Shape(path.clone()))?;
                    let inner = if path.is_empty() { key } else { format!("{path}.{key}") };
                    self.add(inner, value)?;
                }
            }
            Yaml::Sequence(items) => {
                let items: Option<Vec<String>> = items.iter().map(scalar).collect();
                let items = items.ok_or_else(|| ConfigurationError::Shape(path.clone()))?;
                self.values.insert(path, items);
            }
            Yaml::Value(Scalar::Null) => {}
            other => {
                let value = scalar(other).ok_or_else(|| ConfigurationError::Shape(path.clone()))?;
                self.values.insert(path, vec![value]);
            }
        }
        Ok(())
    }

    pub(crate) fn text(&self, key: Key) -> Option<&str> {
        self.at(key.0)
    }

    /// The value at a path that is not one of the known keys.
    pub(crate) fn at(&self, path: &str) -> Option<&str> {
        self.values.get(path).and_then(|values| values.first()).map(String::as_str)
    }

    /// The rest of each path that begins with `prefix`, which ends in a dot.
    pub(crate) fn below<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.values.keys().filter_map(move |path| path.strip_prefix(prefix))
    }

    /// A list, or a text with commas.
    pub(crate) fn list(&self, key: Key) -> Option<Vec<String>> {
        let values = self.values.get(key.0)?;
        let items = values.iter().flat_map(|value| value.split(',')).map(str::trim);
        Some(items.filter(|item| !item.is_empty()).map(str::to_owned).collect())
    }

    /// `true` or `false`; false if it is not set.
    pub(crate) fn flag(&self, key: Key) -> Result<bool, ValueError> {
        self.parsed(key, |text| match text {
            "true" => Ok(true),
            "false" => Ok(false),
            other => Err(format!("{other:?} is neither true nor false")),
        })
        .map(Option::unwrap_or_default)
    }

    /// A duration in one of Micronaut's spellings, in whole seconds.
    pub(crate) fn seconds(&self, key: Key) -> Result<Option<u32>, ValueError> {
        self.parsed(key, |text| duration::seconds(text).map_err(|error: NotADuration| error.to_string()))
    }

    pub(crate) fn parsed<T>(
        &self,
        key: Key,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ValueError> {
        self.text(key).map(parse).transpose().map_err(|problem| ValueError { key, problem })
    }
}

/// Only names, because some of the values are secrets.
impl fmt::Debug for Configuration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.values.keys()).finish()
    }
}

fn scalar(node: &Yaml<'_>) -> Option<String> {
    Some(match node {
        Yaml::Value(Scalar::String(text)) => text.clone().into_owned(),
        Yaml::Value(Scalar::Integer(number)) => number.to_string(),
        Yaml::Value(Scalar::FloatingPoint(number)) => number.to_string(),
        Yaml::Value(Scalar::Boolean(flag)) => flag.to_string(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
