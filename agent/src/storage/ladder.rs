//! The ladder: which store a secret goes to. `auto` begins with the keychain and goes down to the file and,
//! as the last resort, to memory; a chosen store is used alone. What a failure has moved down goes up again when
//! the better store answers.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use secrecy::ExposeSecret;
use seqera_agent_proto::place::Places;
use serde::{Deserialize, Serialize};

use crate::lock::lock;
use crate::profile::ProfileName;
use crate::storage::file::File;
use crate::storage::keychain::Keychain;
use crate::storage::memory::Memory;
use crate::storage::store::{Patience, Store, StoreError, StoreKind, Stored};
use crate::storage::timed::Timed;
use crate::storage::token_file::TokenFile;

/// What `credentialStore` and `SEQERA_CREDENTIAL_STORE` can say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StoreChoice {
    /// Keychain, else file, else memory.
    #[default]
    Auto,
    /// The keychain alone.
    Keychain,
    /// The file alone.
    File,
    /// Memory alone.
    Memory,
}

impl StoreChoice {
    /// The one store that was chosen; `None` for the ladder.
    pub(crate) fn only(self) -> Option<StoreKind> {
        match self {
            Self::Auto => None,
            Self::Keychain => Some(StoreKind::Keychain),
            Self::File => Some(StoreKind::File),
            Self::Memory => Some(StoreKind::Memory),
        }
    }

    /// As the configuration writes it.
    pub(crate) fn as_str(self) -> &'static str {
        self.only().map_or("auto", StoreKind::as_str)
    }
}

impl std::str::FromStr for StoreChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Auto, Self::Keychain, Self::File, Self::Memory];
        let named = all.into_iter().find(|choice| choice.as_str().eq_ignore_ascii_case(text));
        named.ok_or_else(|| format!("{text:?} is not a store: use auto, keychain, file or memory"))
    }
}

/// Where a secret went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    /// The store that has it now.
    pub kind: StoreKind,
    /// Sentences for the person: why it is not a better one. Empty where all went as it should.
    pub notes: Vec<String>,
    /// The better store that failed, where the secret is not in the best one.
    pub fell: Option<Fell>,
}

/// A store that did not take a secret, so that a lesser one has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fell {
    /// The store that failed.
    pub from: StoreKind,
    /// Its error.
    pub why: String,
    /// It did not fail: this host has no such store.
    pub is_absent: bool,
}

/// Who has secrets here, as far as the stores tell.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Each profile with the stores that hold something for it.
    pub profiles: BTreeMap<ProfileName, Vec<StoreKind>>,
    /// The stores that did not tell, and why.
    pub errors: Vec<(StoreKind, StoreError)>,
}

/// The stores and the choice among them.
pub(crate) struct Ladder {
    choice: StoreChoice,
    rungs: Vec<Arc<dyn Store>>,
    current: Mutex<StoreKind>,
    others: Others,
    /// The site allows no secret in a file. What is in one can still be read, and goes elsewhere when it is renewed.
    no_files: bool,
}

/// Opens the store of a kind in which another host keeps its secrets.
type Others = Box<dyn Fn(&str, StoreKind) -> Option<Arc<dyn Store>> + Send + Sync>;

impl Ladder {
    /// The stores, best first.
    pub(crate) fn new(choice: StoreChoice, rungs: Vec<Arc<dyn Store>>) -> Self {
        let current = choice.only().unwrap_or(StoreKind::Keychain);
        Self { choice, rungs, current: Mutex::new(current), others: Box::new(|_, _| None), no_files: false }
    }

    /// With the stores of other hosts, for sessions that are taken over from them.
    #[must_use]
    pub(crate) fn with_others(self, others: Others) -> Self {
        Self { others, ..self }
    }

    /// With no file that a secret is written to, where the site forbids it.
    #[must_use]
    pub(crate) fn without_files(self, no_files: bool) -> Self {
        Self { no_files, ..self }
    }

    /// True if a secret may be written to a store of this kind.
    pub(crate) fn allows(&self, kind: StoreKind) -> bool {
        !(self.no_files && matches!(kind, StoreKind::File | StoreKind::TokenFile))
    }

