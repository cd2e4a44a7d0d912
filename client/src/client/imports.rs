//! Sign-ins that other programs have left.

use std::time::Duration;

use seqera_agent_proto::methods::imports;
use seqera_agent_proto::v1;

use crate::client::Client;
use crate::reply::Reply;
use crate::route::Call;

/// A prompt of the keychain may stay open for 60 s, and then the provider is asked.
const TAKE: Duration = Duration::from_secs(120);

impl Client {
    /// What there is to take over for a login of this client's profile. No secret is in the answer.
    pub fn find_imports(
        &self,
        settings: v1::ProfileSettings,
        nextflow_file: String,
    ) -> Reply<'_, v1::FindImportsResponse> {
        let profile = self.profile();
        let message = v1::FindImportsRequest { profile, settings: Some(settings), nextflow_file };
        self.ask(imports::FIND, message)
    }

    /// Makes a session of one of them. The agent goes on with it although its caller hangs up.
    ///
    /// # Errors
    /// As [`Client::import_token`]. What was not taken is left where it is.
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
