//! The agent's half of `seqera agent doctor`.

use seqera_agent_proto::methods::control;
use seqera_agent_proto::v1;

use crate::client::Client;
use crate::error::Error;
use crate::route::Call;
use crate::stream::Events;

impl Client {
    /// Checks everything that sign-in and renewal depend on; each result comes as soon as it is known. The
    /// profile in the options is checked with these settings, every other one with its own. With `repair`,
    /// files that cannot be read are set aside.
    pub async fn diagnose(
        &self,
        settings: v1::ProfileSettings,
        repair: bool,
    ) -> Result<Events<v1::Check>, Error> {
        let message = v1::DiagnoseRequest { repair, profile: self.profile(), settings: Some(settings) };
        self.route.open(Call::open_ended(), control::DIAGNOSE, message).await
    }
}
