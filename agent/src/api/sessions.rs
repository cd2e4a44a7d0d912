//! Service `Sessions`: signs in, signs out, and reports who is signed in.

use std::sync::Arc;

use seqera_agent_proto::v1::describe_request::Subject;
use seqera_agent_proto::v1::{
    AdoptRequest, AdoptResponse, CancelLoginRequest, CancelLoginResponse, ChooseOrganizationRequest,
    ChooseResponse, ChooseWorkspaceRequest, CompleteLoginRequest, CompleteLoginResponse, DescribeRequest,
    Description, ImportTokenRequest, ListOrganizationsRequest, ListOrganizationsResponse, ListRequest,
    ListResponse, ListWorkspacesRequest, ListWorkspacesResponse, LoginRequest, LogoutRequest,
    RemoveProfileRequest, RemoveProfileResponse, RenameProfileRequest, RenameProfileResponse, SessionStatus,
    StatusRequest, UseProfileRequest, UseProfileResponse, sessions_server,
};
use tonic::{Request, Response, Status};

use crate::api::adoption;
use crate::api::choices::{self, Choices};
use crate::api::convert;
use crate::api::deadline::until;
use crate::api::login::{self, Events};
use crate::api::logout::{self, Outcomes};
use crate::api::status::status;
use crate::api::tokens::hand_out;
use crate::api::wishes;
use crate::clock::Moment;
use crate::error::AgentError;
use crate::profile::{Profile, ProfileName};
use crate::providers::Issuers;
use crate::sessions::naming;
use crate::sessions::registry::Registry;
use crate::sessions::verdict::Ask;
use crate::sessions::{given, target};
use crate::token::{AccessToken, Kind};

pub(crate) struct Sessions {
    pub registry: Arc<Registry>,
    pub providers: Arc<dyn Issuers>,
}

#[tonic::async_trait]
impl sessions_server::Sessions for Sessions {
    type LoginStream = Events;

    async fn login(&self, request: Request<LoginRequest>) -> Result<Response<Events>, Status> {
        wishes::keeps_where_asked(request.metadata(), &self.registry.shared)?;
        Ok(Response::new(login::login(&self.registry, request.into_inner())?))
    }

    async fn complete_login(
        &self,
        request: Request<CompleteLoginRequest>,
    ) -> Result<Response<CompleteLoginResponse>, Status> {
        login::complete(&self.registry, request.into_inner()).await?;
        Ok(Response::new(CompleteLoginResponse {}))
    }

    async fn cancel_login(
        &self,
        request: Request<CancelLoginRequest>,
    ) -> Result<Response<CancelLoginResponse>, Status> {
        let name = self.registry.resolve(&request.into_inner().profile, "")?;
        Ok(Response::new(CancelLoginResponse { was_running: self.registry.logins.cancel(&name) }))
    }

    async fn import_token(
        &self,
        request: Request<ImportTokenRequest>,
    ) -> Result<Response<SessionStatus>, Status> {
        wishes::keeps_where_asked(request.metadata(), &self.registry.shared)?;
        Ok(Response::new(login::import(&self.registry, request.into_inner()).await?))
    }

    type LogoutStream = Outcomes;

    async fn logout(&self, request: Request<LogoutRequest>) -> Result<Response<Outcomes>, Status> {
        Ok(Response::new(logout::logout(&self.registry, request.into_inner()).await?))
    }

    async fn list(&self, _: Request<ListRequest>) -> Result<Response<ListResponse>, Status> {
        let status = |name| status(&self.registry, name, &self.registry.view(name));
        let names = self.registry.names();
        // Another host's sessions are found here as well, or a host with a new name would seem to have none.
        let elsewhere = self.registry.shared.state.elsewhere().iter();
        let mut unknown: Vec<_> = elsewhere.filter(|there| !names.contains(&there.profile)).collect();
        unknown.sort_by(|a, b| a.profile.cmp(&b.profile));
        unknown.dedup_by(|later, first| later.profile == first.profile);
        let unknown = unknown.into_iter().map(adoption::shown);
        let sessions = names.iter().map(status).chain(unknown).collect();
        let default_profile = self.registry.resolve("", "")?.to_string();
        Ok(Response::new(ListResponse { sessions, default_profile }))
    }

    async fn status(&self, request: Request<StatusRequest>) -> Result<Response<SessionStatus>, Status> {
        let asked = request.into_inner();
        let name = self.registry.resolve(&asked.profile, &asked.authority)?;
        let view = self.registry.worker(&name)?.view();
        Ok(Response::new(status(&self.registry, &name, &view)))
    }

