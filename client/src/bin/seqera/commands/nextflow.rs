//! How Nextflow treats the token that it is given. Its configuration beats its environment: the token's, except in a
//! run that the Platform has launched, and the endpoint's always (nextflow, `PlatformHelper`). And it sends a token of a
//! shape that it does not know as a password.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use seqera_client::proto::files::{self, Writer};
use seqera_client::proto::reason::Reason;
use seqera_client::proto::values::address;

use crate::screen::failure::Failure;
use crate::settings::context::Context;
use crate::settings::setting::same_origin;

/// A larger file is not a configuration.
const LARGEST: u64 = 1 << 20;

/// The beginning of every personal access token: the base64 of `{"tid":`.
const PERSONAL: &str = "eyJ0aWQiO";

/// The settings that override the environment.
const TOKEN: &str = "tower.accessToken";
const ENDPOINT: &str = "tower.endpoint";

/// Says what would keep Nextflow from using this token, which belongs to `own` addresses. Does nothing for other
/// programs.
///
/// # Errors
/// Nextflow would send it to another Platform.
pub(super) fn check(
    context: &Context,
    program: &OsStr,
    (token, own): (&str, &[String]),
    of_environment: bool,
) -> Result<(), Failure> {
    if !is_nextflow(program) {
        return Ok(());
    }
    let files = files(context);
    // In a run that the Platform has launched, the environment comes first.
    let overriding = files.iter().find(|(_, text)| !context.env.in_platform_run() && sets_token(text));
    if let Some((file, _)) = overriding {
        let file = file.display();
        context.screen.note(&format!("Nextflow takes its token from {file}, not this one"));
        context.screen.hint(&format!("remove {TOKEN} there, and {ENDPOINT} if it is there"));
    } else if let Some((file, text)) = files.iter().rfind(|(_, text)| value_of(ENDPOINT, text).is_some()) {
        let endpoint = value_of(ENDPOINT, text).and_then(literal).unwrap_or_default();
        check_endpoint(file, endpoint, own)?;
    }
    if !is_accepted(token) {
        context.screen.note("Nextflow does not know a token of this shape, and sends it in a way that fails");
        context.screen.hint(match of_environment {
            true => "put a personal access token into the variable, or unset it and sign in",
            false => "'seqera exec --long' gives it a personal access token",
        });
    }
    Ok(())
}

/// An endpoint that is computed is not known here.
fn check_endpoint(file: &Path, endpoint: &str, own: &[String]) -> Result<(), Failure> {
    let Ok(endpoint) = address::read(endpoint) else { return Ok(()) };
    if own.is_empty() || own.iter().any(|own| same_origin(own, &endpoint)) {
        return Ok(());
    }
    let (file, own) = (file.display(), own.first().map(String::as_str).unwrap_or_default());
    let what = format!(
        "Nextflow would send this token of {own} to {endpoint}, which {file} names, and it is sent nowhere"
    );
    let hint =
        format!("remove {ENDPOINT} there, or name the account that it is for: seqera exec --profile NAME");
    Err(Failure::new(Reason::Misconfigured, what, Some(&hint)))
}

/// True for Nextflow itself, or a wrapper with a similar name: `nextflow-24.10.4-all`, `my_nextflow.sh`.
fn is_nextflow(program: &OsStr) -> bool {
    let name = Path::new(program).file_name().unwrap_or(program);
    name.to_string_lossy().to_ascii_lowercase().contains("nextflow")
}

/// The configuration files with their texts, without comments. A later one beats those before it.
fn files(context: &Context) -> Vec<(PathBuf, String)> {
    let home = context.env.nextflow_home();
    let own = home.into_iter().flat_map(|home| [home.join("seqera-auth.config"), home.join("config")]);
    own.chain([PathBuf::from("nextflow.config")]).map(|file| (file.clone(), text_of(&file))).collect()
}

fn text_of(file: &Path) -> String {
    let text = files::read(file, LARGEST, Writer::Site).unwrap_or_default();
    without_comments(&String::from_utf8_lossy(&text))
}

fn sets_token(text: &str) -> bool {
    value_of(TOKEN, text).is_some()
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

/// The last value that the text gives to a setting, as it is written. The file is a program in Groovy: only scopes and
/// assignments are read, and everything else is skipped.
fn value_of<'a>(setting: &str, text: &'a str) -> Option<&'a str> {
    let mut scopes: Vec<&str> = Vec::new();
    let (mut start, mut found) = (0, None);
    for (at, sign) in text.char_indices().filter(|(_, sign)| "{}=\n\r;".contains(*sign)) {
        let name = text[start..at].trim();
        start = at + 1;
        match sign {
            '{' => scopes.push(name),
            '}' => drop(scopes.pop()),
            '=' => {
                let path: Vec<&str> = scopes.iter().copied().chain([name]).collect();
                let value = text[start..].split(['\n', '\r', ';', '}']).next().unwrap_or_default().trim();
                if path.join(".") == setting && is_own(value) {
                    found = Some(value);
                }
            }
            _ => {}
        }
    }
    found
}

/// What stands in quotation marks, without them.
fn literal(value: &str) -> Option<&str> {
    let inner = |mark: char| value.strip_prefix(mark)?.strip_suffix(mark);
    inner('\'').or_else(|| inner('"'))
}

/// An empty value counts as absent in Groovy, and some configurations read the variable on purpose.
fn is_own(value: &str) -> bool {
    !matches!(value, "" | "''" | "\"\"" | "null") && !value.contains("_ACCESS_TOKEN")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configures(text: &str) -> bool {
        sets_token(&without_comments(text))
    }

    fn endpoint(text: &str) -> Option<String> {
        let text = without_comments(text);
        value_of(ENDPOINT, &text).and_then(literal).map(str::to_owned)
    }

    #[test]
    fn the_endpoint_of_a_configuration_is_the_last_one_that_is_written_plainly() {
        for text in [
            "tower.endpoint = 'https://a.test/api'",
            "tower {\n accessToken = ''\n endpoint = \"https://a.test/api\" // https://b.test\n}",
            "tower.endpoint='https://b.test'\rtower { endpoint='https://a.test/api' }",
        ] {
            assert_eq!(endpoint(text).as_deref(), Some("https://a.test/api"), "{text}");
        }
        for text in [
            "// tower.endpoint = 'x'",
            "tower.endpoint = host()",
            "wave.endpoint = 'x'",
            "tower.endpoint = ''",
        ] {
            assert_eq!(endpoint(text), None, "{text}");
        }
    }

    #[test]
    fn a_token_goes_to_no_endpoint_but_its_own() {
        let own = ["https://api.cloud.seqera.io", "https://cloud.seqera.io/api"].map(str::to_owned);
        let check = |endpoint: &str| check_endpoint(Path::new("/c/config"), endpoint, &own);
        for fine in ["https://cloud.seqera.io/api", "https://API.cloud.seqera.io/", "", "-"] {
            assert!(check(fine).is_ok(), "{fine}");
        }
        let failure = check("https://b.test/api").unwrap_err();
        assert_eq!((failure.exit, failure.reason.as_str()), (2, "MISCONFIGURED"));
        for part in ["https://b.test/api", "/c/config", &own[0]] {
            assert!(failure.message.contains(part), "{failure:?}");
        }
        assert!(check_endpoint(Path::new("/c/config"), "https://b.test", &[]).is_ok(), "no Platform's token");
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
