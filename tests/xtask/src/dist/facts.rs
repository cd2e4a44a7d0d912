//! `packaging/facts.json`: name, version, texts and targets, from which everything of every channel comes.

use std::path::Path;

use seqera_tests::binaries::workspace;
use serde_json::Value;

/// The facts, and what each template may name.
pub(super) struct Facts(Value);

/// What a target is called by each channel.
pub(super) struct Target<'a> {
    /// In the words of rustc.
    pub(super) triple: &'a str,
    names: &'a Value,
}

impl Facts {
    /// Reads the file.
    ///
    /// # Panics
    /// If it cannot be read, or its version is not that of the workspace.
    pub(super) fn read() -> Self {
        let text = read(&workspace().join("packaging/facts.json"));
        let facts = Self(serde_json::from_str(&text).expect("packaging/facts.json is JSON"));
        let own = env!("CARGO_PKG_VERSION");
        assert_eq!(facts.text("version"), own, "packaging/facts.json and Cargo.toml name different versions");
        facts
    }

    /// The value of a key.
    pub(super) fn text(&self, key: &str) -> &str {
        self.0[key].as_str().unwrap_or_else(|| panic!("packaging/facts.json has no '{key}'"))
    }

    /// The lines of the description.
    pub(super) fn description(&self) -> Vec<&str> {
        self.0["description"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }

    pub(super) fn keywords(&self) -> &Value {
        &self.0["keywords"]
    }

    /// The target with this name.
    ///
    /// # Panics
    /// If there is none.
    pub(super) fn target<'a>(&'a self, triple: &str) -> Target<'a> {
        let known = self.0["targets"].as_object().expect("targets");
        let found = known.iter().find(|(name, _)| *name == triple);
        let names: Vec<&str> = known.keys().map(String::as_str).collect();
        let (triple, names) =
            found.unwrap_or_else(|| panic!("'{triple}' is no target; there are {}", names.join(", ")));
        Target { triple, names }
    }

    /// Every target that has a package for Node, as `(name of its package, its names)`.
    pub(super) fn targets(&self) -> Vec<Target<'_>> {
        let known = self.0["targets"].as_object().expect("targets");
        known.iter().map(|(triple, names)| Target { triple, names }).collect()
    }

    /// A template with each `@key@` replaced: by one of `more`, or else by a fact.
    ///
    /// # Panics
    /// If one is known to nobody.
    pub(super) fn fill(&self, template: &str, more: &[(&str, &str)]) -> String {
        let mut text = String::new();
        let mut rest = template;
        while let Some((before, key, after)) = next_key(rest) {
            text += before;
            let given = more.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
            text += given.unwrap_or_else(|| self.text(key));
            rest = after;
        }
        text + rest
    }

    /// The same with a template from `packaging/`.
    pub(super) fn fill_file(&self, path: &str, more: &[(&str, &str)]) -> String {
        self.fill(&read(&workspace().join("packaging").join(path)), more)
    }
}

impl<'a> Target<'a> {
    /// What a channel calls it, if the channel has it.
    pub(super) fn name(&self, channel: &str) -> Option<&'a str> {
        self.names[channel].as_str()
    }

    /// The name of the archive without its ending, which is also the folder in it.
    pub(super) fn stem(&self, facts: &Facts) -> String {
        let archive = self.name("archive").expect("every target has an archive");
        format!("{}-{}-{archive}", facts.text("name"), facts.text("version"))
    }

    pub(super) fn is_windows(&self) -> bool {
        self.name("os") == Some("win32")
    }

    /// The name of its archive.
    pub(super) fn archive(&self, facts: &Facts) -> String {
        format!("{}.{}", self.stem(facts), if self.is_windows() { "zip" } else { "tar.gz" })
    }
}

/// What stands before the first `@key@`, the key, and what follows. A key has lower case letters and `_` only, so
/// that addresses and `"$@"` are none.
fn next_key(text: &str) -> Option<(&str, &str, &str)> {
    let starts = text.match_indices('@').map(|(at, _)| at);
    starts.into_iter().find_map(|start| {
        let (key, after) = text[start + 1..].split_once('@')?;
        let is_key = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        is_key.then_some((&text[..start], key, after))
    })
}

pub(super) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_replaced_and_nothing_else() {
        let facts = Facts(serde_json::json!({"name": "n"}));
        assert_eq!(facts.fill("@name@ a@b.c \"$@\" @name@@x@ @", &[("x", "y")]), "n a@b.c \"$@\" ny @");
    }

    #[test]
    fn the_version_is_that_of_the_workspace_and_every_target_is_known() {
        let facts = Facts::read();
        assert!(facts.targets().len() >= 5);
        let arm = facts.target("aarch64-unknown-linux-musl");
        assert_eq!(
            arm.archive(&facts),
            format!("seqera-agent-{}-linux-aarch64.tar.gz", facts.text("version"))
        );
    }
}
