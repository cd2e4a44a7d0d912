//! Packages for Node: one for each system with its programs, of which npm takes the one that fits (`os`, `cpu`), and
//! one with a few lines that start it. Nothing is downloaded and no script runs during the installation.

use serde_json::json;

use super::facts::{Facts, Target};
use super::places::out;
use super::tree::Tree;

/// Makes the package with the programs for one system.
pub(super) fn programs(facts: &Facts, target: &Target<'_>) {
    let name = package(facts, target);
    let tree = Tree::new(&name);
    tree.programs(target, "package/bin");
    let more = json!({"os": [target.name("os")], "cpu": [target.name("cpu")], "preferUnplugged": true});
    finish(facts, &tree, &name, &format!("Programs of {}", facts.text("node_and_python_name")), &more);
}

/// Makes the package that people name. It wants those of all systems, for npm skips what does not fit.
pub(super) fn main(facts: &Facts) {
    let name = facts.text("node_and_python_name");
    let tree = Tree::new(name);
    let starter = facts.fill_file("npm/seqera.js", &[]);
    let mut commands = serde_json::Map::new();
    for command in ["seqera", "seqera-agent"] {
        tree.put_program(&format!("package/{command}.js"), &starter);
        commands.insert(command.to_owned(), json!(format!("{command}.js")));
    }
    let version = facts.text("version");
    let wanted: serde_json::Map<_, _> =
        facts.targets().iter().map(|target| (package(facts, target), json!(version))).collect();
    let more = json!({"bin": commands, "optionalDependencies": wanted, "keywords": facts.keywords(),
                      "engines": {"node": ">=16"}});
    finish(facts, &tree, name, facts.text("summary"), &more);
}

fn package(facts: &Facts, target: &Target<'_>) -> String {
    let (os, cpu) = (target.name("os").expect("os"), target.name("cpu").expect("cpu"));
    format!("{}-{os}-{cpu}", facts.text("node_and_python_name"))
}

fn finish(facts: &Facts, tree: &Tree, name: &str, summary: &str, more: &serde_json::Value) {
    let mut package = json!({
        "name": name,
        "version": facts.text("version"),
        "description": summary,
        "license": facts.text("license"),
        "homepage": facts.text("homepage"),
        "repository": {"type": "git", "url": format!("git+{}.git", facts.text("homepage"))},
    });
    let all = package.as_object_mut().expect("an object");
    all.extend(more.as_object().expect("an object").clone());
    tree.put("package/package.json", format!("{package:#}\n"));
    tree.copy("LICENSE", "package/LICENSE");
    let readme = facts.fill_file("npm/README.md.in", &[]);
    tree.put("package/README.md", readme);
    tree.tar(&out().join(format!("{name}-{}.tgz", facts.text("version"))));
}
