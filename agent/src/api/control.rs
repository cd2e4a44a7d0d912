//! Service `Control`: information about the agent itself, its checks, reload and shutdown.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use seqera_agent_proto::v1::{
    Assistant, Check, DiagnoseRequest, InfoRequest, InfoResponse, ReloadRequest, ReloadResponse,
    ShutdownRequest, ShutdownResponse, control_server,
};
use tonic::{Request, Response, Status};

use crate::api::convert;
use crate::doctor::Doctor;
use crate::error::{AgentError, ErrorKind};
use crate::providers::known::Providers;
use crate::sessions::askers::Asker;
use crate::sessions::registry::Registry;

/// What the process around the registry can do. `assemble.rs` implements it.
pub(crate) trait Host: Send + Sync {
    /// Version, pid, folders and socket. The service adds the sessions and the problems of the state.
    fn info(&self) -> InfoResponse;
    /// Problems of the process's surroundings (log, lock, core dumps), in words for the user. `info` lists
    /// them too.
    fn met(&self) -> Vec<String>;
    /// The user's login name, or empty if unknown.
    fn user(&self) -> String;
    /// Reads the configuration again and returns its problems.
    fn reload(&self) -> Vec<String>;
    /// Begins a shutdown without waiting for its end.
    fn stop(&self);
}

pub(crate) struct Control {
    pub registry: Arc<Registry>,
    pub providers: Arc<Providers>,
    pub host: Arc<dyn Host>,
}

#[tonic::async_trait]
impl control_server::Control for Control {
    async fn info(&self, _: Request<InfoRequest>) -> Result<Response<InfoResponse>, Status> {
        let mut info = self.host.info();
        info.sessions = u32::try_from(self.registry.sessions()).unwrap_or(u32::MAX);
        info.leases = u32::try_from(self.registry.shared.leases.book.count()).unwrap_or(u32::MAX);
        info.store = self.registry.shared.ladder.current_kind().as_str().to_owned();
        info.assistants = self.registry.shared.askers.list().into_iter().map(assistant).collect();
        info.problems.extend(self.registry.shared.state.problems());
        Ok(Response::new(info))
    }

    type DiagnoseStream = Pin<Box<dyn Stream<Item = Result<Check, Status>> + Send>>;

    async fn diagnose(
        &self,
        request: Request<DiagnoseRequest>,
    ) -> Result<Response<Self::DiagnoseStream>, Status> {
        let doctor = Doctor {
            registry: Arc::clone(&self.registry),
            providers: Arc::clone(&self.providers),
            info: self.host.info(),
            surroundings: self.host.met(),
            user: self.host.user(),
        };
        Ok(Response::new(Box::pin(doctor.examine(request.into_inner()).map(Ok))))
    }

    async fn reload(&self, _: Request<ReloadRequest>) -> Result<Response<ReloadResponse>, Status> {
        Ok(Response::new(ReloadResponse { problems: self.host.reload() }))
    }

    async fn shutdown(
        &self,
        request: Request<ShutdownRequest>,
    ) -> Result<Response<ShutdownResponse>, Status> {
        let only_here = self.registry.only_in_memory();
        if !only_here.is_empty() && !request.into_inner().force {
            let names: Vec<_> = only_here.iter().map(|name| format!("'{name}'")).collect();
            let what = format!("stopping would lose what is only in memory: {}", names.join(", "));
            let hint = "sign out first, fix the store, wait for pending revocations, or stop with --force";
            return Err(AgentError::new(ErrorKind::StoreFailed, what, hint).into());
        }
        self.host.stop();
        let leases = u32::try_from(self.registry.shared.leases.book.count()).unwrap_or(u32::MAX);
        Ok(Response::new(ShutdownResponse { leases }))
    }
}

fn assistant(asker: Asker) -> Assistant {
    let last_asked_at = Some(convert::unix(asker.last));
    Assistant { name: asker.name, calls: asker.calls, last_asked_at }
}
