//! Takes over one sign-in. Once begun, this runs to the end even if the caller hangs up.

use crate::storage::record::SignInMethod;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use seqera_agent_proto::v1::import::Origin;
use seqera_agent_proto::v1::{Import, ProfileSettings, TakeImportRequest};
use tracing::{info, warn};

use super::{Candidate, Imports, leftovers, v1};
use crate::clock::{Moment, unix};
use crate::error::{AgentError, ErrorKind, Typed};
use crate::imports::leftovers::sha256;
use crate::profile::{Profile, ProfileName};
use crate::providers::{Check, Granted, Issuer, Issuers, Renewal, Renewed, memberships};
use crate::sessions::given;
use crate::sessions::install::Login;
use crate::sessions::target::target;
use crate::storage::record::Attempt;
use crate::storage::store::{StoreError, StoreKind};
use crate::token::{Access, AccessToken, Account, Credential, Grant, Kind, RefreshToken};

/// A sign-in that was taken over.
#[derive(Debug)]
pub(crate) struct Taken {
    /// The profile that it became.
    pub profile: ProfileName,
    /// Sentences for the person.
    pub notes: Vec<String>,
}

impl Imports {
    /// Turns a sign-in that [`Imports::find`] has listed into a session.
    ///
    /// # Errors
    /// If the sign-in has gone or its profile is signed in, if its token cannot be read, or if the provider
    /// refuses it or cannot be reached. A sign-in that was not taken over stays where it was.
    pub(crate) async fn take(self: Arc<Self>, asked: TakeImportRequest) -> Result<Taken, AgentError> {
        let work = tokio::spawn(async move {
            // Imports run one at a time, and a stopping agent waits for the one that runs.
            let _turn = self.registry.taking.lock().await;
            self.take_one(asked).await
        });
        work.await.unwrap_or_else(|panic| Err(AgentError::internal(panic)))
    }

    pub(super) async fn take_one(&self, asked: TakeImportRequest) -> Result<Taken, AgentError> {
        let import = asked.import.unwrap_or_default();
        let found = self.look(Path::new(&asked.nextflow_file)).await;
        let same = |known: &&Candidate| known.origin == import.origin() && known.name == import.name;
        let candidate = found.candidates.iter().find(same).ok_or_else(|| gone(&import))?;
        let given = ProfileSettings {
            authority: candidate.owner.authority.clone(),
            client_id: candidate.owner.client_id.clone(),
            audience: candidate.owner.audience.clone(),
            authority_is_default: false,
            ..asked.settings.unwrap_or_default()
        };
        let (name, profile) = target(&self.registry, &import.profile, &given)?;
        self.take_as(candidate, &name, profile).await.map_err(|error| error.typed(&Typed::of(&name)))
    }

    async fn take_as(
        &self,
        candidate: &Candidate,
        name: &ProfileName,
        profile: Profile,
    ) -> Result<Taken, AgentError> {
        if self.is_signed_in(name) {
            let hint = format!("sign out first: 'seqera logout --profile {name}'");
            return Err(AgentError::new(
                ErrorKind::BadRequest,
                format!("profile '{name}' is signed in"),
                hint,
            ));
        }
        match candidate.origin {
            Origin::Nextflow => self.keep_fixed(candidate, name, profile).await,
            _ => self.adopt(candidate, name, profile).await,
        }
    }

    /// Checks and stores Nextflow's token like any other. The file belongs to Nextflow and is left alone.
    async fn keep_fixed(
        &self,
        candidate: &Candidate,
        name: &ProfileName,
        profile: Profile,
    ) -> Result<Taken, AgentError> {
        // The file is read again, because by now it may hold the token of another authority.
        let read = self.nextflow_settings(Path::new(&candidate.name)).await.ok();
        let same = read.filter(|now| {
            !now.is_elsewhere && now.is_personal() && now.authority() == candidate.owner.authority
        });
        let token = same.and_then(|settings| settings.token).ok_or_else(|| vanished(candidate))?;
        let token = token.expose_secret();
        let mut notes = given::sign_in(&self.registry, name, profile, token, None).await?;
        let file = &candidate.name;
        notes.push(format!("Nextflow goes on using the token in {file}: there it beats TOWER_ACCESS_TOKEN"));
        Ok(Taken { profile: name.clone(), notes })
    }