    async fn describe(&self, request: Request<DescribeRequest>) -> Result<Response<Description>, Status> {
        let until = until(&request, self.registry.shared.now());
        let (profile, kind, token) = self.subject(request.into_inner(), until).await?;
        let description = self.providers.issuer(&profile, kind).describe(&token).await?;
        Ok(Response::new(convert::description(&description)))
    }

    async fn adopt(&self, request: Request<AdoptRequest>) -> Result<Response<AdoptResponse>, Status> {
        let sessions = adoption::adopt(&self.registry, request.into_inner()).await?;
        Ok(Response::new(AdoptResponse { sessions }))
    }

    async fn use_profile(
        &self,
        request: Request<UseProfileRequest>,
    ) -> Result<Response<UseProfileResponse>, Status> {
        let name = choices::use_profile(&self.registry, &request.into_inner().profile).await?;
        Ok(Response::new(UseProfileResponse { default_profile: name.to_string() }))
    }

    async fn remove_profile(
        &self,
        request: Request<RemoveProfileRequest>,
    ) -> Result<Response<RemoveProfileResponse>, Status> {
        let RemoveProfileRequest { profile, force } = request.into_inner();
        let name: ProfileName = profile.parse().map_err(AgentError::from)?;
        let (signed_out, notes) = naming::remove(&self.registry, name.clone(), force).await?;
        let signed_out = signed_out.map(|result| logout::outcome(&name, result));
        Ok(Response::new(RemoveProfileResponse { signed_out, notes }))
    }

    async fn rename_profile(
        &self,
        request: Request<RenameProfileRequest>,
    ) -> Result<Response<RenameProfileResponse>, Status> {
        let RenameProfileRequest { profile, new_name } = request.into_inner();
        let from: ProfileName = profile.parse().map_err(AgentError::from)?;
        let to: ProfileName = new_name.parse().map_err(AgentError::from)?;
        let notes = naming::rename(&self.registry, from, to.clone()).await?;
        let status = Some(status(&self.registry, &to, &self.registry.ensure(&to).view()));
        Ok(Response::new(RenameProfileResponse { status, notes }))
    }

    async fn list_organizations(
        &self,
        request: Request<ListOrganizationsRequest>,
    ) -> Result<Response<ListOrganizationsResponse>, Status> {
        let until = until(&request, self.registry.shared.now());
        let account = request.into_inner().account.unwrap_or_default();
        Ok(Response::new(self.choices().organizations(account, until).await?))
    }

    async fn choose_organization(
        &self,
        request: Request<ChooseOrganizationRequest>,
    ) -> Result<Response<ChooseResponse>, Status> {
        let until = until(&request, self.registry.shared.now());
        Ok(Response::new(self.choices().choose_organization(request.into_inner(), until).await?))
    }

    async fn list_workspaces(
        &self,
        request: Request<ListWorkspacesRequest>,
    ) -> Result<Response<ListWorkspacesResponse>, Status> {
        let until = until(&request, self.registry.shared.now());
        let account = request.into_inner().account.unwrap_or_default();
        Ok(Response::new(self.choices().workspaces(account, until).await?))
    }

    async fn choose_workspace(
        &self,
        request: Request<ChooseWorkspaceRequest>,
    ) -> Result<Response<ChooseResponse>, Status> {
        let until = until(&request, self.registry.shared.now());
        Ok(Response::new(self.choices().choose_workspace(request.into_inner(), until).await?))
    }
}

impl Sessions {
    fn choices(&self) -> Choices<'_> {
        Choices { registry: &self.registry, issuers: &*self.providers }
    }

    async fn subject(
        &self,
        asked: DescribeRequest,
        until: Moment,
    ) -> Result<(Profile, Kind, AccessToken), AgentError> {
        let name = match asked.subject {
            Some(Subject::InlineToken(token)) => {
                let settings = asked.settings.unwrap_or_default();
                return Ok((target::inline(&settings)?, Kind::Fixed, given::access_token(&token)?));
            }
            Some(Subject::Profile(name)) => name,
            None => String::new(),
        };
        let name = self.registry.resolve(&name, "")?;
        let served = hand_out(&self.registry, &name, Ask::default(), until).await?;
        Ok((served.record.profile.clone(), served.record.kind, served.held.token.clone()))
    }
}
