//! The discovery document (OpenID Connect Discovery 1.0, RFC 8414).

use openidconnect::core::{
    CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClientAuthMethod, CoreGrantType, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreJwsSigningAlgorithm,
    CoreResponseMode, CoreResponseType, CoreSubjectIdentifierType,
};
use openidconnect::{
    AdditionalProviderMetadata, AuthUrl, IssuerUrl, JsonWebKeySetUrl, ProviderMetadata, ResponseTypes, Scope,
    TokenUrl,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::settings::Settings;

/// The scopes that have a meaning here.
const SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// Fields that are not in OpenID Connect Discovery.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Further {
    sandbox: bool,
    /// RFC 8414. Absent if revocation is not offered.
    #[serde(skip_serializing_if = "Option::is_none")]
    revocation_endpoint: Option<String>,
    /// RFC 8628. Absent if the device flow is not offered.
    #[serde(skip_serializing_if = "Option::is_none")]
    device_authorization_endpoint: Option<String>,
    /// RFC 7636 and RFC 8414.
    code_challenge_methods_supported: Vec<String>,
    /// RFC 9207.
    authorization_response_iss_parameter_supported: bool,
}

impl AdditionalProviderMetadata for Further {}

type Metadata = ProviderMetadata<
    Further,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// The discovery document. The endpoints are made from the authority, even if the issuer differs.
pub(crate) fn metadata(
    settings: &Settings,
    authority: &str,
    issuer: &str,
) -> Result<Value, openidconnect::url::ParseError> {
    let further = Further {
        sandbox: true,
        revocation_endpoint: settings.revocation.then(|| format!("{authority}/oauth2/revoke")),
        device_authorization_endpoint: settings
            .device
            .offered
            .then(|| format!("{authority}/oauth2/device_authorization")),
        code_challenge_methods_supported: vec!["S256".into()],
        authorization_response_iss_parameter_supported: true,
    };
    let mut grants = vec![CoreGrantType::AuthorizationCode, CoreGrantType::RefreshToken];
    if settings.device.offered {
        grants.push(CoreGrantType::DeviceCode);
    }
    let metadata = Metadata::new(
        IssuerUrl::new(issuer.into())?,
        AuthUrl::new(format!("{authority}/oauth2/authorize"))?,
        JsonWebKeySetUrl::new(format!("{authority}/.well-known/jwks.json"))?,
        vec![ResponseTypes::new(vec![CoreResponseType::Code])],
        vec![CoreSubjectIdentifierType::Public],
        vec![CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256],
        further,
    )
    .set_token_endpoint(Some(TokenUrl::new(format!("{authority}/oauth2/token"))?))
    .set_token_endpoint_auth_methods_supported(Some(vec![CoreClientAuthMethod::None]))
    .set_grant_types_supported(Some(grants))
    .set_response_modes_supported(Some(vec![CoreResponseMode::Query]))
    .set_scopes_supported(Some(SCOPES.map(|scope| Scope::new(scope.into())).into()));
    Ok(json!(metadata))
}
