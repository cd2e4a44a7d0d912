//! Nextflow as a peer: the program itself, from Maven Central, on a pipeline of our own.

use std::path::PathBuf;
use std::time::Duration;

use crate::{Home, Invocation, Run, binaries, skip};

/// How it comes to this machine; the script needs Java and Maven.
pub const REMEDY: &str = "sh tests/peers/nextflow/install.sh";

/// A Java program that compiles its pipeline, on a machine that is busy with other tests.
const LIMIT: Duration = Duration::from_secs(170);

/// Where its scripts lie.
pub fn folder() -> PathBuf {
    binaries::workspace().join("tests/peers/nextflow")
}

/// True where its libraries are.
pub fn is_installed() -> bool {
    let file = |path: PathBuf| std::fs::read(path).ok();
    let wanted = file(folder().join("pom.xml"));
    wanted.is_some() && wanted == file(installed().join("installed"))
}

fn installed() -> PathBuf {
    binaries::workspace().join("target/peers/nextflow")
}

/// `seqera exec ARGS -- nextflow run` of the pipeline in a home. Skips the running test where something is
/// missing.
#[track_caller]
pub fn under_exec(home: &Home, args: &str) -> Option<Invocation> {
    if !skip::have(&["java", "curl", "bash"], "apt-get install default-jre-headless curl") {
        return None;
    }
    if !is_installed() {
        skip::skip(&format!("Nextflow is missing ({REMEDY})"));
        return None;
    }
    let program = [folder().join("nextflow"), "run".into(), folder().join("main.nf")];
    let run = home.seqera(&format!("exec {args} --")).args(program);
    Some(
        run.env("NEXTFLOW_LIB", installed().join("lib"))
            .env("NXF_PLUGINS_DIR", folder().join("plugins"))
            .env("NXF_OFFLINE", "true")
            .env("NXF_ANSI_LOG", "false")
            .limit(LIMIT),
    )
}

/// Who Nextflow was at the Platform, and who its task was.
#[track_caller]
pub fn identities(run: &Run) -> (&str, &str) {
    let after = |start| run.stdout.lines().find_map(|line| line.strip_prefix(start));
    match (after("nextflow is "), after("the task is ")) {
        (Some(itself), Some(task)) => (itself, task),
        _ => panic!("not told:\n{}{}", run.stdout, run.stderr),
    }
}
