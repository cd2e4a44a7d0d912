//! A life of the agent's own: the control group of a login or of a batch job ends every process in it, and the agent
//! was started by whoever came first. Where the user has a service manager, the launcher asks it for a scope
//! (`systemd.scope(5)`, as `systemd-run --user --scope` does). Elsewhere the agent stays where it is, and doctor
//! tells.

use std::path::PathBuf;
use std::time::Duration;

use zbus::zvariant::{ObjectPath, Value};
use zbus::{Address, Connection};

use crate::process::config::environment;
use crate::session_bus::OwnBus;

const MANAGER: &str = "org.freedesktop.systemd1";

/// A manager that is there answers in milliseconds, and somebody waits for the agent.
const LIMIT: Duration = Duration::from_secs(2);

/// Moves a process into a scope of its own. True where that was done.
pub(crate) async fn give(process: u32) -> bool {
    let asked = async {
        for bus in buses() {
            if let Ok(connection) = connect(&bus).await
                && ask(&connection, process).await.is_ok()
            {
                return true;
            }
        }
        false
    };
    tokio::time::timeout(LIMIT, asked).await.unwrap_or(false)
}

/// The user's bus by its place, since a shell may have one of its own, and the one that the environment names.
fn buses() -> Vec<String> {
    let runtime = environment("XDG_RUNTIME_DIR").map(PathBuf::from);
    let uid = rustix::process::getuid().as_raw();
    let runtime = runtime.unwrap_or_else(|| PathBuf::from(format!("/run/user/{uid}")));
    let by_place = Some(runtime.join("bus")).filter(|bus| bus.exists());
    let by_name = environment("DBUS_SESSION_BUS_ADDRESS").and_then(|address| address.into_string().ok());
    by_place.map(|bus| format!("unix:path={}", bus.display())).into_iter().chain(by_name).collect()
}

/// Only to a bus of this user: another one's would say that it had done as it was asked.
async fn connect(address: &str) -> zbus::Result<Connection> {
    let address: Address = address.parse()?;
    let own = OwnBus::at(&address).map_err(|error| zbus::Error::Address(error.to_string()))?;
    let connection = zbus::connection::Builder::address(address)?.build().await;
    drop(own);
    connection
}

async fn ask(bus: &Connection, process: u32) -> zbus::Result<()> {
    let name = format!("seqera-agent-{process}.scope");
    let properties: Vec<(&str, Value<'_>)> = vec![
        ("Description", Value::from("Seqera credential agent")),
        ("PIDs", Value::from(vec![process])),
        ("Slice", Value::from("app.slice")),
        // A scope that was ended by force is forgotten, too.
        ("CollectMode", Value::from("inactive-or-failed")),
    ];
    let no_others: Vec<(&str, Vec<(&str, Value<'_>)>)> = Vec::new();
    let body = (name.as_str(), "fail", properties, no_others);
    let path = ObjectPath::from_static_str("/org/freedesktop/systemd1")?;
    let interface = Some("org.freedesktop.systemd1.Manager");
    bus.call_method(Some(MANAGER), path, interface, "StartTransientUnit", &body).await.map(drop)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};
    use std::sync::{Arc, Mutex};

    use zbus::zvariant::{OwnedObjectPath, OwnedValue};

    use super::*;

    /// A bus of its own, which ends with the test.
    struct Bus(Child, String);

    impl Bus {
        fn start() -> Option<Self> {
            let mut daemon = Command::new("dbus-daemon");
            daemon.args(["--session", "--nofork", "--print-address"]).stdout(Stdio::piped());
            let mut daemon = daemon.spawn().ok()?;
            let mut address = String::new();
            BufReader::new(daemon.stdout.take()?).read_line(&mut address).ok()?;
            Some(Self(daemon, address.trim().to_owned()))
        }
    }

    impl Drop for Bus {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    type Asked = Arc<Mutex<Vec<(String, String, Vec<u32>)>>>;

    /// Stands in for the service manager.
    struct Manager(Asked);

    #[zbus::interface(name = "org.freedesktop.systemd1.Manager")]
    impl Manager {
        fn start_transient_unit(
            &self,
            name: String,
            mode: String,
            properties: Vec<(String, OwnedValue)>,
            _others: Vec<(String, Vec<(String, OwnedValue)>)>,
        ) -> OwnedObjectPath {
            let pids = properties.into_iter().find(|(name, _)| name == "PIDs").map(|(_, pids)| pids);
            let pids = pids.and_then(|pids| Vec::<u32>::try_from(pids).ok()).unwrap_or_default();
            self.0.lock().unwrap().push((name, mode, pids));
            OwnedObjectPath::try_from("/org/freedesktop/systemd1/job/1").unwrap()
        }
    }

    #[tokio::test]
    async fn the_users_manager_is_asked_for_a_scope_with_the_process_in_it() {
        let Some(bus) = Bus::start() else {
            eprintln!("skipped: dbus-daemon is not installed");
            return;
        };
        let ours = connect(&bus.1).await.unwrap();
        assert!(ask(&ours, 7).await.is_err(), "nobody manages anything on this bus");
        let asked = Asked::default();
        let manager = zbus::connection::Builder::address(bus.1.as_str()).unwrap();
        let manager = manager.serve_at("/org/freedesktop/systemd1", Manager(Arc::clone(&asked))).unwrap();
        let _manager = manager.name(MANAGER).unwrap().build().await.unwrap();
        ask(&ours, 7).await.unwrap();
        let expected = ("seqera-agent-7.scope".to_owned(), "fail".to_owned(), vec![7]);
        assert_eq!(*asked.lock().unwrap(), [expected]);
    }

    #[tokio::test]
    async fn a_bus_that_is_not_there_keeps_nobody_waiting() {
        assert!(connect("unix:path=/no/such/bus").await.is_err());
        assert!(connect("autolaunch:").await.is_err());
    }
}
