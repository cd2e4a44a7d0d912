//! Token files of SciToolkit's other programs.

use std::time::Duration;

use seqera_agent_proto::methods::tokenfiles;
use seqera_agent_proto::v1;

use crate::client::Client;
use crate::error::Error;
use crate::reply::Reply;
use crate::route::Call;

/// A prompt of the keychain may stay open for 60 s, and before that SciToolkit is asked.
const TAKE: Duration = Duration::from_secs(90);

impl Client {
    /// What is in `~/.scitoolkit`. No secret is in the answer.
    pub async fn find_token_files(&self) -> Result<Vec<v1::TokenFile>, Error> {
        Ok(self.ask(tokenfiles::FIND, v1::FindTokenFilesRequest {}).await?.files)
    }

    /// Signs in with the per-user token that another program has left.
    ///
    /// # Errors
    /// As [`Client::import_token`]; `BAD_REQUEST` where there is none.
    pub fn take_token_file(&self, settings: v1::ProfileSettings) -> Reply<'_, v1::SessionStatus> {
        let message = v1::TakeTokenFileRequest { profile: self.profile(), settings: Some(settings) };
        self.route.ask(Call::within(TAKE), tokenfiles::TAKE, message)
    }

    /// Removes the files of per-toolkit tokens. What could not be removed is in the answer.
    pub fn clean_token_files(&self) -> Reply<'_, v1::CleanTokenFilesResponse> {
        self.ask(tokenfiles::CLEAN, v1::CleanTokenFilesRequest {})
    }
}