    /// The stores of this host and configuration folder, and of the user's `home` where it is known. Opens
    /// nothing yet.
    pub(crate) fn open(choice: StoreChoice, places: &Places, home: Option<&Path>) -> Self {
        let mut rungs: Vec<Arc<dyn Store>> = Vec::new();
        rungs.extend(home.map(|home| Arc::new(Timed::new(TokenFile::new(home, places))) as Arc<dyn Store>));
        rungs.push(Arc::new(Timed::new(Keychain::new(places))));
        rungs.push(Arc::new(Timed::new(File::new(places))));
        rungs.push(Arc::new(Memory::default()));
        let (base, home) = (places.clone(), home.map(Path::to_owned));
        let others = move |host: &str, kind: StoreKind| -> Option<Arc<dyn Store>> {
            let places = Places { host_id: host.to_owned(), ..base.clone() };
            match kind {
                StoreKind::Keychain => Some(Arc::new(Timed::new(Keychain::new(&places)))),
                StoreKind::File => Some(Arc::new(Timed::new(File::new(&places)))),
                StoreKind::TokenFile => Some(Arc::new(Timed::new(TokenFile::new(home.as_deref()?, &places)))),
                StoreKind::Memory => None,
            }
        };
        Self::new(choice, rungs).with_others(Box::new(others))
    }

    /// The store of this kind in which another host keeps its secrets, where it can be reached.
    pub(crate) fn of_host(&self, host: &str, kind: StoreKind) -> Option<Arc<dyn Store>> {
        (self.others)(host, kind)
    }

    /// What the configuration says.
    pub(crate) fn choice(&self) -> StoreChoice {
        self.choice
    }

    /// The last login that is known has put its secret there.
    pub(crate) fn expect(&self, kind: StoreKind) {
        if self.choice == StoreChoice::Auto {
            *lock(&self.current) = kind;
        }
    }

    /// Where the next login would put its secret, by what the last one met. No I/O.
    pub(crate) fn current_kind(&self) -> StoreKind {
        *lock(&self.current)
    }

    /// Keeps the secret. A login passes no `from` and begins at the top; a renewal passes the place of the
    /// secret that it replaces, and [`climb`](Self::climb) moves it up afterwards. What was kept in another place
    /// stays there: remove it once the new place is on record.
    ///
    /// # Errors
    /// The error of the chosen store. With `auto` memory takes what no other store does.
    pub(crate) async fn save(
        &self,
        profile: &ProfileName,
        secret: &Stored,
        from: Option<StoreKind>,
        patience: Patience,
    ) -> Result<Kept, StoreError> {
        let mut notes = Vec::new();
        let top = self.top(profile, secret);
        if self.choice.only().is_some() {
            self.save_into(self.store(top)?, profile, secret, from, patience, &mut notes).await?;
            return Ok(Kept { kind: top, notes, fell: None });
        }
        let mut fell: Option<Fell> = None;
        let start = from.filter(|kind| self.allows(*kind)).unwrap_or(top);
        let mut failed = StoreError::Unavailable("there is no store".into());
        let rungs = self.rungs.iter().skip_while(|store| store.kind() != start);
        for store in rungs.filter(|store| self.allows(store.kind())) {
            match self.save_into(store.as_ref(), profile, secret, from, patience, &mut notes).await {
                Ok(()) => {
                    let shown = self.shown(profile, store.kind()).await;
                    let kept = self.kept(store.kind(), start, from.is_none(), notes, &shown);
                    return Ok(Kept { fell, ..kept });
                }
                Err(error) => {
                    store.disown(profile);
                    tracing::warn!(%profile, store = store.kind().as_str(), %error, "not kept here");
                    notes.push(error.to_string());
                    // A renewal comes from a store that was there.
                    let is_absent = from.is_none() && matches!(error, StoreError::Unavailable(_));
                    if fell.as_ref().is_none_or(|fell| fell.is_absent && !is_absent) {
                        fell = Some(Fell { from: store.kind(), why: error.to_string(), is_absent });
                    }
                    failed = error;
                }
            }
        }
        Err(failed)
    }

