//! The file that `nextflow auth login` writes. It is a Groovy program. Only a file of plain settings is read here:
//! if an endpoint is not understood, its token must not go to the one that applies without any.

use std::path::Path;

use secrecy::SecretString;
use seqera_agent_proto::files::{self, Writer};
use seqera_agent_proto::values::{address, text};

use super::groovy::{self, Odd, Value};
use crate::profile::{Profile, canonical};

/// The scope that contains the settings.
const SCOPE: &str = "tower";

/// Nextflow does not write larger files.
const LARGEST: u64 = 64 * 1024;

/// The settings in the file.
#[derive(Default)]
pub(super) struct Settings {
    pub(super) token: Option<SecretString>,
    endpoint: Option<String>,
    /// True if Nextflow renews the token itself.
    renews: bool,
    /// The line that is not understood, if there is a token that might belong anywhere because of it.
    pub(super) odd: Option<usize>,
    /// The endpoint may stand in the file beside this one, in a way that is not understood.
    pub(super) is_elsewhere: bool,
}

impl Settings {
    /// The authority that the token belongs to. If the file names none, it is Cloud, as in Nextflow.
    pub(super) fn authority(&self) -> String {
        let endpoint = self.endpoint.as_deref().unwrap_or(Profile::CLOUD_AUTHORITY);
        canonical(endpoint)
    }

    /// Takes the endpoint from the text of the other file, most of which is about other things.
    fn complete(&mut self, text: &str) {
        if !text.contains("endpoint") {
            return;
        }
        match plain(text) {
            Ok(other) if other.token.is_none() => self.endpoint = other.endpoint,
            _ => self.is_elsewhere = true,
        }
    }

    /// True for a personal access token. A token that expires within the hour, or that two programs would
    /// renew against each other, is not worth keeping
    /// ([Programs that use the token](crate::manual::providers#programs-that-use-the-token)).
    pub(super) fn is_personal(&self) -> bool {
        use secrecy::ExposeSecret;
        let is_jwt = |token: &SecretString| token.expose_secret().matches('.').count() == 2;
        !self.renews && self.token.as_ref().is_some_and(|token| !is_jwt(token))
    }
}

/// Reads the file. A missing file has no settings. If it has a token and no endpoint, the one in `config` beside it
/// counts, which Nextflow reads together with it.
///
/// # Errors
/// If the file exists but cannot be read, is larger than [`LARGEST`], or is not a regular file of this user.
pub(super) fn read(file: &Path) -> Result<Settings, String> {
    let mut settings = alone(file)?;
    if settings.token.is_none() || settings.endpoint.is_some() {
        return Ok(settings);
    }
    let beside = file.with_file_name("config");
    match files::read(&beside, LARGEST, Writer::Person) {
        Ok(bytes) => settings.complete(&String::from_utf8_lossy(&bytes)),
        Err(error) => settings.is_elsewhere = error.kind() != std::io::ErrorKind::NotFound,
    }
    Ok(settings)
}

