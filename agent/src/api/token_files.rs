//! Service `TokenFiles`: the token files that SciToolkit programs have left in the home folder.

use std::sync::Arc;

use seqera_agent_proto::v1::token_file::Kind;
use seqera_agent_proto::v1::{
    CleanTokenFilesRequest, CleanTokenFilesResponse, FindTokenFilesRequest, FindTokenFilesResponse,
    ImportTokenRequest, SessionStatus, TakeTokenFileRequest, TokenFile, token_files_server,
};
use tonic::{Request, Response, Status};

use crate::api::login;
use crate::error::{AgentError, ErrorKind};
use crate::imports::token_files::{Found, Holds, TokenFiles as Files};
use crate::sessions::registry::Registry;

pub(crate) struct TokenFiles {
    pub registry: Arc<Registry>,
    /// `None` if there is no home folder.
    pub files: Option<Arc<Files>>,
}

impl TokenFiles {
    /// Runs `call` on a blocking thread, since the file system may be slow.
    async fn with<T: Default + Send + 'static>(
        &self,
        call: impl FnOnce(&Files) -> T + Send + 'static,
    ) -> Result<T, AgentError> {
        let Some(files) = self.files.clone() else { return Ok(T::default()) };
        tokio::task::spawn_blocking(move || call(&files)).await.map_err(AgentError::internal)
    }

    async fn take_over(&self, asked: TakeTokenFileRequest) -> Result<SessionStatus, AgentError> {
        let found = self.with(|files| Some(files.of_another_program())).await?;
        let token = match found {
            Some(Ok(Some(token))) => token,
            None | Some(Ok(None)) => return Err(no_token("there is no token of another program", "")),
            Some(Err(error)) => {
                return Err(no_token("the token of another program cannot be read", &error.to_string()));
            }
        };
        let TakeTokenFileRequest { profile, settings } = asked;
        let token = token.trim().to_owned();
        let request = ImportTokenRequest { profile, settings, token, ..ImportTokenRequest::default() };
        login::import(&self.registry, request).await
    }
}

fn no_token(what: &str, why: &str) -> AgentError {
    let message = if why.is_empty() { what.to_owned() } else { format!("{what}: {why}") };
    AgentError::new(ErrorKind::BadRequest, message, "sign in with 'seqera login --provider scitoolkit'")
}

fn token_file(found: Found) -> TokenFile {
    let kind = match found.holds {
        Holds::User => Kind::User,
        Holds::Toolkit => Kind::Toolkit,
        Holds::Ours => Kind::Ours,
    };
    let path = found.path.display().to_string();
    TokenFile { path, kind: kind.into(), open_to_others: found.open_to_others }
}

#[tonic::async_trait]
impl token_files_server::TokenFiles for TokenFiles {
    async fn find(
        &self,
        _: Request<FindTokenFilesRequest>,
    ) -> Result<Response<FindTokenFilesResponse>, Status> {
        let files = self.with(Files::find).await?.into_iter().map(token_file).collect();
        Ok(Response::new(FindTokenFilesResponse { files }))
    }

    async fn take(&self, request: Request<TakeTokenFileRequest>) -> Result<Response<SessionStatus>, Status> {
        Ok(Response::new(self.take_over(request.into_inner()).await?))
    }

    async fn clean(
        &self,
        _: Request<CleanTokenFilesRequest>,
    ) -> Result<Response<CleanTokenFilesResponse>, Status> {
        let (removed, problems) = self.with(Files::clean).await?;
        let removed = removed.iter().map(|path| path.display().to_string()).collect();
        Ok(Response::new(CleanTokenFilesResponse { removed, problems }))
    }
}
