//! Service `Imports`: takes over sign-ins that other programs have left behind.

use std::sync::Arc;

use seqera_agent_proto::v1::{
    FindImportsRequest, FindImportsResponse, TakeImportRequest, TakeImportResponse, imports_server,
};
use tonic::{Request, Response, Status};

use crate::api::status::status;
use crate::api::wishes;
use crate::sessions::registry::Registry;

pub(crate) struct Imports {
    pub registry: Arc<Registry>,
    pub imports: Arc<crate::imports::Imports>,
}

#[tonic::async_trait]
impl imports_server::Imports for Imports {
    async fn find(
        &self,
        request: Request<FindImportsRequest>,
    ) -> Result<Response<FindImportsResponse>, Status> {
        Ok(Response::new(self.imports.find(request.into_inner()).await?))
    }

    async fn take(
        &self,
        request: Request<TakeImportRequest>,
    ) -> Result<Response<TakeImportResponse>, Status> {
        wishes::keeps_where_asked(request.metadata(), &self.registry.shared)?;
        let taken = Arc::clone(&self.imports).take(request.into_inner()).await?;
        let status = status(&self.registry, &taken.profile, &self.registry.ensure(&taken.profile).view());
        Ok(Response::new(TakeImportResponse { status: Some(status), notes: taken.notes }))
    }
}