fn alone(file: &Path) -> Result<Settings, String> {
    match files::read(file, LARGEST, Writer::Person).map(zeroize::Zeroizing::new) {
        Ok(bytes) => Ok(match text::decoded(&bytes).map(zeroize::Zeroizing::new) {
            Ok(text) => parse(&text),
            Err(_) => parse(&String::from_utf8_lossy(&bytes)),
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Settings::default()),
        Err(error) => Err(files::sentence(file, &error)),
    }
}

fn parse(text: &str) -> Settings {
    match plain(text) {
        Ok(settings) => settings,
        Err(Odd(line)) => {
            Settings { odd: text.contains("accessToken").then_some(line), ..Settings::default() }
        }
    }
}

/// The settings, if all that could change them is understood.
fn plain(text: &str) -> Result<Settings, Odd> {
    let mut settings = Settings::default();
    for setting in groovy::settings(text)? {
        let odd = Odd(setting.line);
        let key = match setting.path.as_slice() {
            [SCOPE, key] => *key,
            path if path.contains(&SCOPE) => return Err(odd),
            _ => continue,
        };
        match (key, setting.value) {
            ("accessToken", Value::Text("")) => settings.token = None,
            ("accessToken", Value::Text(_)) if settings.token.is_some() => return Err(odd),
            ("accessToken", Value::Text(value)) => settings.token = Some(SecretString::from(value)),
            ("endpoint", Value::Text(_)) if settings.endpoint.is_some() => return Err(odd),
            ("endpoint", Value::Text(value)) => {
                settings.endpoint = Some(address::read(value).map_err(|_| odd)?);
            }
            ("refreshToken", _) => settings.renews = true,
            ("accessToken" | "endpoint", _) | (_, Value::Computed) => return Err(odd),
            _ => {}
        }
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn token(text: &str) -> Option<String> {
        parse(text).token.map(|token| token.expose_secret().to_owned())
    }

    #[test]
    fn the_file_is_read_as_each_editor_saves_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seqera-auth.config");
        let text = "tower {\r\n  accessToken = 'tok'\r\n  endpoint = 'HTTPS://A.test/api/'\r\n}\r\n";
        let wide = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        for bytes in [format!("\u{feff}{text}").into_bytes(), wide, [text.as_bytes(), b"// \xff"].concat()] {
            std::fs::write(&path, bytes).unwrap();
            let settings = read(&path).unwrap();
            assert_eq!(settings.authority(), "https://a.test/api");
            assert!(settings.token.is_some());
        }
    }

    #[test]
    fn the_token_is_found_as_nextflow_writes_it_and_as_people_do() {
        let written = "// Seqera Platform configuration\ntower {\n    accessToken = 'pat'\n    \
                       endpoint = 'https://host/api/'\n    workspaceId = '7'  // acme / lab\n}\n";
        assert_eq!(token(written).as_deref(), Some("pat"));
        assert_eq!(parse(written).authority(), "https://host/api");
        assert_eq!(token("tower.accessToken = \"pat\" // mine").as_deref(), Some("pat"));
        assert_eq!(parse("tower.accessToken='p'").authority(), Profile::CLOUD_AUTHORITY);
        let cloud = parse("tower.endpoint = 'https://api.cloud.seqera.io'").authority();
        assert_eq!(cloud, Profile::CLOUD_AUTHORITY);
    }

    #[test]
    fn an_endpoint_in_the_other_file_is_the_tokens_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seqera-auth.config");
        let with = |own: &str, other: &str| {
            std::fs::write(&path, own).unwrap();
            std::fs::write(folder.path().join("config"), other).unwrap();
            let settings = read(&path).unwrap();
            (settings.authority(), settings.is_elsewhere)
        };
        let (bare, cloud) = ("tower.accessToken = 'P'", Profile::CLOUD_AUTHORITY.to_owned());
        let b = "https://b.test/api";
        for (own, other, expected) in [
            (bare, "includeConfig 'seqera-auth.config'\nprocess { cpus = { 2 } }", (cloud.clone(), false)),
            (bare, "tower.endpoint = 'https://b.test/api'", (b.to_owned(), false)),
            (bare, "wave.endpoint = 'https://b.test/api'", (cloud.clone(), false)),
            (bare, "includeConfig 'x'\ntower.endpoint = 'https://b.test/api'", (cloud.clone(), true)),
            (bare, "tower { endpoint = host() }", (cloud.clone(), true)),
            (bare, "tower { accessToken = 'x'; endpoint = 'https://b.test/api' }", (cloud, true)),
            (
                "tower { accessToken = 'P'; endpoint = 'https://b.test/api' }",
                "tower.endpoint = f()",
                (b.into(), false),
            ),
        ] {
            assert_eq!(with(own, other), expected, "{own} {other}");
        }
    }

    #[test]
    fn what_is_computed_or_belongs_elsewhere_is_no_token() {
        for text in [
            "tower.accessToken = \"${env.X}\"",
            "tower.accessToken = System.getenv('X')",
            "wave {\n accessToken = 'x'\n}",
            "// tower.accessToken = 'x'",
            "tower {\n other {\n accessToken = 'x'\n }\n}",
            "accessToken = 'x'",
            "tower.accessToken = ''",
        ] {
            assert_eq!(token(text), None, "{text}");
        }
    }

    #[test]
    fn an_endpoint_is_read_in_every_plain_form() {
        for text in [
            "tower { accessToken='P'; endpoint='https://a.test/api' }",
            "tower\n{\n accessToken = 'P'\n 'endpoint' = 'https://a.test/api'\n}",
            "tower { // x\n accessToken = \"\"\"P\"\"\"\n endpoint = '''https://a.test/api'''\n}",
            "tower.accessToken='P'; tower.endpoint = 'https://a.test/api'",
            "/* tower.endpoint = 'https://b.test' */ tower { /*\n endpoint = 'https://b.test'\n*/\n accessToken = 'P'\n \
             endpoint = 'https://A.test/api/' // endpoint = 'https://b.test'\n enabled = true\n workspaceId = 7\n}",
            "wave { endpoint = 'https://b.test' }\ntower { accessToken = 'P' }\ntower { endpoint = 'a.test/api' }",
        ] {
            assert_eq!(parse(text).authority(), "https://a.test/api", "{text}");
            assert_eq!(token(text).as_deref(), Some("P"), "{text}");
            assert_eq!(parse(text).odd, None);
        }
        // Nextflow's line ends at a carriage return, and so does the comment.
        let old = parse("tower.accessToken = 'P' // mine\rtower.endpoint = 'https://a.test/api'\n");
        assert_eq!((old.authority().as_str(), old.odd), ("https://a.test/api", None));
        let commented = parse("tower { accessToken = 'P'\n /* endpoint = 'https://b.test' */ }");
        assert_eq!(commented.authority(), Profile::CLOUD_AUTHORITY);
    }

    #[test]
    fn a_file_that_is_not_understood_has_no_token_for_anybody() {
        for endpoint in [
            "tower.endpoint = \"https://${System.getenv('HOST')}/api\"",
            "tower.endpoint = System.getenv('X') ?: 'https://a.test/api'",
            "tower.endpoint = 'https://a' + '.test'",
            "tower.endpoint = 'https://a.test\\u002e'",
            "tower.endpoint = ''",
            "tower.endpoint = 'no address'",
            "tower.endpoint = 'https://ada:x@a.test'",
            "tower.endpoint = x",
            "tower.endpoint = 'https://a.test'; tower.endpoint = 'https://b.test'",
            "tower.put('endpoint', 'https://a.test')",
            "tower { if (x) { endpoint = 'https://a.test' } }",
            "if (x) { tower.endpoint = 'https://a.test' }",
            "profiles { a { tower.endpoint = 'https://a.test' } }",
            "tower = [endpoint: 'https://a.test']",
            "tower { a { endpoint = 'https://a.test' } }",
            "tower.with { endpoint = 'https://a.test' }",
            "includeConfig 'other.config'",
            "tower { endpoint 'https://a.test' }",
            "tower { endpoint = 'https://a.test'",
        ] {
            let text = format!("tower.accessToken = 'P'\n{endpoint}");
            let settings = parse(&text);
            assert!(settings.token.is_none() && settings.odd == Some(2), "{text} {:?}", settings.odd);
        }
        assert_eq!(parse("if (x) { tower.enabled = true }").odd, None, "there is no token to speak of");
    }

    #[test]
    fn a_session_that_nextflow_renews_is_its_own() {
        assert!(parse("tower.accessToken = 'pat'").is_personal());
        assert!(!parse("tower.accessToken = 'eyJ.eyJ.sig'").is_personal());
        assert!(!parse("tower.accessToken = 'x'\ntower.refreshToken = 'y'").is_personal());
    }

    #[test]
    fn no_file_is_no_token_and_a_folder_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(&folder.path().join("none")).unwrap().token.is_none());
        let refused = |path: &Path| read(path).map(drop).unwrap_err();
        assert!(refused(folder.path()).ends_with(" is a folder, not a file"));
        let large = folder.path().join("large");
        std::fs::File::create(&large).unwrap().set_len(LARGEST + 1).unwrap();
        assert!(refused(&large).ends_with(" has 65537 bytes; 65536 are the limit"));
    }
}