    /// Where a login begins: the documented place of this secret, else the chosen store or the best one. A
    /// documented place is a file, so that whoever has chosen another kind of store gets that.
    fn top(&self, profile: &ProfileName, secret: &Stored) -> StoreKind {
        let chosen = self.choice.only().unwrap_or(StoreKind::Keychain);
        let files = matches!(self.choice, StoreChoice::Auto | StoreChoice::File) && !self.no_files;
        let documented = self.rungs.iter().find(|store| files && store.is_documented_for(profile, secret));
        documented.map_or(chosen, |store| store.kind())
    }

    /// One store's save. A login sets aside what it cannot read there; a renewal leaves it to the person.
    async fn save_into(
        &self,
        store: &dyn Store,
        profile: &ProfileName,
        secret: &Stored,
        from: Option<StoreKind>,
        patience: Patience,
        notes: &mut Vec<String>,
    ) -> Result<(), StoreError> {
        match store.save(profile, secret, patience).await {
            Err(StoreError::Corrupt(what)) if from.is_none() => {
                for aside in store.set_aside(profile, secret.saved_at).await? {
                    notes.push(format!("{what}: set aside as {aside}"));
                }
                store.save(profile, secret, patience).await
            }
            saved => saved,
        }
    }

    /// The place of a secret in words: the file by its name.
    pub(crate) async fn shown(&self, profile: &ProfileName, kind: StoreKind) -> String {
        let file = match self.store(kind) {
            Ok(store) => store.file(profile).await,
            Err(_) => None,
        };
        file.map_or_else(|| kind.as_str().to_owned(), |file| format!("file {}", file.display()))
    }

    fn kept(
        &self,
        kind: StoreKind,
        start: StoreKind,
        is_login: bool,
        mut notes: Vec<String>,
        shown: &str,
    ) -> Kept {
        if is_login && kind != StoreKind::TokenFile {
            *lock(&self.current) = kind;
        }
        match kind {
            _ if kind == start => {}
            StoreKind::Memory => notes.push("kept in memory only: it is lost when the agent stops".into()),
            StoreKind::Keychain | StoreKind::File | StoreKind::TokenFile => {
                notes.push(format!("kept in the {shown} instead"));
            }
        }
        Kept { kind, notes, fell: None }
    }

    /// Offers a secret that a failure has moved down from `best` to `now` to the stores between them, best first,
    /// without a prompt. Counts only if what was saved can be read back. The secret stays in `now` as well: remove
    /// it there once the new place is on record. `tries` says which stores to try. `None`: it stays where it is.
    pub(crate) async fn climb(
        &self,
        profile: &ProfileName,
        secret: &Stored,
        (best, now): (StoreKind, StoreKind),
        tries: impl Fn(StoreKind) -> bool,
    ) -> Option<StoreKind> {
        if self.choice != StoreChoice::Auto {
            return None;
        }
        let better = self.rungs.iter().skip_while(|store| store.kind() != best);
        let better = better.take_while(|store| store.kind() != now);
        for store in better.filter(|store| self.allows(store.kind()) && tries(store.kind())) {
            match saved_for_good(store.as_ref(), profile, secret).await {
                Ok(()) => return Some(store.kind()),
                Err(error) => {
                    store.disown(profile);
                    tracing::debug!(%profile, store = store.kind().as_str(), %error, "still not kept here");
                }
            }
        }
        None
    }

    /// Whether a store is known to take a secret: asked before the one that it has is spent.
    ///
    /// # Errors
    /// `ReadOnly`, where it lies where this user may not write.
    pub(crate) async fn takes(&self, kind: StoreKind) -> Result<(), StoreError> {
        // A renewal does not write there.
        if self.allows(kind) { self.store(kind)?.takes().await } else { Ok(()) }
    }

