//! How Nextflow treats the token that it is given. Its configuration beats its environment, except in a run
//! that the Platform has launched; and it sends a token of a shape that it does not know as a password.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::settings::context::Context;

/// A larger file is not a configuration.
const LARGEST: u64 = 1 << 20;

/// The beginning of every personal access token: the base64 of `{"tid":`.
const PERSONAL: &str = "eyJ0aWQiO";

/// The setting that overrides the environment.
const SETTING: &str = "tower.accessToken";

/// Says what would keep Nextflow from using this token. Does nothing for other programs.
pub(super) fn warn(context: &Context, program: &OsStr, token: &str, of_environment: bool) {
    if !is_nextflow(program) {
        return;
    }
    if let Some(file) = overriding(context) {
        let file = file.display();
        context.screen.note(&format!("Nextflow takes its token from {file}, not this one"));
        context.screen.hint(&format!("remove {SETTING} there"));
    }
    if !is_accepted(token) {
        context.screen.note("Nextflow does not know a token of this shape, and sends it in a way that fails");
        context.screen.hint(match of_environment {
            true => "put a personal access token into the variable, or unset it and sign in",
            false => "'seqera exec --long' gives it a personal access token",
        });
    }
}

/// True for Nextflow itself, or a wrapper with a similar name: `nextflow-24.10.4-all`, `my_nextflow.sh`.
fn is_nextflow(program: &OsStr) -> bool {
    let name = Path::new(program).file_name().unwrap_or(program);
    name.to_string_lossy().to_ascii_lowercase().contains("nextflow")
}

/// The configuration file whose token beats the environment's.
fn overriding(context: &Context) -> Option<PathBuf> {
    // In a run that the Platform has launched, the environment comes first.
    if context.env.in_platform_run() {
        return None;
    }
    let home = context.env.nextflow_home();
    let own = home.into_iter().flat_map(|home| [home.join("seqera-auth.config"), home.join("config")]);
    own.chain([PathBuf::from("nextflow.config")]).find(|file| sets_token(file))
}

fn sets_token(file: &Path) -> bool {
    let small = std::fs::metadata(file).is_ok_and(|found| found.is_file() && found.len() <= LARGEST);
    let text = if small { std::fs::read(file).unwrap_or_default() } else { Vec::new() };
    configures_token(&without_comments(&String::from_utf8_lossy(&text)))
}

/// True for a JWT or a personal access token. Nextflow sends anything else as the password of a user
/// `@token`.
fn is_accepted(token: &str) -> bool {
    token.matches('.').count() == 2 || token.starts_with(PERSONAL)
}

/// Removes Groovy comments. A `//` after a colon is part of an address.
fn without_comments(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("/*") {
        kept += &rest[..start];
        rest = rest[start..].find("*/").map_or("", |end| &rest[start + end + 2..]);
    }
    kept += rest;
    let line = |line: &str| {
        let comment = line.match_indices("//").find(|(at, _)| !line[..*at].ends_with(':'));
        comment.map_or(line.len(), |(at, _)| at)
    };
    kept.lines().map(|text| text[..line(text)].to_owned() + "\n").collect()
}

/// True if the text gives [`SETTING`] a value. The file is a program in Groovy: only scopes and assignments
/// are read, and everything else is skipped.
fn configures_token(text: &str) -> bool {
    let mut scopes: Vec<&str> = Vec::new();
    let mut start = 0;
    for (at, sign) in text.char_indices().filter(|(_, sign)| "{}=\n;".contains(*sign)) {
        let name = text[start..at].trim();
        start = at + 1;
        match sign {
            '{' => scopes.push(name),
            '}' => drop(scopes.pop()),
            '=' => {
                let path: Vec<&str> = scopes.iter().copied().chain([name]).collect();
                let value = text[start..].split(['\n', ';', '}']).next().unwrap_or_default();
                if path.join(".") == SETTING && is_own(value.trim()) {
                    return true;
                }
            }
            _ => {}
        }
    }
    false
}

/// An empty value counts as absent in Groovy, and some configurations read the variable on purpose.
fn is_own(value: &str) -> bool {
    !matches!(value, "" | "''" | "\"\"" | "null") && !value.contains("_ACCESS_TOKEN")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configures(text: &str) -> bool {
        configures_token(&without_comments(text))
    }

    #[test]
    fn nextflow_is_known_by_its_name() {
        for name in ["nextflow", "/opt/bin/nextflow", "./nextflow-24.10.4-all", "my_Nextflow.sh"] {
            assert!(is_nextflow(name.as_ref()), "{name}");
        }
        for name in ["tw", "sh", "/home/nextflow/bin/tw"] {
            assert!(!is_nextflow(name.as_ref()), "{name}");
        }
    }

    #[test]
    fn a_token_in_a_configuration_is_found_however_it_is_written() {
        for text in [
            "tower.accessToken = 'x'",
            "tower {\n  endpoint = 'https://h/api'\n  accessToken = \"x\"\n}\n",
            "tower { enabled = true; accessToken = 'x' }",
            "process { cpus = 2 }\ntower{accessToken='x'}",
            "// seqera\ntower {\n /* mine */ accessToken = 'x' // secret\n}",
        ] {
            assert!(configures(text), "{text}");
        }
    }

    #[test]
    fn what_is_commented_out_empty_or_taken_from_the_environment_overrides_nothing() {
        for text in [
            "",
            "// tower.accessToken = 'x'",
            "/* tower { accessToken = 'x' } */ process.cpus = 1",
            "tower { enabled = true }",
            "tower.accessToken = ''",
            "tower { accessToken = System.getenv('TOWER_ACCESS_TOKEN') }",
            "tower { accessToken = \"$SEQERA_ACCESS_TOKEN\" }",
            "wave { accessToken = 'x' }",
            "params.tower.accessToken = 'x'",
            "}}} = {",
        ] {
            assert!(!configures(text), "{text}");
        }
    }

    #[test]
    fn tokens_that_nextflow_knows_are_told_by_their_shape() {
        assert!(is_accepted("eyJhbGciOi.eyJzdWIi.c2ln"));
        // base64 of {"tid": 7}.00ff
        assert!(is_accepted("eyJ0aWQiOiA3fS4wMGZm"));
        assert!(!is_accepted("opaque-token") && !is_accepted("a.b"));
    }
}
