//! The packages for Node, from a registry on loopback, as the README's line installs them.

use std::path::{Path, PathBuf};
use std::process::Command;

use seqera_tests::sandbox::ADA;
use seqera_tests::{Home, Run, Sandbox, skip};
use serde_json::{Value, json};

use crate::server::Server;
use crate::{PATIENCE, checked, facts, made, names_its_build, signs_in, version, works};

/// A registry with every package that was made, and what stands in for Seqera's own.
fn registry() -> Option<Server> {
    let name = facts()["node_and_python_name"].as_str().expect("a name").to_owned();
    let main = made(&format!("{name}-VERSION.tgz"))?;
    if !skip::have(&["npm", "node"], "apt-get install npm nodejs") {
        return None;
    }
    let server = Server::start();
    let folder = main.parent().expect("a folder").read_dir().expect("a folder");
    let packages = folder.flatten().map(|entry| entry.path());
    packages
        .filter(|path| path.extension().is_some_and(|end| end == "tgz"))
        .for_each(|path| offer(&server, &path));
    Some(server)
}

/// Puts a package and what the registry says of it onto the server.
fn offer(server: &Server, package: &Path) {
    let mut tar = Command::new("tar");
    tar.args(["-xzOf".as_ref(), package.as_os_str(), "package/package.json".as_ref()]);
    let text = tar.output().expect("tar can be started").stdout;
    let mut about: Value = serde_json::from_slice(&text).expect("package.json");
    let file = package.file_name().expect("a name").to_string_lossy().into_owned();
    about["dist"] = json!({"tarball": format!("{}/{file}", server.url)});
    let (name, version) = (about["name"].as_str().expect("name").to_owned(), about["version"].clone());
    let version = version.as_str().expect("a version");
    let said = json!({"name": name, "dist-tags": {"latest": version}, "versions": {version: about}});
    server.put(&format!("/{name}"), said.to_string());
    server.put_file(package);
}

/// Installs into the folder `npm` of the home and says what came of it.
fn npm(home: &Home, server: &Server, args: &[&str]) -> Run {
    let prefix = home.root().join("npm");
    let own = ["--global", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error", "--prefix"];
    home.program("npm")
        .args(args)
        .args(own)
        .args([&prefix])
        .env("npm_config_registry", &server.url)
        .env("npm_config_fetch_retries", "0")
        .env("PATH", crate::path_with(&prefix.join("bin")))
        .limit(PATIENCE)
        .run()
}

/// Something with the command `seqera`, in the place where Seqera's own package has it.
fn seqeras_own(home: &Home, server: &Server) {
    let folder = home.root().join("own/package");
    std::fs::create_dir_all(&folder).expect("a folder");
    let about = json!({"name": "seqera", "version": "9.9.9", "bin": {"seqera": "cli.js"}});
    std::fs::write(folder.join("package.json"), about.to_string()).expect("a file");
    std::fs::write(folder.join("cli.js"), "#!/usr/bin/env node\nconsole.log('seqera of npm')\n")
        .expect("a file");
    let file = home.root().join("seqera-9.9.9.tgz");
    home.program("tar").args(["-czf", file.to_str().expect("text"), "-C", "own", "package"]).run().ok();
    offer(server, &file);
}

fn commands(home: &Home) -> PathBuf {
    home.root().join("npm/bin")
}

#[test]
fn npm_takes_the_programs_that_fit() {
    let Some(server) = registry() else { return };
    let mut home = Home::new();
    npm(&home, &server, &["install", "seqera-agent-cli"]).ok();
    let installed = home.root().join("npm/lib/node_modules");
    let nested = installed.join("seqera-agent-cli/node_modules");
    let of_system = |folder: &Path| -> Vec<String> {
        let entries = folder.read_dir().into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.starts_with("seqera-agent-cli-")).collect()
    };
    let found = [of_system(&installed), of_system(&nested)].concat();
    assert_eq!(found, ["seqera-agent-cli-linux-x64"], "only the one that fits");
    home.set("PATH", crate::path_with(&commands(&home)));
    names_its_build(&home, &commands(&home), "x86_64-unknown-linux-musl");
    works(&home, &commands(&home).join("seqera"));
    let said = home.program(commands(&home).join("seqera")).args(["agent", "doctor"]).run();
    assert!(said.stdout.contains("no other seqera"), "npm's command starts this one: {said:?}");
    let ai = home.program(commands(&home).join("seqera")).args(["ai", "hello"]);
    let sandbox = Sandbox::calm();
    let ai = ai
        .env("SEQERA_ACCESS_TOKEN", sandbox.personal_token(ADA))
        .env("SEQERA_AUTH_DOMAIN", &sandbox.authority);
    let ai = ai.run();
    assert!(
        ai.stderr.contains("Co-Scientist is not installed here"),
        "it does not take itself for it: {ai:?}"
    );
    npm(&home, &server, &["uninstall", "seqera-agent-cli"]).ok();
    assert!(!commands(&home).join("seqera").exists());
    checked(
        "npm package",
        "`npm install -g` from a registry on loopback into an empty prefix: takes the programs for this system only; \
         signed in with a token, `token`, `exec`; `npm uninstall -g`",
    );
}