    /// The secret that this store has for the profile.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn load(
        &self,
        profile: &ProfileName,
        kind: StoreKind,
    ) -> Result<Option<Stored>, StoreError> {
        self.store(kind)?.load(profile).await
    }

    /// Gives the secret of a profile to another profile as well, in the same store; `false` if there is none.
    ///
    /// # Errors
    /// The store's. The other profile then has nothing.
    pub(crate) async fn copy(
        &self,
        from: &ProfileName,
        to: &ProfileName,
        kind: StoreKind,
    ) -> Result<bool, StoreError> {
        let store = self.store(kind)?;
        let Some(secret) = store.load(from).await? else { return Ok(false) };
        match store.save(to, &secret, Patience::Background).await {
            Ok(()) => Ok(true),
            Err(error) => {
                store.disown(to);
                let _ = store.remove(to).await;
                Err(error)
            }
        }
    }

    /// See [`Store::settle_name`]. Where it fails, a later save does it.
    pub(crate) async fn settle_name(&self, profile: &ProfileName, kind: StoreKind) {
        let Ok(store) = self.store(kind) else { return };
        if let Err(error) = store.settle_name(profile).await {
            tracing::debug!(%profile, store = kind.as_str(), %error, "its documented name is not used yet");
        }
    }

    /// Empties this place; `false` where nothing was.
    ///
    /// # Errors
    /// The store's. The secret goes later then, when the store lets us.
    pub(crate) async fn remove(&self, profile: &ProfileName, kind: StoreKind) -> Result<bool, StoreError> {
        match self.store(kind) {
            Ok(store) => store.remove(profile).await,
            Err(_) => Ok(false),
        }
    }

    /// The stores that have a secret of the profile, and the errors of those that do not tell.
    pub(crate) async fn holders(
        &self,
        profile: &ProfileName,
    ) -> (Vec<StoreKind>, Vec<(StoreKind, StoreError)>) {
        let (mut kinds, mut errors) = (Vec::new(), Vec::new());
        for store in &self.rungs {
            match store.load(profile).await {
                Ok(Some(_)) => kinds.push(store.kind()),
                Ok(None) => {}
                Err(error) => errors.push((store.kind(), error)),
            }
        }
        (kinds, errors)
    }

    /// The profiles that one store knows.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn list(&self, kind: StoreKind) -> Result<Vec<ProfileName>, StoreError> {
        self.store(kind)?.list().await
    }

    /// Renames what this store keeps for the profile and cannot read; the new names.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn set_aside(
        &self,
        profile: &ProfileName,
        kind: StoreKind,
        now: SystemTime,
    ) -> Result<Vec<String>, StoreError> {
        self.store(kind)?.set_aside(profile, now).await
    }

    /// All profiles that any store knows. Asks all stores at once.
    pub(crate) async fn list_all(&self) -> Listing {
        let answers = futures_util::future::join_all(self.rungs.iter().map(|store| store.list())).await;
        let mut listing = Listing::default();
        for (store, answer) in self.rungs.iter().zip(answers) {
            match answer {
                Ok(names) => names.into_iter().for_each(|name| {
                    listing.profiles.entry(name).or_default().push(store.kind());
                }),
                Err(error) => listing.errors.push((store.kind(), error)),
            }
        }
        listing
    }

    fn store(&self, kind: StoreKind) -> Result<&dyn Store, StoreError> {
        let store = self.rungs.iter().find(|store| store.kind() == kind);
        let none = || StoreError::Unavailable(format!("there is no {} here", kind.as_str()));
        store.map(AsRef::as_ref).ok_or_else(none)
    }
}

/// Saves, and reads back what was saved.
async fn saved_for_good(store: &dyn Store, profile: &ProfileName, secret: &Stored) -> Result<(), StoreError> {
    store.save(profile, secret, Patience::Background).await?;
    let found = store.load(profile).await?;
    if found.is_some_and(|found| found.secret.open().expose_secret() == secret.secret.open().expose_secret())
    {
        return Ok(());
    }
    let _ = store.remove(profile).await;
    Err(StoreError::Failed(format!("the {} does not return what was saved in it", store.kind().as_str())))
}

#[cfg(test)]
mod tests;
