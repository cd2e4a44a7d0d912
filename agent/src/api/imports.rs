//! Service `Imports`: sign-ins that other programs have left.

use std::sync::Arc;

use seqera_agent_proto::v1::imports_server;
use seqera_agent_proto::v1::{
    FindImportsRequest, FindImportsResponse, TakeImportRequest, TakeImportResponse,
};
use tonic::{Request, Response, Status};

/// The service.
pub(crate) struct Imports(pub Arc<crate::imports::Imports>);

#[tonic::async_trait]
impl imports_server::Imports for Imports {
    async fn find(
        &self,
        request: Request<FindImportsRequest>,
    ) -> Result<Response<FindImportsResponse>, Status> {
        Ok(Response::new(self.0.find(request.into_inner()).await?))
    }

    async fn take(
        &self,
        request: Request<TakeImportRequest>,
    ) -> Result<Response<TakeImportResponse>, Status> {
        Ok(Response::new(Arc::clone(&self.0).take(request.into_inner()).await?))
    }
}
