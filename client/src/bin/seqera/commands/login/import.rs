//! What `seqera login` does with sign-ins that other programs have left: it offers them to a person, or takes
//! them over with `--import`. Nothing is taken over silently.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use seqera_client::Client;
use seqera_client::proto::v1::import::Origin;
use seqera_client::proto::v1::login_event::SignedIn;
use seqera_client::proto::v1::{FindImportsResponse, Import};

use crate::screen::ask;
use crate::screen::failure::{Failure, Hint};
use crate::screen::table;
use crate::settings::Settings;
use crate::settings::context::{Context, interruptible, wait};
use crate::settings::env::Env;
use crate::settings::setting::{CLOUD_AUTHORITY, is_cloud, same_origin};

/// After this long, a person begins to wonder.
const QUIET: Duration = Duration::from_secs(1);

/// The login for which imports are taken over.
pub(super) struct Imports<'a> {
    pub(super) context: &'a Context,
    pub(super) client: &'a Client,
    pub(super) settings: &'a Settings,
    /// What was typed, without options.
    pub(super) typed: &'a str,
}

impl Imports<'_> {
    /// Offers the imports, and returns the sessions that a person agreed to take over instead of signing in;
    /// none if nobody can be asked. A failure is shown, and the login goes on.
    pub(super) fn offer(&self) -> Result<Vec<SignedIn>, Failure> {
        if !ask::possible(&self.context.screen) {
            return Ok(Vec::new());
        }
        let found = match self.find() {
            Ok(found) => found,
            // The agent may be too old to know of imports. The login itself will report anything worse.
            Err(_) => return Ok(Vec::new()),
        };
        found.problems.iter().for_each(|problem| self.context.screen.note(problem));
        let mut taken: Vec<SignedIn> = Vec::new();
        for import in found.imports {
            let is_moved = import.origin() != Origin::Nextflow;
            if is_taken(&taken, &import) || !self.agreed(&import, is_moved)? {
                continue;
            }
            match self.take(import) {
                Ok(signed_in) => taken.push(signed_in),
                Err(failure) => self.context.screen.failure(&failure),
            }
        }
        Ok(taken)
    }

    /// Takes over everything for this login without asking, as `--import` demands.
    ///
    /// # Errors
    /// There is nothing to take over, or nothing could be taken over.
    pub(super) fn take_all(&self) -> Result<Vec<SignedIn>, Failure> {
        let screen = &self.context.screen;
        let found = self.find()?;
        if !screen.json {
            found.problems.iter().chain(&found.left_out).for_each(|line| screen.note(line));
        }
        let (mut taken, mut failed) = (Vec::new(), None);
        for import in found.imports {
            if is_taken(&taken, &import) {
                continue;
            }
            match self.take(import) {
                Ok(signed_in) => taken.push(signed_in),
                Err(failure) => {
                    if let Some(before) = failed.replace(failure) {
                        screen.failure(&before);
                    }
                }
            }
        }
        match failed {
            Some(failure) if taken.is_empty() => Err(failure),
            Some(failure) => {
                screen.failure(&failure);
                Ok(taken)
            }
            None if taken.is_empty() => Err(nothing(self.typed)),
            None => Ok(taken),
        }
    }

    fn find(&self) -> Result<FindImportsResponse, Failure> {
        let find = self.client.find_imports(self.settings.message(), self.context.env.nextflow_file());
        let message = "looking for sign-ins of other programs (the keychain is slow to answer)";
        let found = wait(interruptible("the login", async { Ok(self.patiently(find, message).await?) }))?;
        Ok(without_strangers(found, &self.context.env))
    }

    fn take(&self, import: Import) -> Result<SignedIn, Failure> {
        // For a sign-in of version 1, the agent's message already names the place.
        let place = (import.origin() == Origin::Nextflow).then(|| import.place.clone());
        let take = self.client.take_import(import, self.settings.message(), self.context.env.nextflow_file());
        let message = "taking it over (a keychain may ask you to unlock it)";
        let taken = wait(interruptible("the login", async { Ok(self.patiently(take, message).await?) }));
        let taken = taken.map_err(|failure| match place {
            Some(place) => Failure { message: format!("{place}: {}", failure.message), ..failure },
            None => failure,
        })?;
        Ok(SignedIn { status: taken.status, already: false, notes: taken.notes })
    }

    /// Waits, and says what for if it takes long.
    async fn patiently<T>(&self, work: impl Future<Output = T>, message: &str) -> T {
        let mut work = pin!(work);
        if let Ok(done) = tokio::time::timeout(QUIET, work.as_mut()).await {
            return done;
        }
        if !self.context.screen.json {
            self.context.screen.tell(message);
        }
        work.await
    }

    fn agreed(&self, import: &Import, is_moved: bool) -> Result<bool, Failure> {
        let Import { place, profile, authority, account, .. } = import;
        self.context.screen.tell(match is_moved {
            true => "The earlier CLI has left a sign-in. Moving it here signs that CLI out.",
            false => "Nextflow has an access token, which can be used here as well.",
        });
        let rows =
            [("Account", account.clone()), ("Authority", authority.clone()), ("Kept in", place.clone())];
        self.context.screen.tell(&table(&rows));
        let verb = if is_moved { "Move" } else { "Use" };
        let question = format!("{verb} it as profile '{profile}'?");
        // A person should not get a token without expiry or scope just by pressing Enter.
        Ok(ask::yes(&self.context.screen, &question, is_moved)?.unwrap_or(false))
    }
}

