//! Puts the core together from real parts: stores, providers, registry, services. One place, no decisions.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use prost_types::Timestamp;
use seqera_agent_proto::PROTOCOL;
use seqera_agent_proto::place::Places;
use seqera_agent_proto::v1::InfoResponse;

use crate::api;
use crate::api::control::Host;
use crate::clock::{Clock, SystemClock};
use crate::error::AgentError;
use crate::leases::Leases;
use crate::leases::book::{self, TokenSource};
use crate::leases::program::WatchedPrograms;
use crate::process::config::home;
use crate::process::crash::crash_point;
use crate::process::house::Core;
use crate::process::predecessor::Neighbours;
use crate::process::run::{Parts, Wiring};
use crate::process::successor::Unfinished;
use crate::process::system;
use crate::profile::ProfileName;
use crate::providers::http::{Http, Limits};
use crate::providers::known::Providers;
use crate::sessions::askers::Askers;
use crate::sessions::pending::Pending;
use crate::sessions::registry::Registry;
use crate::sessions::rename;
use crate::sessions::shared::Shared;
use crate::sign_in::logins::Logins;
use crate::storage::ladder::Ladder;
use crate::storage::passwords::ProxyPasswords;
use crate::storage::state::State;

/// The core of a real agent.
///
/// # Errors
/// None today; the process is told of a failure by this way.
pub(crate) async fn assemble(wiring: Wiring) -> Result<Parts, AgentError> {
    let config = Arc::clone(&wiring.config);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new(config.clock_offset.clone()));
    let home = home();
    let state = State::open(&config.places);
    // Secrets lie where they always did, under an id that this host may have had before.
    let kept_under = Places { host_id: state.host(), ..config.places.clone() };
    let ladder = Ladder::open(config.store.value, &kept_under, home.as_deref());
    let ladder = Arc::new(ladder.without_files(config.site.policy.no_files.is_some()));
    let passwords = Arc::new(ProxyPasswords::new(state.clone(), Arc::clone(&ladder)));
    let http = Http::new(Arc::clone(&clock), Limits::default());
    let http = http.with(passwords.clone(), wiring.limits.total.logins);
    let providers = Arc::new(Providers::new(http, Arc::clone(&clock)));
    let leases = Leases::new(book::Parts {
        state: state.clone(),
        ladder: Arc::clone(&ladder),
        clock: Arc::clone(&clock),
        passwords: Arc::clone(&passwords),
        mints: Arc::clone(&providers) as Arc<dyn crate::leases::mint::Mints>,
        programs: Arc::new(WatchedPrograms::new(wiring.limits.programs)),
        host: kept_under.host_id,
        owner: (config.user.clone(), system::host_name()),
        longest: config.site.longest_lease(),
        crash: crash_point,
    });
    let due_changed = Arc::default();
    let shared = Arc::new(Shared {
        askers: Askers::default(),
        places: config.places.clone(),
        issuers: Arc::clone(&providers) as Arc<dyn crate::providers::Issuers>,
        ladder,
        passwords,
        state,
        store_source: config.store.source.to_string(),
        site: Arc::clone(&config.site),
        leases,
        pending: Pending::new(Arc::clone(&clock), Arc::clone(&due_changed)),
        due_changed,
        crash: crash_point,
        ownership: Arc::clone(&wiring.ownership) as Arc<dyn crate::sessions::shared::Ownership>,
        other_hosts: Arc::new(Neighbours(config.places.clone())),
        clock: Arc::clone(&clock),
    });
    rename::finish(&shared).await;
    let logins = Logins::new(Arc::clone(&clock), wiring.limits.total.logins);
    let registry = Registry::start(Arc::clone(&shared), logins, config.profiles.clone());
    tokio::spawn(Arc::clone(&registry).tick());
    tokio::spawn(shared.pending.clone().run());
    shared.leases.resume(&(Arc::clone(&registry) as Arc<dyn TokenSource>));
    let started_at = Timestamp::from(clock.now().wall);
    let problems = ArcSwap::from_pointee(config.problems.clone());
    let process = Arc::new(Process { registry: Arc::clone(&registry), wiring, started_at, problems });
    let host: Arc<dyn Host> = Arc::clone(&process) as Arc<dyn Host>;
    let routes = api::routes(registry, providers, host, home.as_deref());
    Ok(Parts { routes, core: process })
}

/// The agent as `Control` and `run` see it.
struct Process {
    registry: Arc<Registry>,
    wiring: Wiring,
    started_at: Timestamp,
    /// What is wrong with the configuration as it was read last.
    problems: ArcSwap<Vec<String>>,
}

impl Process {
    fn reread(&self) -> Vec<String> {
        let problems = match self.wiring.config.reread() {
            Ok(config) => {
                self.registry.reload(config.profiles);
                config.problems
            }
            Err(error) => vec![error.to_string()],
        };
        self.problems.store(Arc::new(problems.clone()));
        problems
    }
}

impl Host for Process {
    fn info(&self) -> InfoResponse {
        let config = &self.wiring.config;
        let no_files = config.site.policy.no_files.as_ref().map(|set| set.file.display().to_string());
        InfoResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            protocol: PROTOCOL,
            pid: std::process::id(),
            started_at: Some(self.started_at),
            config_dir: config.places.config_dir.display().to_string(),
            host_id: config.places.host_id.clone(),
            socket: self.wiring.socket.borrow().display().to_string(),
            dumpable: config.flags.dumpable,
            log: config.log.file(),
            settings: config.settings(),
            namespaces: Some(system::namespaces()),
            of_service_manager: config.of_service_manager(),
            no_files: no_files.unwrap_or_default(),
            problems: self.problems.load().iter().cloned().chain(self.met()).collect(),
            ..InfoResponse::default()
        }
    }

    fn met(&self) -> Vec<String> {
        let successor = self.wiring.successor.borrow().clone();
        self.wiring.config.met.iter().cloned().chain(successor).collect()
    }

    fn user(&self) -> String {
        self.wiring.config.user.clone()
    }

    fn reload(&self) -> Vec<String> {
        self.reread()
    }

    fn stop(&self) {
        self.wiring.stop.begin("a client asked for it");
    }
}

#[async_trait]
impl Core for Process {
    fn idle(&self) -> bool {
        self.registry.idle()
    }

    fn unfinished(&self) -> Unfinished {
        let words = |names: Vec<ProfileName>| names.iter().map(ToString::to_string).collect();
        Unfinished {
            in_memory: words(self.registry.only_in_memory()),
            failing: words(self.registry.hard_to_replace()),
            signing_in: !self.registry.logins.names().is_empty(),
            at_work: self.registry.at_work(),
        }
    }

    async fn round(&self) {
        self.registry.ticked().await;
    }

    async fn reload(&self) {
        for problem in self.reread() {
            tracing::warn!(problem, "configuration");
        }
    }

    async fn drain(&self, limit: Duration) {
        self.registry.drain(limit).await;
    }
}