    /// Spends v1's refresh token, stores the new one, and removes the old one.
    async fn adopt(
        &self,
        candidate: &Candidate,
        name: &ProfileName,
        profile: Profile,
    ) -> Result<Taken, AgentError> {
        let shared = &self.registry.shared;
        shared.ownership.may_spend().await.map_err(|why| {
            let hint = "nothing was changed; make the folder writable, then sign in again";
            AgentError::new(ErrorKind::StoreFailed, why, hint)
        })?;
        let secret = RefreshToken::new(self.read(candidate).await?.expose_secret());
        let worker = self.registry.ensure(name);
        let generation = worker.view().generation;
        let issuer = shared.issuers.issuer(&profile, Kind::Renewable);
        let interrupted = self.begin(candidate, &secret).await?;
        let sent = shared.now();
        let renewal = issuer.renew(&secret, "").await;
        (shared.crash)("import-sent");
        let renewed = match renewal {
            Renewal::Granted(renewed) => renewed,
            other => return Err(self.not_renewed(candidate, other, interrupted).await),
        };
        let is_spent = renewed.refresh.is_some();
        let granted = self.granted(candidate, &profile, &*issuer, &secret, renewed, sent).await;
        let login = Login { profile, granted, method: SignInMethod::Import, generation, organization: None };
        let mut notes = worker.install(login).await?;
        (shared.crash)("import-kept");
        info!(profile = %name, from = candidate.key(), "taken over");
        if is_spent || worker.view().unsaved.is_none() {
            notes.extend(self.remove(candidate, &secret).await);
            // Our own file could not have its documented name while v1's was there.
            shared.ladder.settle_name(name, StoreKind::File).await;
        } else {
            // The provider does not rotate tokens and our store failed: the old place is the only durable
            // one.
            self.end(candidate, false).await;
        }
        Ok(Taken { profile: name.clone(), notes })
    }

    async fn read(&self, candidate: &Candidate) -> Result<SecretString, AgentError> {
        let read = match candidate.origin {
            Origin::V1Keychain => self.keychain.read(&candidate.name).await,
            _ => {
                let (folder, name) = (self.registry.shared.places.config_dir.clone(), candidate.name.clone());
                let read = self.files.run(leftovers::LIMIT, move || v1::token(&folder, &name)).await;
                let read = read.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
                read.map_err(|error| StoreError::Failed(error.to_string()))
            }
        };
        let read = read.map_err(|error| {
            let kind = match error {
                StoreError::Locked(_) => ErrorKind::KeychainLocked,
                _ => ErrorKind::StoreFailed,
            };
            let hint = "nothing was changed; sign in without it: answer no, or leave out --import";
            AgentError::new(kind, format!("{} cannot be read: {error}", candidate.shown()), hint)
        });
        read?.ok_or_else(|| vanished(candidate))
    }

    /// Notes on disk that the token is being spent. Returns true if an earlier attempt was interrupted.
    async fn begin(&self, candidate: &Candidate, secret: &RefreshToken) -> Result<bool, AgentError> {
        let shared = &self.registry.shared;
        let attempt = Attempt { sha256: secret.sha256(), at: unix(shared.now()), dead: false };
        let key = candidate.key();
        let before = shared.state.snapshot().imports.get(&key).cloned();
        let noted = shared.state.change(|sessions| drop(sessions.imports.insert(key, attempt.clone()))).await;
        noted.map_err(|error| {
            let hint = "nothing was changed; is the disk full?";
            AgentError::new(ErrorKind::StoreFailed, error.to_string(), hint)
        })?;
        Ok(before.is_some_and(|before| before.sha256 == attempt.sha256))
    }

    /// Closes the note: marks the token as dead, or deletes the note.
    async fn end(&self, candidate: &Candidate, dead: bool) {
        let key = candidate.key();
        let ended = self.registry.shared.state.change(|sessions| match sessions.imports.get_mut(&key) {
            Some(attempt) if dead => attempt.dead = true,
            _ => drop(sessions.imports.remove(&key)),
        });
        if let Err(error) = ended.await {
            warn!(%error, "how an import ended could not be recorded");
        }
    }

