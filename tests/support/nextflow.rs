//! Nextflow as a peer: the real program, from Maven Central, with a pipeline of our own.

use std::path::PathBuf;
use std::time::Duration;

use crate::{Home, Invocation, Run, binaries, skip};

/// How to install it. The script needs Java and Maven.
pub const REMEDY: &str = "sh tests/peers/nextflow/install.sh";

/// It is a Java program that compiles its pipeline, on a machine that is busy with other tests.
const LIMIT: Duration = Duration::from_secs(170);

/// Where its scripts are.
pub fn folder() -> PathBuf {
    binaries::workspace().join("tests/peers/nextflow")
}

/// Whether its libraries are installed.
pub fn is_installed() -> bool {
    let file = |path: PathBuf| std::fs::read(path).ok();
    let wanted = file(folder().join("pom.xml"));
    wanted.is_some() && wanted == file(installed().join("installed"))
}

fn installed() -> PathBuf {
    binaries::workspace().join("target/peers/nextflow")
}

/// `seqera exec ARGS -- nextflow run` with the pipeline, in a home. Skips the running test if something is
/// missing.
#[track_caller]
pub fn under_exec(home: &Home, args: &str) -> Option<Invocation> {
    let [program, words @ ..] = command()?;
    Some(prepared(home.seqera(&format!("exec {args} --")).args([program]).args(words)))
}

/// `nextflow run` with the pipeline, without a token in its environment. Skips like [`under_exec`].
#[track_caller]
pub fn alone(home: &Home) -> Option<Invocation> {
    let [program, words @ ..] = command()?;
    Some(prepared(home.program(program).args(words)))
}

#[track_caller]
fn command() -> Option<[PathBuf; 3]> {
    if !skip::have(&["java", "curl", "bash"], "apt-get install default-jre-headless curl") {
        return None;
    }
    if !is_installed() {
        skip::skip(&format!("Nextflow is missing ({REMEDY})"));
        return None;
    }
    Some([folder().join("nextflow"), "run".into(), folder().join("main.nf")])
}

fn prepared(run: Invocation) -> Invocation {
    run.env("NEXTFLOW_LIB", installed().join("lib"))
        .env("NXF_PLUGINS_DIR", folder().join("plugins"))
        .env("NXF_OFFLINE", "true")
        .env("NXF_ANSI_LOG", "false")
        .limit(LIMIT)
}

/// The users that Nextflow and its task were at the Platform.
#[track_caller]
pub fn identities(run: &Run) -> (&str, &str) {
    let after = |start| run.stdout.lines().find_map(|line| line.strip_prefix(start));
    match (after("nextflow is "), after("the task is ")) {
        (Some(itself), Some(task)) => (itself, task),
        _ => panic!("not told:\n{}{}", run.stdout, run.stderr),
    }
}
