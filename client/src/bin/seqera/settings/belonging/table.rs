//! The table that the libraries for Python and Node.js are held to: `tests/conformance/belonging.json`. They have these
//! rules once more in their own words, since a token of the environment needs no command.

use std::collections::BTreeMap;

use seqera_client::proto::values::address;
use serde_json::{Value, json};

use super::*;
use crate::settings::config;
use crate::settings::setting::{CLOUD_AUTHORITY, in_the_clear, same_origin};

/// What each letter of an answer stands for: the places that a token is tried at.
const PLACES: [(char, &str); 5] = [
    ('a', "https://a.test"),
    ('b', "https://b.test"),
    ('c', "https://cloud.seqera.io"),
    ('i', "http://a.test"),
    ('l', "http://127.0.0.1:8000"),
];

const A: &str = "https://a.test/api";
const B: &str = "https://b.test/api";
const API: &str = "https://api.cloud.seqera.io";
const LOCAL: &str = "http://127.0.0.1:8000/api";
/// To be read as A by whoever reads it at all.
const SPELLED: &str = " HTTPS://A.test:443/api/ ";
const OPEN: &str = "http://a.test/api";
const ODD: &str = "ftp://a.test";

/// What a variable may hold, by its name; empty: it is not set. The table has every combination.
const VALUES: [(&str, &[&str]); 5] = [
    ("TOWER_API_ENDPOINT", &["", A, B, API, OPEN, ODD]),
    ("SEQERA_API_ENDPOINT", &["", A, B, "a.test"]),
    ("SEQERA_AUTH_DOMAIN", &["", A, LOCAL, ODD]),
    ("SEQERA_PLATFORM_API_URL", &["", SPELLED, B, OPEN]),
    // Not a variable but the key at the top of the file.
    ("authDomain", &["", A, B, "https://ada:x@a.test"]),
];

/// Where the token is: variables, and with `FILE` the lines of the file that `SEQERA_ACCESS_TOKEN_FILE` names.
const TOKENS: [&[(&str, &str)]; 8] = [
    &[("TOWER_ACCESS_TOKEN", "t")],
    &[("SEQERA_ACCESS_TOKEN", "t")],
    &[("SEQERA_ACCESS_TOKEN", "t"), ("TOWER_ACCESS_TOKEN", "t")],
    &[("SEQERA_ACCESS_TOKEN", "t"), ("TOWER_ACCESS_TOKEN", "another")],
    &[("FILE", "t\n")],
    &[("FILE", "t\n# seqera token file\n")],
    &[("FILE", "t\n# seqera token file\nauthority=https://b.test/api\n")],
    &[("FILE", "t\n# seqera token file\nauthority=https://b.test/api\napi=https://a.test\n")],
];

/// Every combination, the last of the values changing first.
fn combinations() -> Vec<BTreeMap<&'static str, &'static str>> {
    let mut all = vec![BTreeMap::new()];
    for (name, values) in VALUES {
        let each = |set: BTreeMap<_, _>| {
            values.iter().map(move |value| {
                let mut set = set.clone();
                set.insert(name, *value);
                set
            })
        };
        all = all.into_iter().flat_map(each).collect();
    }
    all
}

/// Where the command sends the token of `env`.
fn goes(env: &Env, top: &str) -> Result<Vec<String>, Failure> {
    env.check()?;
    let token = env.token()?.expect("each row has one");
    if token.variable == TOKEN_FILE {
        env.stand_by_file();
    }
    // As `config::read`: a mistake in the file may concern the very value that is meant.
    let config = config::of(&json!({ "authDomain": top }).to_string());
    if !config.mistakes.is_empty() {
        return Ok(Vec::new());
    }
    let found = Settings::of_token(&token, env, &config)?;
    let authority = found.authority.map_or(CLOUD_AUTHORITY.to_owned(), |set| set.text);
    Ok([Some(authority), found.api_url.map(|set| set.text)].into_iter().flatten().collect())
}

fn letters(places: &[String]) -> String {
    let safe: Vec<_> = places.iter().filter(|place| !in_the_clear(place)).collect();
    let at = |place: &str| safe.iter().any(|safe| same_origin(safe, place));
    let found: String = PLACES.iter().filter(|(_, place)| at(place)).map(|(letter, _)| *letter).collect();
    if found.is_empty() { "-".into() } else { found }
}

/// One word for each combination: the letters of the places.
fn row(token: &'static [(&'static str, &'static str)], folder: &tempfile::TempDir) -> Vec<String> {
    let path = folder.path().join("token");
    if let ("FILE", lines) = token[0] {
        std::fs::write(&path, lines).unwrap();
    }
    let word = |set: BTreeMap<&'static str, &'static str>| {
        let (path, top) = (path.clone(), set["authDomain"]);
        let env = Env::reading(move |name| {
            let of_token = token.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into());
            match (name, token[0].0) {
                (TOKEN_FILE, "FILE") => Some(path.clone().into()),
                _ => of_token.or_else(|| set.get(name).map(|value| (*value).into())),
            }
        });
        goes(&env, top).map_or("-".into(), |places| letters(&places))
    };
    combinations().into_iter().map(word).collect()
}