/// Leaves out what may be another Platform's: a token of Nextflow's without an endpoint in its file goes where
/// `TOWER_API_ENDPOINT` says, and to Cloud only without one.
fn without_strangers(mut found: FindImportsResponse, env: &Env) -> FindImportsResponse {
    let set = match env.endpoint(BESIDE) {
        Ok(None) => return found,
        Ok(Some(set)) if same_origin(&set.text, CLOUD_AUTHORITY) => return found,
        Ok(Some(set)) => format!("{BESIDE} is {}", set.text),
        Err(failure) => failure.message,
    };
    let is_strange = |import: &Import| import.origin() == Origin::Nextflow && is_cloud(&import.authority);
    let (strange, rest) = found.imports.into_iter().partition::<Vec<_>, _>(is_strange);
    found.problems.extend(strange.iter().map(|import| {
        format!(
            "Nextflow's access token in {} is left as it is: {set}, so it is not certain that it is Seqera Cloud's; \
             sign in with it by 'seqera login --with-token --authority URL'",
            import.place
        )
    }));
    FindImportsResponse { imports: rest, ..found }
}

/// Where Nextflow looks for the endpoint if no file names one.
const BESIDE: &str = "TOWER_API_ENDPOINT";

/// A profile needs one session, even if several programs have left one for it.
fn is_taken(taken: &[SignedIn], import: &Import) -> bool {
    taken
        .iter()
        .any(|signed_in| signed_in.status.as_ref().is_some_and(|status| status.profile == import.profile))
}

fn nothing(login: &str) -> Failure {
    Failure {
        reason: "NOTHING_TO_IMPORT".into(),
        message: "no other program has left a sign-in that can be used here".into(),
        hint: Hint::Words(format!("run '{login}' without --import")),
        exit: 1,
    }
}

#[cfg(test)]
mod tests {
    use seqera_client::proto::v1::SessionStatus;

    use super::*;

    #[test]
    fn a_token_of_nextflow_that_may_be_anothers_is_not_shown_to_cloud() {
        let import = |origin: Origin, authority: &str| Import {
            origin: origin.into(),
            place: "/n/seqera-auth.config".into(),
            authority: authority.into(),
            ..Import::default()
        };
        let all = || FindImportsResponse {
            imports: vec![
                import(Origin::Nextflow, "https://cloud.seqera.io/api"),
                import(Origin::Nextflow, "https://a.test/api"),
                import(Origin::V1File, "https://cloud.seqera.io/api"),
            ],
            ..FindImportsResponse::default()
        };
        for same in [Env::of(&[]), Env::of(&[(BESIDE, "https://api.cloud.seqera.io")])] {
            assert_eq!(without_strangers(all(), &same), all());
        }
        for (text, said) in
            [("https://b.test/api", "https://b.test/api"), ("https://ada:x@b.test", "user name")]
        {
            let env = Env::reading(move |name| (name == BESIDE).then(|| text.into()));
            let left = without_strangers(all(), &env);
            assert_eq!(left.imports, all().imports[1..]);
            assert!(left.problems[0].contains(said) && !left.problems[0].contains("ada"), "{left:?}");
        }
    }

    #[test]
    fn a_profile_is_taken_once() {
        let status = SessionStatus { profile: "lab".into(), ..SessionStatus::default() };
        let taken = [SignedIn { status: Some(status), ..SignedIn::default() }];
        let of = |profile: &str| Import { profile: profile.into(), ..Import::default() };
        assert!(is_taken(&taken, &of("lab")));
        assert!(!is_taken(&taken, &of("home")) && !is_taken(&[], &of("lab")));
    }
}
