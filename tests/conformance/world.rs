//! The world of one case: a home with an agent, sandboxes, web servers, and the runner of a library.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use seqera_tests::http;
use seqera_tests::{Home, Running, Sandbox, binaries, eventually, reaper};
use serde_json::{Value, json};

use crate::expectation::differs;
use crate::language::Start;
use crate::table::{Names, text};
use crate::web::Web;

/// How long an agent may take to end on a busy machine.
const AGENT_LIMIT: Duration = Duration::from_secs(30);

/// How long a runner may take for one call, on top of the time that the call is given.
const CALL_LIMIT: Duration = Duration::from_secs(90);

/// Each agent lives about as long as it took to start it. Ends with the first restart that fails.
const RESTARTS: &str =
    "while [ ! -e settled ]; do seqera agent restart --force >/dev/null || exit; sleep 0.1; done";

pub(crate) struct World<'a> {
    case: &'a Value,
    start: &'a Start,
    names: Names,
    /// The runner's variables; `None`: removed.
    variables: BTreeMap<String, Option<String>>,
    runner: Option<Running>,
    calls: u64,
    /// What the sandboxes had counted when the first runner was started.
    before: BTreeMap<String, Value>,
    sandboxes: BTreeMap<String, Sandbox>,
    /// What restarts the agent again and again.
    restarts: Option<Running>,
    webs: BTreeMap<String, Web>,
    home: Home,
}

impl<'a> World<'a> {
    pub(crate) fn new(case: &'a Value, start: &'a Start) -> Self {
        let home = Home::new();
        let mut names = Names::default();
        names.set("home", home.root().join("home").display().to_string());
        names.set("programs", programs().display().to_string());
        names.set("socket", home.socket_dir().join("agent.sock").display().to_string());
        names.set("socket_folder", home.socket_dir().display().to_string());
        let set = case["env"].as_object().into_iter().flatten();
        let variables = set.map(|(name, value)| (name.clone(), Some(in_text(&names, value)))).collect();
        Self {
            case,
            start,
            names,
            variables,
            runner: None,
            calls: 0,
            before: BTreeMap::new(),
            sandboxes: BTreeMap::new(),
            restarts: None,
            webs: BTreeMap::new(),
            home,
        }
    }

    /// Goes through the steps.
    ///
    /// # Errors
    /// How the first one turned out that did so otherwise than expected, and what the agent has to say.
    pub(crate) fn play(mut self) -> Result<(), String> {
        for step in self.case["steps"].as_array().expect("a case has steps") {
            let step = self.names.fill(step);
            let done = match step["do"].as_str() {
                Some("expect") => self.expect(&step),
                Some(what) => {
                    self.prepare(what, &step);
                    Ok(())
                }
                None => self.call(&step),
            };
            done.map_err(|problem| format!("{step}\n    {problem}\n{}", self.said()))?;
        }
        Ok(())
    }

    fn said(&self) -> String {
        let runner = self.runner.as_ref().map(Running::stderr).unwrap_or_default();
        format!("{runner}{}", self.home.log())
    }

    fn prepare(&mut self, what: &str, step: &Value) {
        match what {
            "sandbox" => self.start_sandbox(step),
            "login" => {
                let user = format!("{}@sandbox.test", text(step, "user"));
                let sandbox = &self.sandboxes[text(step, "sandbox")];
                self.home.login(text(step, "profile"), sandbox, &user);
            }
            "seqera" => {
                let run = self.home.seqera(text(step, "args"));
                run.stdin(step["stdin"].as_str().unwrap_or_default()).run().ok();
            }
            "fault" => self.sandbox(step).fault(step["fault"].clone()),
            "clear_faults" => self.sandbox(step).clear_faults(),
            "expire" => {
                let url = format!("{}/_sandbox/expire", self.sandbox(step).url);
                let headers = [("content-type", "application/json")];
                let reply = http::request("POST", &url, &headers, &step["what"].to_string());
                assert!(reply.is_ok_and(|reply| reply.status < 300), "{step}");
            }
            "file" => self.write(step),
            "remove" => std::fs::remove_file(self.path(step)).unwrap_or_else(|e| panic!("{step}: {e}")),
            "mode" => self.change_mode(step),
            "agent" => self.agent(text(step, "state")),
            "web" => {
                let (name, web) = (text(step, "name"), Web::start());
                self.names.set(&format!("{name}.url"), &web.url);
                self.webs.insert(name.to_owned(), web);
            }
            "forget" => self.webs[text(step, "web")].forget(),
            "answers" => self.webs[text(step, "web")].answer_with(&step["answers"]),
            "env" => self.change_variables(step),
            other => panic!("nobody knows how to do '{other}'"),
        }
    }

