//! Token files that SciToolkit's other programs have left.

use std::time::Duration;

use seqera_agent_proto::methods::tokenfiles;
use seqera_agent_proto::v1;

use crate::client::Client;
use crate::error::Error;
use crate::reply::Reply;
use crate::route::Call;

/// SciToolkit is asked first, and then the keychain may keep a prompt open for 60 s.
const TAKE: Duration = Duration::from_secs(90);

impl Client {
    /// Lists the token files in `~/.scitoolkit`. The answer contains no secrets.
    pub async fn find_token_files(&self) -> Result<Vec<v1::TokenFile>, Error> {
        Ok(self.ask(tokenfiles::FIND, v1::FindTokenFilesRequest {}).await?.files)
    }

    /// Signs in with the per-user token that another program has left.
    ///
    /// # Errors
    /// As [`Client::import_token`]; also `BAD_REQUEST` if there is no such token.
    pub fn take_token_file(&self, settings: v1::ProfileSettings) -> Reply<'_, v1::SessionStatus> {
        let message = v1::TakeTokenFileRequest { profile: self.profile(), settings: Some(settings) };
        self.route.ask(Call::within(TAKE), tokenfiles::TAKE, message)
    }

    /// Removes the files with per-toolkit tokens. The answer lists what could not be removed.
    pub fn clean_token_files(&self) -> Reply<'_, v1::CleanTokenFilesResponse> {
        self.ask(tokenfiles::CLEAN, v1::CleanTokenFilesRequest {})
    }
}
