//! `$(seqera token)` with no agent running: the client starts one, which reads the session and renews the token.

use seqera_tests::wait::Stopwatch;
use serde_json::{Value, json};

use super::contestants::{Field, OWN};
use super::figures::Spread;
use super::whole::once;
use crate::report::line;

const ROUNDS: usize = 30;

pub(super) fn measure(field: &mut Field) -> Value {
    let own = field.find(OWN).expect("this project takes part");
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        field.home.seqera("agent stop --force").run().ok();
        cold.push(once(own).as_secs_f64() * 1e3);
        warm.push(once(own).as_secs_f64() * 1e3);
    }
    let (millis, ratio) = (Spread::of(cold.iter().copied()), Spread::of_ratios(&cold, &warm));
    line(&format!("{millis} ms, a renewal at a provider on this machine included; {ratio} × with an agent"));
    let mut login = Vec::new();
    for _ in 0..ROUNDS {
        let watch = Stopwatch::start();
        field.home.seqera("agent restart").run().ok();
        login.push(watch.elapsed().as_secs_f64() * 1e3);
    }
    line(&format!("{} ms for 'seqera agent restart'", Spread::of(login.iter().copied())));
    json!({"millis": millis.json(), "ratio": ratio.json()})
}