    fn start_sandbox(&mut self, step: &Value) {
        let settings = step.get("settings").cloned().unwrap_or_else(|| json!({}));
        let (name, sandbox) = (text(step, "name"), Sandbox::start(&settings));
        self.names.set(&format!("{name}.url"), &sandbox.url);
        self.names.set(&format!("{name}.authority"), &sandbox.authority);
        self.sandboxes.insert(name.to_owned(), sandbox);
    }

    fn sandbox(&self, step: &Value) -> &Sandbox {
        &self.sandboxes[text(step, "sandbox")]
    }

    /// Below the home folder, unless it is a path from the root.
    fn path(&self, step: &Value) -> PathBuf {
        self.home.root().join("home").join(text(step, "path"))
    }

    fn write(&self, step: &Value) {
        let path = self.path(step);
        let folder = path.parent().expect("a file lies in a folder");
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.and_then(|()| std::fs::write(&path, text(step, "text")))
            .unwrap_or_else(|e| panic!("{step}: {e}"));
        if step.get("mode").is_some() {
            self.change_mode(step);
        }
    }

    fn change_mode(&self, step: &Value) {
        let mode = u32::from_str_radix(text(step, "mode"), 8).expect("a mode in octal");
        let changed = std::fs::set_permissions(self.path(step), Permissions::from_mode(mode));
        changed.unwrap_or_else(|error| panic!("{step}: {error}"));
    }

    fn agent(&mut self, state: &str) {
        let pid = || self.home.agent_pid().expect("an agent runs");
        match state {
            "start" => drop(self.home.seqera("agent start").run().ok()),
            "restart" => drop(self.home.seqera("agent restart --force").run().ok()),
            "stop" => self.home.stop_agent(pid()),
            "restarting" => self.restarts = Some(self.home.shell(RESTARTS).limit(CALL_LIMIT).start()),
            "settled" => {
                std::fs::write(self.home.root().join("settled"), "").expect("the home can be written");
                let restarts = self.restarts.take().expect("the agent is being restarted");
                restarts.finish(AGENT_LIMIT).ok();
            }
            "kill" => {
                let pid = pid();
                self.home.shell(&format!("kill -9 {pid}")).run().ok();
                let gone = || (!reaper::is_alive(pid)).then_some(());
                eventually(AGENT_LIMIT, "the end of the agent", gone);
            }
            other => panic!("an agent is never in the state '{other}'"),
        }
    }

    fn change_variables(&mut self, step: &Value) {
        self.runner = None;
        for (name, value) in step["set"].as_object().into_iter().flatten() {
            self.variables.insert(name.clone(), value.as_str().map(str::to_owned));
        }
        for name in step["unset"].as_array().into_iter().flatten() {
            self.variables.insert(name.as_str().expect("a name").to_owned(), None);
        }
    }

    fn expect(&self, step: &Value) -> Result<(), String> {
        if step["agent"] == "none" && self.home.agent_pid().is_some() {
            return Err("an agent runs".to_owned());
        }
        if let (Some(name), Some(counts)) = (step["sandbox"].as_str(), step["counts"].as_object()) {
            let stats = self.sandboxes[name].stats();
            for (what, count) in counts {
                let before = self.before.get(name).and_then(|stats| stats[what].as_u64()).unwrap_or_default();
                let now = stats[what].as_u64().unwrap_or_else(|| panic!("nobody counts '{what}'"));
                if count.as_u64() != Some(now - before) {
                    return Err(format!("{} {what}", now - before));
                }
            }
        }
        let Some(web) = step["web"].as_str() else { return Ok(()) };
        let seen = self.webs[web].requests();
        let many = step["count"].as_u64().filter(|count| seen.len() as u64 != *count);
        let problem = match step["requests"].as_array() {
            Some(wanted) => unlike(wanted, &seen),
            None => many.map(|_| "another number of requests".to_owned()),
        };
        problem.map_or(Ok(()), |problem| Err(format!("{problem}: {seen:?}")))
    }

