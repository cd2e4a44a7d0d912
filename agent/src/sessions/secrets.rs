//! How sessions use stored secrets: a secret is never sent to a party other than the one it came from, and a
//! failing store never counts as "signed out".

use secrecy::ExposeSecret;

use crate::clock::Moment;
use crate::foreign;
use crate::profile::{Profile, ProfileName};
use crate::sessions::schedule::Held;
use crate::sessions::shared::Shared;
use crate::sessions::verdict::{JobOutcome, StoreTrouble};
use crate::storage::store::{StoreError, StoreKind, Stored};
use crate::token::{AccessToken, Kind, RefreshToken};

/// Why a secret cannot be used now.
pub(crate) type Failed = (StoreTrouble, String);

/// Loads a fixed credential from its store.
pub(crate) async fn load_fixed(
    name: &ProfileName,
    profile: &Profile,
    place: Option<StoreKind>,
    shared: &Shared,
) -> JobOutcome {
    let Some(place) = place else {
        return JobOutcome::NoSecret(StoreTrouble::Failed, "no access token is stored".to_owned().into());
    };
    match shared.ladder.load(name, place).await {
        Ok(Some(stored)) if belongs_to(&stored, profile) => {
            match foreign::access_token(stored.secret.open().expose_secret()) {
                Ok(token) => JobOutcome::Loaded(Held::fixed(AccessToken::new(token), shared.now(), None)),
                // Earlier versions have stored what they were given.
                Err(why) => JobOutcome::NoSecret(
                    StoreTrouble::Failed,
                    format!("the stored access token cannot be used: {why}").into(),
                ),
            }
        }
        Ok(Some(stored)) => JobOutcome::NoSecret(StoreTrouble::Failed, strange(&stored, profile).into()),
        Ok(None) => JobOutcome::NoSecret(
            StoreTrouble::Failed,
            format!("the access token is gone from the {}", place.as_str()).into(),
        ),
        Err(error) => {
            let (trouble, why) = store_trouble(&error);
            JobOutcome::NoSecret(trouble, why.into())
        }
    }
}

/// A refresh token in the form to store.
pub(crate) fn stored(refresh: &RefreshToken, profile: &Profile, now: Moment, shared: &Shared) -> Stored {
    Stored::new(profile, Kind::Renewable, refresh.sealed().clone(), now.wall)
        .with_proxy_password(shared.passwords.known(&profile.network))
}

/// The stored refresh token, for use with `profile`.
///
/// # Errors
/// [`StoreTrouble::Failed`] if the token came from another authority or client: then it must not be sent.
pub(crate) fn refresh_of(stored: &Stored, profile: &Profile) -> Result<RefreshToken, Failed> {
    if belongs_to(stored, profile) {
        Ok(RefreshToken::from(&stored.secret))
    } else {
        Err((StoreTrouble::Failed, strange(stored, profile)))
    }
}

fn belongs_to(stored: &Stored, profile: &Profile) -> bool {
    stored.party().same_party(profile)
}

fn strange(stored: &Stored, profile: &Profile) -> String {
    format!("the stored token is of {}, not of {}", stored.authority, profile.authority)
}

/// What a failing store means for the session. It never counts as "signed out".
pub(crate) fn store_trouble(error: &StoreError) -> (StoreTrouble, String) {
    let trouble =
        if matches!(error, StoreError::Locked(_)) { StoreTrouble::Locked } else { StoreTrouble::Failed };
    (trouble, error.to_string())
}