    async fn not_renewed(&self, candidate: &Candidate, renewal: Renewal, interrupted: bool) -> AgentError {
        let (what, authority) = (candidate.shown(), &candidate.owner.authority);
        match renewal {
            Renewal::Rejected(why) => {
                self.end(candidate, true).await;
                let before = if interrupted { "; an earlier attempt was interrupted" } else { "" };
                let message = format!("{authority} does not accept {what} any more: {why}{before}");
                let hint = "it stays where it is and is not offered again; sign in anew with '{login}'";
                AgentError::new(ErrorKind::LoginExpired, message, hint)
            }
            // The note stays, because nobody knows whether the token is spent.
            Renewal::Unknown(why) => {
                let message = format!("{authority} gave no answer about {what}: {why}");
                AgentError::new(ErrorKind::Unreachable, message, "it is still there; try again")
            }
            Renewal::Transient(why, _) => {
                self.end(candidate, false).await;
                let message = format!("{authority} could not be asked about {what}: {why}");
                AgentError::new(ErrorKind::Unreachable, message, "nothing was changed; try again later")
            }
            Renewal::Misconfigured(why) | Renewal::Unclear(why) => {
                self.end(candidate, false).await;
                let message = format!("{authority} does not renew {what}: {why}");
                let hint = "it stays where it is; sign in anew: answer no, or leave out --import";
                AgentError::new(ErrorKind::Misconfigured, message, hint)
            }
            Renewal::Granted(_) => AgentError::internal("a renewal was taken for none"),
        }
    }

    /// The new tokens and their account. By now the old token may be spent, so nothing in here may fail.
    async fn granted(
        &self,
        candidate: &Candidate,
        profile: &Profile,
        issuer: &dyn Issuer,
        spent: &RefreshToken,
        renewed: Renewed,
        sent: Moment,
    ) -> Granted {
        // Without an access token, the first caller triggers another renewal.
        let none = |_| Access { token: AccessToken::new(""), lifetime: Duration::ZERO };
        let access = renewed.access.unwrap_or_else(none);
        let recorded = || Account { email: candidate.owner.account.clone(), ..Account::default() };
        let mut notes = Vec::new();
        let mut account = match issuer.check(&access.token).await {
            Check::Valid(account) => account,
            Check::Refused | Check::Unsure(_) => {
                notes.push("the Platform could not be asked whose session it is".to_owned());
                recorded()
            }
        };
        // Later renewals are compared with the subject that the provider gave, not with the Platform's own
        // id.
        account.subject = renewed.subject.unwrap_or_default();
        let provider = self.providers.issuer(profile, Kind::Renewable);
        let memberships = memberships(&*provider, &access.token, account.user_id).await;
        let refresh = renewed.refresh.unwrap_or_else(|| spent.clone());
        let grant = Grant {
            access,
            refresh: Some(refresh),
            refresh_lifetime: renewed.refresh_lifetime,
            authorization_lifetime: renewed.authorization_lifetime,
        };
        Granted { credential: Credential::Renewable(grant), account, sent, memberships, notes }
    }

    /// Removes the spent token from its old place, and returns a note if that fails. A token that v1 has
    /// written there since stays.
    async fn remove(&self, candidate: &Candidate, spent: &RefreshToken) -> Option<String> {
        let removed = match candidate.origin {
            Origin::V1Keychain => self.keychain.remove(&candidate.name).await.map_err(|e| e.to_string()),
            _ => {
                let (folder, name) = (self.registry.shared.places.config_dir.clone(), candidate.name.clone());
                let sha256 = spent.sha256();
                let remove = move || match v1::token(&folder, &name)? {
                    Some(there) if self::sha256(&there) == sha256 => {
                        crate::storage::durable::remove(&v1::path(&folder, &name))
                    }
                    _ => Ok(false),
                };
                let removed = self.files.run(leftovers::LIMIT, remove).await;
                let removed = removed.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
                removed.map(drop).map_err(|error| error.to_string())
            }
        };
        self.end(candidate, removed.is_err()).await;
        let why = removed.err()?;
        Some(format!(
            "{} could not be removed ({why}); it is spent, and of no use to anybody",
            candidate.place
        ))
    }
}

fn gone(import: &Import) -> AgentError {
    let hint = "run '{login}' again to see what there is";
    AgentError::new(ErrorKind::BadRequest, format!("there is nothing to take over: {}", import.place), hint)
}

fn vanished(candidate: &Candidate) -> AgentError {
    let hint = "run '{login}' again to see what there is";
    AgentError::new(ErrorKind::BadRequest, format!("{} has gone", candidate.shown()), hint)
}
