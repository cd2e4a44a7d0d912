//! From one profile to ten thousand: what a call takes, and what a profile costs. The records are copies of one real
//! session, and the agent starts with them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use seqera_tests::sandbox::ADA;
use seqera_tests::{Home, Sandbox};
use serde_json::{Map, Value, json};

use super::contestants::Field;
use super::figures::Spread;
use super::memory::Memory;
use super::warm::{Calls, example};
use crate::report::table;

const PROFILES: [usize; 4] = [1, 100, 1000, 10_000];
const ROUNDS: usize = 5;
const CALLS: &str = "1000";

pub(super) fn measure(_: &mut Field) -> Value {
    let sandbox = Sandbox::start(&json!({"access_lifetime": 86_400}));
    let warm = example("warm");
    let homes = PROFILES.map(|count| (count, home(&sandbox, count)));
    let mut times: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for _ in 0..ROUNDS {
        for (count, home) in &homes {
            let mut command = std::process::Command::new(&warm);
            command.arg(CALLS).env_clear().envs(home.environment());
            times.entry(*count).or_default().push(Calls::of(&mut command).median / 1e3);
        }
    }
    let own = |home: &Home| Memory::of(home.agent_pid().expect("the agent runs")).unwrap_or_default().own;
    let (base, alone) = (times[&1].clone(), own(&homes[0].1));
    let (mut rows, mut results) = (Vec::new(), Map::new());
    for (count, home) in &homes {
        let (ratio, own) = (Spread::of_ratios(&times[count], &base), own(home));
        let micros = Spread::of(times[count].iter().copied()).median;
        let of_each = own.saturating_sub(alone) as f64 / (count - 1).max(1) as f64;
        rows.push((
            format!("{count} profiles"),
            format!("{ratio} × one profile, {micros:.1} µs; {own} KiB, {of_each:.2} for each profile"),
        ));
        let result =
            json!({"ratio": ratio.json(), "micros": micros, "anonymous_kib": own, "kib_a_profile": of_each});
        // With leading zeros, so that they stand in order.
        results.insert(format!("{count:05}"), result);
    }
    table(&rows);
    results.into()
}

/// A home whose agent runs with so many profiles, the first of which has a token.
fn home(sandbox: &Sandbox, count: usize) -> Home {
    let home = Home::new();
    home.login("default", sandbox, ADA);
    home.stop_agent(home.agent_pid().expect("the agent runs"));
    let path = records(&home);
    let text = std::fs::read_to_string(&path).expect("the agent has written its records");
    let mut records: Value = serde_json::from_str(&text).expect("JSON");
    let profiles = records["profiles"].as_object_mut().expect("the profiles");
    let one = profiles["default"].clone();
    profiles.extend((1..count).map(|number| (format!("p{number}"), one.clone())));
    std::fs::write(&path, records.to_string()).expect("the file is ours");
    home.seqera("agent start").run().ok();
    home.token("default");
    home
}

fn records(home: &Home) -> PathBuf {
    let hosts = std::fs::read_dir(home.config_dir().join("run")).expect("the folder of the agents");
    let mut files = hosts.flatten().map(|host| host.path().join("sessions.json"));
    files.find(|file| file.exists()).expect("the agent has written its records")
}