/// Addresses as people type them, with the origin that each has.
const READ: [(&str, &str); 20] = [
    ("https://a.test/api", "https://a.test"),
    (" HTTPS://A.TEST:443/api/ ", "https://a.test"),
    ("https://a.test:/api//", "https://a.test"),
    ("https://a.test:0443", "https://a.test"),
    ("https://A.test./api", "https://a.test"),
    ("\u{feff}https://a.test/api\n", "https://a.test"),
    ("\"https://a.test/api\"", "https://a.test"),
    ("<https://a.test/api>", "https://a.test"),
    ("https://a.test/./x/../api", "https://a.test"),
    ("a.test/api", "https://a.test"),
    ("A.Test:443/api/", "https://a.test"),
    ("https://a.test:8443/", "https://a.test:8443"),
    ("http://LOCALHOST:80/x", "http://localhost"),
    ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
    ("https://[2001:DB8:0:0::1]:8443", "https://[2001:db8::1]:8443"),
    ("localhost:8000", "https://localhost:8000"),
    ("https://host/api", "https://host"),
    ("https://a_b.test/a@b", "https://a_b.test"),
    ("https://a.test/gr\u{fc}n", "https://a.test"),
    ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
];

/// What is no address.
const REFUSED: [&str; 37] = [
    "",
    " \n",
    "https://",
    "https:///api",
    "https:a.test",
    "https:/a.test",
    "https//a.test",
    "no address",
    "https://a.te\nst",
    "https://a.test/\u{7}",
    "production",
    "ftp://a.test",
    "file:///x",
    "javascript:alert(1)",
    "https://https://a.test",
    "a.test/x://y",
    "https://a.test:x",
    "https://a.test:65536",
    "https://a.test:0",
    "https://::1/api",
    "https://[::1",
    "https://[fe80::1%25eth0]",
    "https://1.2.3",
    "https://0x7f.1",
    "https://256.1.1.1",
    "https://a..test",
    "https://a%2etest",
    "https://*.a.test",
    "https://a.test/api?x=1",
    "https://a.test/#/login",
    "https:\\\\a.test",
    "https://a.test\\@b.test",
    "https://a.test/{id}",
    "https://ada:x@a.test",
    "https:/ada:x@a.test",
    "https:///ada:x@a.test",
    "ada@a.test/api",
];

/// Words that repeat are written once, with how often: `-*12`.
fn packed(words: &[String]) -> String {
    let runs = words.chunk_by(|one, next| one == next);
    let runs = runs.map(|run| match run {
        [word] => word.clone(),
        run => format!("{}*{}", run[0], run.len()),
    });
    runs.collect::<Vec<_>>().join(" ")
}

fn object(pairs: &[(&'static str, &'static str)]) -> BTreeMap<&'static str, &'static str> {
    pairs.iter().copied().collect()
}

fn table() -> Value {
    let folder = tempfile::tempdir().unwrap();

    let rows = TOKENS.map(|token| json!({"token": object(token), "goes": packed(&row(token, &folder))}));
    let places = PLACES.map(|(letter, place)| (letter.to_string(), place));
    json!({
        "about": "README.md says what this is; SEQERA_WRITE_TABLE=1 cargo test -p seqera-client belonging writes it",
        "addresses": {"read": object(&READ), "refused": REFUSED.to_vec()},
        "places": BTreeMap::from(places),
        "values": VALUES.map(|(name, values)| json!({"name": name, "values": values})),
        "rows": rows,
    })
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a wish of whoever runs the test, and no setting")]
fn the_libraries_are_held_to_what_the_command_does() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/conformance/belonging.json");
    let table = table();
    if std::env::var_os("SEQERA_WRITE_TABLE").is_some() {
        std::fs::write(path, format!("{}\n", serde_json::to_string_pretty(&table).unwrap())).unwrap();
    }
    let known = std::fs::read_to_string(path).unwrap_or_default();
    let known: Value = serde_json::from_str(&known).unwrap_or_default();
    assert!(
        known == table,
        "other rules than the libraries': run this with SEQERA_WRITE_TABLE=1, and their tests"
    );
}

#[test]
fn the_addresses_of_the_table_are_read_as_it_says() {
    for (typed, place) in READ {
        let spelled = address::read(typed).unwrap_or_else(|odd| panic!("{typed} {odd}"));
        let rest = spelled.strip_prefix(place).unwrap_or_else(|| panic!("{typed}: {spelled}"));
        assert!(rest.is_empty() || rest.starts_with('/'), "{typed}: {spelled}");
    }
    for odd in REFUSED {
        assert!(address::read(odd).is_err(), "{odd:?}");
    }
}
