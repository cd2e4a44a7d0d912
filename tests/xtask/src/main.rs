//! The project's tasks: `cargo xtask demo` shows what the agent does, `cargo xtask test` runs every check.

mod bench;
mod checks;
mod contract;
mod demo;
mod dist;
mod documented;
mod man;
mod mutants;
mod node;
mod peers;
mod python;
mod report;
mod systems;
mod test;
mod versions;
mod wings;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <task>

  demo          sign in, renew, hand out tokens and sign out, against the sandbox; about a minute
  demo --shell  leave you in a shell where `seqera` works against the sandbox
  test          run every check and test; names what is missing and what was skipped
  peers         run the tests with real providers, a real keychain and a real browser only
  wings         say which file imports another against the order of the wings, or in a circle
  dist          build what a release consists of into target/dist, check it, and write CHECKED.md there
                [--target T]…: for these targets; x86_64-unknown-linux-musl if none is named
                [--built T]…: with programs of T that are in target/dist/T already, such as from a Mac
                [--programs]: only the programs; [--sign KEY]: sign the sums with this key of ssh-keygen
  reproduce     build the programs from two clones in two folders and compare them
  versions      use the programs of the last tag, or of the commit before this one, with those of now, in
                both directions [COMMIT: with those of this commit]
  record        record the terminal session that the README shows
  bench         measure this project beside a floor and other agents, which are installed if they can be
                [size|whole|warm|herd|memory|start|crowd|grow] [--json]; everything takes eight minutes,
                and --keep then writes the page and the pictures in tests/bench
  man           write the manual pages into target/man
  mutants       change the code that keeps sessions line by line and say what no test notices; hours
";