    fn call(&mut self, step: &Value) -> Result<(), String> {
        let times = step["times"].as_u64().unwrap_or(1);
        (0..times).try_for_each(|_| self.call_once(step))
    }

    fn call_once(&mut self, step: &Value) -> Result<(), String> {
        let answer = self.answer(step);
        let problem = match (step.get("fails"), answer.get("fails"), answer.get("gives")) {
            (Some(expected), Some(failure), _) => differs(expected, failure),
            (Some(_), None, _) => Some("it has to fail".to_owned()),
            (None, _, Some(given)) => step.get("gives").and_then(|expected| differs(expected, given)),
            (None, ..) => Some("it has to succeed".to_owned()),
        };
        if let Some(problem) = problem {
            return Err(format!("{problem}\n    the answer was {answer}"));
        }
        if let Some(name) = step["as"].as_str() {
            self.keep(name, &answer["gives"]);
        }
        Ok(())
    }

    fn keep(&mut self, name: &str, given: &Value) {
        for (field, value) in given.as_object().into_iter().flatten() {
            let Some(value) = value.as_str() else { continue };
            self.names.set(&format!("{name}.{field}"), value);
        }
        if let Some(token) = given["access_token"].as_str() {
            let hash = self.home.shell("sha256sum | cut -d' ' -f1").stdin(token).run().ok();
            self.names.set(&format!("{name}.sha256"), hash.line());
        }
    }

    /// Makes a call, and starts the runner if none runs.
    fn answer(&mut self, step: &Value) -> Value {
        if self.before.is_empty() {
            self.before = self.sandboxes.iter().map(|(name, of)| (name.clone(), of.stats())).collect();
        }
        self.calls += 1;
        let id = self.calls;
        let mut call = step.clone();
        call["id"] = json!(id);
        for field in ["gives", "fails", "as", "times"] {
            call.as_object_mut().expect("a step is an object").remove(field);
        }
        let mut runner = self.runner.take().unwrap_or_else(|| self.started());
        runner.write(&format!("{call}\n"));
        let answer = runner.until(&format!("answer to {call}"), |output| {
            let whole = output.rsplit_once('\n').map_or("", |(lines, _)| lines);
            let mut lines = whole.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            lines.find(|answer| answer["id"] == id)
        });
        self.runner = Some(runner);
        answer
    }

    fn started(&self) -> Running {
        let (program, arguments) = self.start.command.split_first().expect("a runner is a program");
        let runner = self.home.program(program).args(arguments).args(&self.start.words);
        let set = |runner: seqera_tests::Invocation, (name, value): (&String, &Option<String>)| match value {
            Some(value) => runner.env(name, value),
            None => runner.without_env(name),
        };
        self.variables.iter().fold(runner, set).typed().limit(CALL_LIMIT).start()
    }
}

/// The folder of the programs of this project.
fn programs() -> &'static Path {
    binaries().client.parent().expect("a program lies in a folder")
}

/// How requests differ from those that are expected, of which some may be missing.
fn unlike(wanted: &[Value], seen: &[Value]) -> Option<String> {
    let mut seen = seen.iter().peekable();
    for request in wanted {
        let is_it = |seen: &&&Value| {
            seen["path"] == request["path"] && seen["authorization"] == request["authorization"]
        };
        if seen.next_if(|other| is_it(&other)).is_none() && request["optional"] != true {
            return Some(format!("no {request} at its place"));
        }
    }
    seen.next().map(|more| format!("nobody expected {more}"))
}

fn in_text(names: &Names, value: &Value) -> String {
    names.fill(value).as_str().expect("a variable is a text").to_owned()
}
