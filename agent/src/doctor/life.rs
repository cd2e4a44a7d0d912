//! How long the agent lives: a login or a batch job that ends may take along every process of its control group.

use seqera_agent_proto::v1::Check;

use super::report::{in_time, ok, warning};

const NAME: &str = "lifetime";
const CGROUP: &str = "/proc/self/cgroup";

/// How control groups of batch systems are called.
const JOBS: [&str; 7] = ["/slurm", "/job", "/pbs", "/lsf", "/sge", "/htcondor", "/flux"];

/// `None` where the system has no control groups.
pub(super) async fn examine() -> Option<Check> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let groups = in_time(|| std::fs::read_to_string(CGROUP).ok()).await??;
    Some(check(group(&groups)?))
}

/// The group that the service manager made, in either version of control groups.
fn group(groups: &str) -> Option<&str> {
    let of = |wanted: &str| {
        groups.lines().find_map(|line| {
            let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
            (controllers == wanted).then_some(path)
        })
    };
    of("").filter(|path| *path != "/").or_else(|| of("name=systemd")).or_else(|| of(""))
}

fn check(group: &str) -> Check {
    const APART: &str = "where there is a user manager, 'systemctl --user enable --now seqera-agent.socket' has the \
                         agent started apart; after it has ended the next command starts another";
    let last = group.rsplit('/').next().unwrap_or_default();
    if group.contains("/user@") {
        return ok(NAME, "the user's service manager keeps it, and ends it when it ends itself");
    }
    if JOBS.iter().any(|sign| group.to_ascii_lowercase().contains(sign)) {
        return warning(NAME, format!("it may end with the batch job that started it ({group})"), APART);
    }
    if last.starts_with("session-") {
        return ok(
            NAME,
            format!("no service manager keeps it: it may end with the login that started it ({last})"),
        );
    }
    ok(NAME, "it belongs to no login and to no batch job")
}

#[cfg(test)]
mod tests {
    use seqera_agent_proto::v1::check::Verdict;

    use super::*;

    fn found(groups: &str) -> (Verdict, String) {
        let check = check(group(groups).unwrap());
        (check.verdict(), check.text)
    }

    #[test]
    fn an_agent_that_ends_with_a_login_or_a_job_is_told_with_its_name() {
        let (_, text) = found("0::/user.slice/user-1000.slice/session-4.scope\n");
        assert!(text.contains("(session-4.scope)"), "{text}");
        for job in [
            "0::/system.slice/slurmstepd.scope/job_123/step_0/user/task_0\n",
            "12:pids:/x\n1:name=systemd:/slurm/uid_1000/job_7/step_batch\n",
            "0::/pbspro.slice/pbspro-17.server.slice\n",
        ] {
            let (verdict, text) = found(job);
            assert!(verdict == Verdict::Warning && text.contains("batch job"), "{text}");
        }
    }

    #[test]
    fn one_of_the_users_manager_lives_as_long_as_that() {
        let groups = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/seqera-agent-7.scope\n";
        assert!(found(groups).1.contains("service manager keeps it"));
        assert!(found("0::/\n").1.contains("no login"));
        assert_eq!(group(""), None);
    }
}