/// What the command line asks for.
#[derive(Debug, PartialEq)]
enum Task {
    Demo { shell: bool },
    UserInfo,
    Test,
    Peers,
    Wings,
    Bench(bench::Wish),
    Burst(Vec<String>),
    Dist(dist::Wish),
    Reproduce,
    Versions(Option<String>),
    Record,
    Man,
    Mutants,
    Help,
}

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| eprintln!("\nfailed: {}", message(panic.payload()))));
    match parse(lexopt::Parser::from_env()) {
        Ok(Task::Demo { shell: false }) => demo::tour(),
        Ok(Task::Demo { shell: true }) => demo::shell(),
        Ok(Task::Bench(wish)) => bench::bench(&wish),
        Ok(Task::Burst(words)) => bench::hold_burst(&words),
        Ok(Task::Dist(wish)) => dist::dist(wish),
        Ok(Task::Reproduce) => dist::reproduce(),
        Ok(Task::Versions(commit)) => versions::compare(commit.as_deref()),
        Ok(Task::Record) => demo::record(),
        Ok(Task::Man) => man::write(),
        Ok(Task::UserInfo) => demo::user_info(),
        Ok(Task::Test) => return test::all(),
        Ok(Task::Peers) => return test::with_peers(),
        Ok(Task::Wings) => return wings::wings(),
        Ok(Task::Mutants) => return mutants::survivors(),
        Ok(Task::Help) => print!("{USAGE}"),
        Err(error) => {
            eprintln!("error: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn parse(mut arguments: lexopt::Parser) -> Result<Task, lexopt::Error> {
    use lexopt::ValueExt;
    use lexopt::prelude::{Long, Short, Value};
    let mut task = None;
    while let Some(argument) = arguments.next()? {
        task = Some(match (argument, &task) {
            (Long("help") | Short('h'), _) => return Ok(Task::Help),
            (Value(name), None) if name == "demo" => Task::Demo { shell: false },
            (Long("shell"), Some(Task::Demo { .. })) => Task::Demo { shell: true },
            (Value(name), None) if name == demo::USER_INFO => Task::UserInfo,
            (Value(name), None) if name == "test" => Task::Test,
            (Value(name), None) if name == "peers" => Task::Peers,
            (Value(name), None) if name == "wings" => Task::Wings,
            (Value(name), None) if name == "bench" => Task::Bench(bench::Wish::default()),
            (Value(name), Some(Task::Bench(wish))) if name.to_str().is_some_and(bench::knows) => {
                Task::Bench(bench::Wish { kind: Some(name.parse()?), ..*wish })
            }
            (Long("json"), Some(Task::Bench(wish))) => {
                Task::Bench(bench::Wish { json: true, kind: wish.kind.clone(), ..*wish })
            }
            (Long("keep"), Some(Task::Bench(wish))) => {
                Task::Bench(bench::Wish { keep: true, kind: wish.kind.clone(), ..*wish })
            }
            (Value(name), None) if name == bench::BURST => {
                let words = arguments.raw_args()?.map(|word| word.string()).collect::<Result<_, _>>()?;
                return Ok(Task::Burst(words));
            }
            (Value(name), None) if name == "dist" => Task::Dist(dist::Wish::default()),
            (Long(option), Some(Task::Dist(wish))) => {
                let option = option.to_owned();
                let mut wish = wish.clone();
                let mut value = || -> Result<String, lexopt::Error> { arguments.value()?.parse() };
                match option.as_str() {
                    "target" => wish.targets.push(value()?),
                    "built" => wish.built.push(value()?),
                    "sign" => wish.sign = Some(value()?.into()),
                    "programs" => wish.only_programs = true,
                    _ => return Err(Long(&option).unexpected()),
                }
                Task::Dist(wish)
            }
            (Value(name), None) if name == "reproduce" => Task::Reproduce,
            (Value(name), None) if name == "versions" => Task::Versions(None),
            (Value(commit), Some(Task::Versions(None))) => Task::Versions(Some(commit.string()?)),
            (Value(name), None) if name == "record" => Task::Record,
            (Value(name), None) if name == "man" => Task::Man,
            (Value(name), None) if name == "mutants" => Task::Mutants,
            (other, _) => return Err(other.unexpected()),
        });
    }
    Ok(task.unwrap_or(Task::Help))
}

/// The text of a panic. The support library reports every problem as a panic.
fn message(payload: &dyn std::any::Any) -> &str {
    let owned = payload.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no reason given")
}

#[cfg(test)]
mod tests {
    use super::bench::Wish;
    use super::{Task, parse};

    fn task(line: &[&str]) -> Option<Task> {
        parse(lexopt::Parser::from_args(line)).ok()
    }

    #[test]
    fn the_shell_belongs_to_the_demo() {
        assert_eq!(task(&["demo", "--shell"]), Some(Task::Demo { shell: true }));
        assert_eq!(task(&["demo"]), Some(Task::Demo { shell: false }));
        assert_eq!(task(&["test", "--shell"]), None);
        assert_eq!(task(&["test"]), Some(Task::Test));
        assert_eq!(task(&["peers"]), Some(Task::Peers));
        assert_eq!(task(&["wings"]), Some(Task::Wings));
        assert_eq!(task(&["mutants"]), Some(Task::Mutants));
    }

    #[test]
    fn a_bench_measures_one_kind_or_all() {
        let wish = |kind: Option<&str>, json, keep| {
            Some(Task::Bench(Wish { kind: kind.map(str::to_owned), json, keep }))
        };
        assert_eq!(task(&["bench"]), wish(None, false, false));
        assert_eq!(task(&["bench", "herd", "--json"]), wish(Some("herd"), true, false));
        assert_eq!(task(&["bench", "--keep"]), wish(None, false, true));
        assert_eq!(task(&["bench", "weight"]), None);
    }

    #[test]
    fn a_target_belongs_to_dist() {
        let of = |targets: &[&str]| {
            let targets = targets.iter().map(|target| (*target).to_owned()).collect();
            Some(Task::Dist(super::dist::Wish { targets, ..Default::default() }))
        };
        assert_eq!(task(&["dist"]), of(&[]));
        assert_eq!(task(&["dist", "--target", "a", "--target", "b"]), of(&["a", "b"]));
        assert_eq!(task(&["dist", "--shell"]), None);
        assert_eq!(task(&["man", "--target", "a"]), None);
    }

    #[test]
    fn the_other_version_is_one_commit_at_most() {
        assert_eq!(task(&["versions"]), Some(Task::Versions(None)));
        assert_eq!(task(&["versions", "v0.1.0"]), Some(Task::Versions(Some("v0.1.0".to_owned()))));
        assert_eq!(task(&["versions", "v0.1.0", "v0.2.0"]), None);
    }

    #[test]
    fn no_task_is_a_question() {
        assert_eq!(task(&[]), Some(Task::Help));
        assert_eq!(task(&["bake"]), None);
    }
}
