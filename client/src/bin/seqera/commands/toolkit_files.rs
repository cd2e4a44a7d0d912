//! What `login` and `logout` do with token files that other programs of the provider have left: they offer to
//! use a person's token, and to remove the tokens of single toolkits. Nothing is done silently.

use seqera_client::Client;
use seqera_client::proto::reason::Reason;
use seqera_client::proto::v1::login_event::SignedIn;
use seqera_client::proto::v1::token_file::Kind;
use seqera_client::proto::v1::{CleanTokenFilesResponse, TokenFile};

use crate::screen::ask;
use crate::screen::failure::Failure;
use crate::settings::Settings;
use crate::settings::context::{Context, interruptible, wait};
use crate::settings::provider::Provider;
use crate::settings::subject::Named;

/// The files as they were when a login began.
pub(super) struct ToolkitFiles<'a> {
    context: &'a Context,
    client: &'a Client,
    found: Vec<TokenFile>,
}

impl<'a> ToolkitFiles<'a> {
    /// Finds the files before a login; `None` if the provider has no such files.
    pub(super) fn find(context: &'a Context, client: &'a Client) -> Result<Option<Self>, Failure> {
        if context.env.provider() != Provider::WITH_TOKEN_FILES {
            return Ok(None);
        }
        let found = wait(async { Ok(client.find_token_files().await?) })?;
        let files = Self { context, client, found };
        if !context.screen.json {
            let open = files.found.iter().filter(|file| file.open_to_others);
            open.for_each(|file| context.screen.warn(&open_to_others(&file.path)));
        }
        Ok(Some(files))
    }

    /// Returns the session of a token that another program has stored, if the person wants to use it. A
    /// failure is shown, and the login goes on.
    pub(super) fn offer(&self, settings: &Settings) -> Result<Vec<SignedIn>, Failure> {
        let Some(file) = self.of_kind(Kind::User).next() else { return Ok(Vec::new()) };
        let question = format!("{} holds a token that another program has stored. Use it?", file.path);
        if ask::yes(&self.context.screen, &question, true)? != Some(true) {
            return Ok(Vec::new());
        }
        let take = async { Ok(self.client.take_token_file(settings.message()).await?) };
        match wait(interruptible("the login", take)) {
            Ok(status) => {
                Ok(vec![SignedIn { notes: status.notes.clone(), status: Some(status), already: false }])
            }
            Err(failure) if failure.reason == "INTERRUPTED" => Err(failure),
            Err(failure) => {
                self.context.screen.failure(&failure);
                Ok(Vec::new())
            }
        }
    }

    /// After a login that did not use [`Self::offer`]: says that the other program's token is no longer in
    /// the documented file, but still valid.
    pub(super) fn replaced(&self) {
        for file in self.of_kind(Kind::User) {
            let path = &file.path;
            self.context.screen.note(&format!(
                "{path} held a token of another program, which is valid until it is revoked under 'CLI Tokens'"
            ));
        }
    }

    /// After a login: the person's token works for all toolkits, so the tokens of single ones can be removed.
    pub(super) fn consolidate(&self) -> Result<(), Failure> {
        let paths: Vec<_> = self.of_kind(Kind::Toolkit).map(|file| file.path.as_str()).collect();
        if paths.is_empty() || self.context.screen.json {
            return Ok(());
        }
        let screen = &self.context.screen;
        screen.note("tokens for single toolkits, which are being phased out, are still in:");
        paths.iter().for_each(|path| screen.tell(&format!("  {path}")));
        let question =
            "Your new token works for every toolkit that you have permission on. Remove these files?";
        match ask::yes(&self.context.screen, question, false)? {
            Some(true) => report(self.context, &clean(self.client)?),
            Some(false) => Ok(()),
            None => {
                screen
                    .tell("hint: 'logout --clean-legacy' removes them, and a login at a terminal offers to");
                Ok(())
            }
        }
    }

    fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &TokenFile> {
        self.found.iter().filter(move |file| file.kind() == kind)
    }
}

/// Removes the files of per-toolkit tokens.
pub(super) fn clean(client: &Client) -> Result<CleanTokenFilesResponse, Failure> {
    wait(async { Ok(client.clean_token_files().await?) })
}

/// Prints a line for each file that was removed, and fails if one is left.
pub(super) fn report(context: &Context, cleaned: &CleanTokenFilesResponse) -> Result<(), Failure> {
    for path in &cleaned.removed {
        context.screen.say(&format!("removed {path}"))?;
    }
    if cleaned.removed.is_empty() && cleaned.problems.is_empty() {
        context.screen.say("no per-toolkit token files were found")?;
    }
    match cleaned.problems.as_slice() {
        [] => Ok(()),
        problems => Err(not_removed(&problems.join("; "))),
    }
}

fn not_removed(why: &str) -> Failure {
    let message = format!("per-toolkit token files could not be removed: {why}");
    Failure::new(Reason::StoreFailed, message, Some("remove them by hand"))
}

/// Adds to "not signed in" that another program has left a token that could be used.
pub(crate) fn mention(context: &Context, failure: &Failure) {
    if context.env.provider() != Provider::WITH_TOKEN_FILES
        || !failure.is(Reason::SignedOut)
        || context.screen.json
    {
        return;
    }
    let found = context.client(Named::default()).and_then(|client| {
        let find = client.find_token_files();
        wait(async { Ok(find.await?) })
    });
    // The failure that has already been shown is the one that counts.
    let files = found.unwrap_or_default();
    for file in files.iter().filter(|file| file.kind() == Kind::User) {
        let path = &file.path;
        context
            .screen
            .note(&format!("{path} holds a token that another program has stored; a login offers to use it"));
    }
}

fn open_to_others(path: &str) -> String {
    let folder = Provider::TOKEN_FOLDER;
    format!(
        "{path} can be read by others on this machine; the next write closes it, 'chmod -R go= {folder}' does now"
    )
}