/// npm moves the old folder aside, brings the new one, and removes the old one.
#[test]
fn an_agent_goes_on_as_the_program_that_npm_has_brought() {
    let Some(server) = registry() else { return };
    let mut home = Home::new();
    npm(&home, &server, &["install", "seqera-agent-cli"]).ok();
    home.set("PATH", crate::path_with(&commands(&home)));
    let sandbox = Sandbox::calm();
    let token = signs_in(&home, &sandbox, &commands(&home).join("seqera"));
    let agent = home.agent_pid().expect("an agent");
    let file = || std::fs::read_link(format!("/proc/{agent}/exe")).ok();
    let inode = || {
        let found = std::fs::metadata(format!("/proc/{agent}/exe"));
        found.map(|found| std::os::unix::fs::MetadataExt::ino(&found)).ok()
    };
    let before = (file(), inode());
    npm(&home, &server, &["install", "seqera-agent-cli"]).ok();
    seqera_tests::eventually(PATIENCE, "the agent is the new program", || {
        (file() == before.0 && inode() != before.1).then_some(())
    });
    assert_eq!(home.shell("seqera token").run().ok().line(), token);
    assert_eq!(home.agent_pid(), Some(agent), "in the same process");
    home.shell("seqera logout --all && seqera agent stop").run().ok();
    checked(
        "npm package",
        "installed again under a running agent, which went on as the new program, in its process",
    );
}

/// As the README says it for the time before the first release.
#[test]
fn npm_takes_the_files_that_dist_has_made() {
    let Some(_) = registry() else { return };
    let home = Home::new();
    let files = ["seqera-agent-cli-linux-x64", "seqera-agent-cli"];
    let files =
        files.map(|name| crate::dist().join(format!("{name}-{}.tgz", version())).display().to_string());
    let empty = Server::start();
    npm(&home, &empty, &["install", &files[0], &files[1]]).ok();
    names_its_build(&home, &commands(&home), "x86_64-unknown-linux-musl");
    checked("npm package", "`npm install -g` with the two files, from a registry that has neither");
}

#[test]
fn npm_replaces_no_other_seqera_in_either_order() {
    let Some(server) = registry() else { return };
    let home = Home::new();
    seqeras_own(&home, &server);
    npm(&home, &server, &["install", "seqera"]).ok();
    let refused = npm(&home, &server, &["install", "seqera-agent-cli"]);
    assert!(refused.code != Some(0) && refused.stderr.contains("EEXIST"), "{refused:?}");
    let theirs = |home: &Home| home.program(commands(home).join("seqera")).run().ok().line().to_owned();
    assert_eq!(theirs(&home), "seqera of npm");
    assert!(!home.root().join("npm/lib/node_modules/seqera-agent-cli").exists(), "nothing half installed");

    let home = Home::new();
    seqeras_own(&home, &server);
    npm(&home, &server, &["install", "seqera-agent-cli"]).ok();
    let refused = npm(&home, &server, &["install", "seqera"]);
    assert!(refused.code != Some(0) && refused.stderr.contains("EEXIST"), "{refused:?}");
    names_its_build(&home, &commands(&home), "x86_64-unknown-linux-musl");
    checked("npm package", "refused by npm where another package has the command `seqera`, in either order");
}

#[test]
fn a_system_without_programs_is_named() {
    let Some(server) = registry() else { return };
    let home = Home::new();
    npm(&home, &server, &["install", "seqera-agent-cli"]).ok();
    // As '--omit=optional' leaves it.
    home.shell("rm -r npm/lib/node_modules/seqera-agent-cli/node_modules").run().ok();
    let run = home.program(commands(&home).join("seqera")).args(["token"]);
    let run = run.env("PATH", crate::path_with(&commands(&home))).run().fails_with(69);
    assert!(run.stderr.contains("hint: install again, without --omit=optional"), "{run:?}");
    let script = home.root().join("npm/lib/node_modules/seqera-agent-cli/seqera.js");
    let odd = "Object.defineProperty(process, 'arch', {value: 'riscv64'}); require(process.argv[1])";
    let run = home.program("node").args(["-e", odd, script.to_str().expect("text")]);
    let run = run.env("PATH", crate::path_with(&commands(&home))).run().fails_with(69);
    assert!(run.stderr.contains("there are no programs for linux on riscv64"), "{run:?}");
    assert_eq!(version(), facts()["version"].as_str().expect("a version"));
    checked(
        "npm package",
        "says what to do without the package for the system, and on a processor without programs",
    );
}

#[test]
fn an_end_by_a_signal_is_passed_on() {
    let Some(server) = registry() else { return };
    let home = Home::new();
    npm(&home, &server, &["install", "seqera-agent-cli"]).ok();
    let folder = commands(&home);
    let script = "trap '' INT; seqera exec -- sh -c 'kill -TERM $$'; echo $?";
    let run = home.program("sh").args(["-c", script]).env("PATH", crate::path_with(&folder));
    let said = run
        .env("SEQERA_ACCESS_TOKEN", "t0ken")
        .env("SEQERA_AUTH_DOMAIN", "http://127.0.0.1:9/api")
        .run()
        .ok();
    assert_eq!(said.line(), "143", "{said:?}");
}
