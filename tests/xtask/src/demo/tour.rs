//! The steps of the demo. Each step proves its claim; if a claim does not hold, the demo panics.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use seqera_tests::wait::Stopwatch;
use seqera_tests::{Running, eventually};

use super::{LIFETIME, PEOPLE, Stage, caller};
use crate::report::{line, seconds, step, table, waiting};

const CALLERS: usize = 100;

/// A renewal for `--min-valid` begins only when the token in memory is older than this.
const OLD_ENOUGH: Duration = Duration::from_millis(10_500);

/// The whole demo.
pub(crate) fn tour() {
    let watch = Stopwatch::start();
    let stage = Stage::build();
    let mut rows = Vec::new();
    for (number, (title, act)) in ACTS.iter().enumerate() {
        step(number + 1, ACTS.len(), title);
        rows.push(((*title).to_owned(), act(&stage)));
    }
    println!("\nall of it took {}\n", seconds(watch.elapsed()));
    table(&rows);
}

type Act = (&'static str, fn(&Stage) -> String);

const ACTS: [Act; 6] = [
    ("two profiles are signed in, the first command starts the agent", sign_in),
    ("100 commands ask at once across a renewal", many_callers),
    ("a scheduled renewal, with nobody asking", scheduled_renewal),
    ("a program calls the API with the token", run_a_program),
    ("a token in a script", token_in_a_script),
    ("everybody signs out, and nothing is left", sign_out),
];

fn sign_in(stage: &Stage) -> String {
    line(&format!("the sandbox serves at {}; access tokens live {LIFETIME} s there", stage.sandbox.url));
    for (profile, user) in PEOPLE {
        stage.login(profile, user);
    }
    stage.show("status --profile work").ok();
    let alive = stage.sandbox.count("tokens_alive");
    assert_eq!(alive, 2, "each profile holds a refresh token");
    format!("{alive} sessions at the sandbox")
}

fn many_callers(stage: &Stage) -> String {
    let renewed = || stage.sandbox.count("refreshes");
    let young = stage.home.token("work");
    let watch = Stopwatch::start();
    waiting("the token gets old enough to be worth a renewal", || {
        eventually(OLD_ENOUGH * 2, "time goes by", || (watch.elapsed() >= OLD_ENOUGH).then_some(()));
    });
    let before = renewed();
    // Longer than the token has left, so that everybody has to wait for a new one.
    let command = format!("token --profile work --min-valid {}s", LIFETIME - 5);
    line(&format!("$ seqera {command}      ({CALLERS} times at once)"));
    let tokens: BTreeSet<String> = waiting("all are answered", || {
        let callers: Vec<Running> = (0..CALLERS).map(|_| stage.home.seqera(&command).start()).collect();
        let runs = callers.into_iter().map(|caller| caller.finish(Duration::from_secs(60)).ok());
        runs.map(|run| run.line().to_owned()).collect()
    });
    let renewals = renewed() - before;
    assert_eq!(renewals, 1, "one renewal serves all callers");
    assert_eq!(tokens.len(), 1, "all callers get the same token");
    assert!(!tokens.contains(&young), "the token is a new one");
    line("the sandbox revokes the whole session when a refresh token is used twice: it did not have to");
    format!("{CALLERS} tokens handed out, {renewals} renewal at the sandbox")
}

fn scheduled_renewal(stage: &Stage) -> String {
    let before = stage.sandbox.count("refreshes");
    waiting("the sandbox sees a renewal", || {
        let limit = Duration::from_secs(u64::from(LIFETIME));
        eventually(limit, "a renewal", || (stage.sandbox.count("refreshes") > before).then_some(()));
    });
    stage.show("status --profile private").ok();
    "renewed before the token expired".to_owned()
}

fn run_a_program(stage: &Stage) -> String {
    let program = caller();
    let words: Vec<String> = program.iter().map(|word| quoted(word)).collect();
    line(&format!("$ seqera exec --profile work -- {}", words.join(" ")));
    let run = stage.home.seqera("exec --profile work --").args(&program).run().ok();
    line(&format!("  {}", run.line()));
    let (_, user) = PEOPLE[0];
    assert!(run.stdout.contains(user), "the Platform names the user of the token");
    format!("the Platform answers for {user}")
}

/// The words as one would type them in a shell.
fn quoted(word: &str) -> String {
    if word.contains(' ') { format!("'{}'", word.replace('\'', "\"")) } else { word.to_owned() }
}

fn token_in_a_script(stage: &Stage) -> String {
    line("$ out=$(seqera token --profile private); echo ${#out} characters");
    let run = stage.home.shell("out=$(seqera token --profile private); echo ${#out} characters").run().ok();
    line(&format!("  {}", run.line()));
    run.line().to_owned()
}

fn sign_out(stage: &Stage) -> String {
    let tokens = PEOPLE.map(|(profile, _)| stage.home.token(profile));
    stage.show("logout --all").ok();
    let alive = (stage.sandbox.count("tokens_alive"), stage.sandbox.count("access_alive"));
    line(&format!("sandbox: {} refresh tokens and {} access tokens are alive", alive.0, alive.1));
    assert_eq!(alive, (0, 0), "the sandbox knows no living token");
    for token in &tokens {
        assert_eq!(stage.sandbox.user_info(token).status, 401, "a revoked token is refused");
    }
    let files = files_below(stage.home.root());
    let leaks = files.iter().filter(|file| {
        let text = fs::read(file).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        tokens.iter().any(|token| text.contains(token)) || file.to_string_lossy().contains("refresh-token.")
    });
    assert_eq!(leaks.count(), 0, "no file holds a secret");
    line(&format!("{} files in the home: none is or holds a token", files.len()));
    stage.show("token --profile work").fails_with(3);
    let status = stage.show("agent status -o json").ok().json();
    assert_eq!(status["sessions"], 0, "the agent has no session in memory");
    stage.show("agent stop").ok();
    "0 tokens alive at the sandbox, no secret in any file".to_owned()
}

fn files_below(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let below = |path: std::path::PathBuf| match path.symlink_metadata() {
        Ok(data) if data.is_dir() => files_below(&path),
        Ok(data) if data.is_file() => vec![path],
        _ => Vec::new(),
    };
    entries.flat_map(below).collect()
}
