//! Sign-ins that other programs have left.

use std::time::Duration;

use seqera_agent_proto::methods::imports;
use seqera_agent_proto::v1;

use crate::client::Client;
use crate::reply::Reply;
use crate::route::Call;

/// The keychain may keep a prompt open for 60 s, and after that the provider is asked.
const TAKE: Duration = Duration::from_secs(120);

impl Client {
    /// Finds what can be taken over for a login of this client's profile. The answer contains no secrets.
    pub fn find_imports(
        &self,
        settings: v1::ProfileSettings,
        nextflow_file: String,
    ) -> Reply<'_, v1::FindImportsResponse> {
        let profile = self.profile();
        let message = v1::FindImportsRequest { profile, settings: Some(settings), nextflow_file };
        self.ask(imports::FIND, message)
    }

    /// Turns one of them into a session. The agent finishes this even if its caller hangs up.
    ///
    /// # Errors
    /// As [`Client::import_token`]. An import that fails leaves the other program's sign-in where it is.
    pub fn take_import(
        &self,
        import: v1::Import,
        settings: v1::ProfileSettings,
        nextflow_file: String,
    ) -> Reply<'_, v1::TakeImportResponse> {
        let message = v1::TakeImportRequest { import: Some(import), settings: Some(settings), nextflow_file };
        self.route.ask(Call::within(TAKE), imports::TAKE, message)
    }
}
