//! Where a token may go: to Seqera's own server if it is a token of Cloud, and to the server that the person's own
//! file names for the profile. An address on the command line is no consent, since it may stand in the configuration
//! of a repository that was cloned; nor is anything that a server says.

use reqwest::Url;
use seqera_client::proto::configuration::Configuration;
use seqera_client::proto::values::address;

use crate::problem::Problem;

/// Cloud's server.
pub(crate) const BUILT_IN: &str = "https://mcp.seqera.io/mcp";

/// The key in a profile's section of `config.json`.
pub(crate) const KEY: &str = "mcpUrl";

/// Cloud's authority, and the other address of its API.
const CLOUD: [&str; 2] = ["https://cloud.seqera.io/api", "https://api.cloud.seqera.io"];

/// The address for a token of this profile at this authority. `asked`: that of the command line, or empty.
///
/// # Errors
/// No server is known for the profile, or another one was asked for.
pub(crate) fn choose(
    asked: &str,
    profile: &str,
    authority: &str,
    file: &Configuration,
) -> Result<Url, Problem> {
    let refused = |what: String, hint: String| Problem::new("MISCONFIGURED", 2, what, hint);
    let own = file.of_profile(profile, KEY).filter(|url| !url.is_empty());
    let place = file.path.display();
    let own = own.map(|url| {
        parsed(url)
            .map_err(|odd| refused(format!("{place}: '{KEY}' of profile '{profile}' {odd}"), String::new()))
    });
    let own = own.transpose()?;
    let is_cloud = authority.is_empty() || CLOUD.contains(&address::recorded(authority).as_str());
    let built_in = is_cloud.then(|| Url::parse(BUILT_IN).expect("it is an address"));
    let name = if profile.is_empty() { "NAME" } else { profile };
    let consent = format!(
        "if you trust it with this account, write {{\"profiles\": {{\"{name}\": {{\"{KEY}\": …}}}}}} into {place}"
    );
    if asked.is_empty() {
        let known = own.or(built_in);
        return known.ok_or_else(|| {
            let what =
                format!("no MCP server is known for profile '{profile}', whose authority is {authority}");
            refused(what, consent)
        });
    }
    let asked = parsed(asked).map_err(|odd| refused(format!("the address {odd}"), String::new()))?;
    match own.iter().chain(&built_in).any(|known| known.origin() == asked.origin()) {
        true => Ok(asked),
        false => {
            let asked = asked.origin().ascii_serialization();
            Err(refused(
                format!("{asked} is not the MCP server of profile '{name}', and gets no token"),
                consent,
            ))
        }
    }
}

/// An address to which a token can go: over TLS, or on this machine.
fn parsed(text: &str) -> Result<Url, String> {
    let text = address::read(text)?;
    let url = Url::parse(&text).map_err(|_| "is not valid".to_owned())?;
    match url.scheme() == "https" || is_this_machine(&url) {
        true => Ok(url),
        false => Err(format!("is {url}, where the token would go unencrypted; use https")),
    }
}

/// True for addresses that never leave this machine.
pub(crate) fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(asked: &str, profile: &str, authority: &str) -> Result<String, String> {
        let text = r#"{"profiles": {"work": {"mcpUrl": "https://mcp.corp.test/mcp"},
            "clear": {"mcpUrl": "http://mcp.corp.test"}, "own": {"mcpUrl": "http://127.0.0.1:8080/mcp"}}}"#;
        let file = Configuration::parse(text, "/c/config.json".into()).expect("an object");
        choose(asked, profile, authority, &file).map(String::from).map_err(|problem| problem.message)
    }

    #[test]
    fn a_token_goes_to_the_built_in_server_only_if_it_is_clouds() {
        for authority in
            ["", "https://cloud.seqera.io/api", "https://CLOUD.seqera.io/api/", "https://api.cloud.seqera.io"]
        {
            assert_eq!(chosen("", "default", authority).as_deref(), Ok(BUILT_IN), "{authority}");
        }
        for authority in [
            "https://corp.test/api",
            "https://cloud.seqera.io.evil.test/api",
            "https://cloud.seqera.io/other",
        ] {
            assert!(chosen("", "default", authority).is_err(), "{authority}");
        }
    }

    #[test]
    fn the_persons_file_names_another_and_an_argument_names_none() {
        assert_eq!(chosen("", "work", "https://corp.test/api").as_deref(), Ok("https://mcp.corp.test/mcp"));
        assert_eq!(chosen("", "own", "").as_deref(), Ok("http://127.0.0.1:8080/mcp"));
        let same = chosen("https://mcp.corp.test/other", "work", "https://corp.test/api");
        assert_eq!(same.as_deref(), Ok("https://mcp.corp.test/other"));
        let refused =
            |asked: &str, profile: &str| chosen(asked, profile, "https://corp.test/api").unwrap_err();
        for asked in [
            "https://evil.test/mcp",
            "https://mcp.corp.test.evil.test/mcp",
            "http://mcp.corp.test/mcp",
            "https://mcp.corp.test:444/mcp",
            "https://user@mcp.corp.test/mcp",
            BUILT_IN,
        ] {
            refused(asked, "work");
        }
        assert!(refused("https://mcp.corp.test/mcp", "other").contains("gets no token"));
        assert!(refused("", "clear").contains("unencrypted"));
        assert!(chosen("https://evil.test/mcp", "default", "").is_err());
    }
}
