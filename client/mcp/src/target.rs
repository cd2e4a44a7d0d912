//! Where a token may go: to Seqera's own server if it is a token of Cloud, and to the server that the person's own
//! file names for the profile at this authority. An address on the command line is no consent, since it may stand in the
//! configuration of a repository that was cloned; nor is anything that a server says. A profile's name is none either:
//! the name can have another account tomorrow. A token of a variable has no profile, and goes by its authority alone.

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

/// The section of the file that is about a token: that of its profile, and for one without a profile that which names a
/// server for its authority. Empty: there is none.
///
/// # Errors
/// Several name different servers.
pub(crate) fn section<'a>(
    profile: &'a str,
    authority: &str,
    file: &'a Configuration,
) -> Result<&'a str, Problem> {
    if !profile.is_empty() || authority.is_empty() {
        return Ok(profile);
    }
    let url = |name: &str| file.of_profile(name, KEY).filter(|url| !url.is_empty());
    let is_its =
        |name: &&str| url(name).is_some() && owner(name, file).is_some_and(|owner| is_same(owner, authority));
    let found: Vec<&str> = file.profiles().filter(is_its).collect();
    let Some((first, rest)) = found.split_first() else { return Ok("") };
    match rest.iter().find(|name| url(name) != url(first)) {
        None => Ok(first),
        Some(other) => {
            let path = file.path.display();
            let what = format!(
                "{path} names different MCP servers for {authority}, as '{KEY}' of profile '{first}' and of '{other}'"
            );
            Err(refused(
                what,
                format!("leave one of them, or name the profile: seqera mcp --profile {first}"),
            ))
        }
    }
}

/// The authority that the addresses of a section are for: its own, else the file's.
fn owner<'a>(section: &str, file: &'a Configuration) -> Option<&'a str> {
    let owners = [file.of_profile(section, "authority"), file.text("authDomain")];
    owners.into_iter().flatten().find(|owner| !owner.is_empty())
}

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
    let own = own(section(profile, authority, file)?, authority, file)?;
    let built_in = is_cloud(authority).then(|| Url::parse(BUILT_IN).expect("it is an address"));
    let consent = consent(profile, authority, file);
    let whose = match profile {
        "" => format!("a token without a profile, whose authority is {authority}"),
        profile => format!("profile '{profile}', whose authority is {authority}"),
    };
    if asked.is_empty() {
        return match own.or(built_in.map(Ok)) {
            Some(known) => known.map_err(|what| refused(what, consent)),
            None if authority.is_empty() => {
                let hint = "set SEQERA_AUTH_DOMAIN to https://<host>/api of its Platform";
                Err(refused("it is not known whose the token is, and it is sent nowhere".into(), hint.into()))
            }
            None => Err(refused(format!("no MCP server is known for {whose}"), consent)),
        };
    }
    let asked = parsed(asked).map_err(|odd| refused(format!("the address {odd}"), String::new()))?;
    let own = own.and_then(Result::ok);
    match own.iter().chain(&built_in).any(|known| known.origin() == asked.origin()) {
        true => Ok(asked),
        false => {
            let asked = asked.origin().ascii_serialization();
            let whose = if profile.is_empty() { whose } else { format!("profile '{profile}'") };
            let what = format!("{asked} is not the MCP server of {whose}, and gets no token");
            Err(refused(what, consent))
        }
    }
}

/// The address that a section names, or why it is not one for this authority.
fn own(section: &str, authority: &str, file: &Configuration) -> Result<Option<Result<Url, String>>, Problem> {
    let Some(text) = file.of_profile(section, KEY).filter(|url| !url.is_empty()) else { return Ok(None) };
    let place = format!("{}: '{KEY}' of profile '{section}'", file.path.display());
    let url = parsed(text).map_err(|odd| refused(format!("{place} {odd}"), String::new()))?;
    // As for the other addresses of a section: its own authority, else the file's, else that of its own origin.
    let owner = owner(section, file);
    let at_its_origin = Url::parse(authority).is_ok_and(|authority| authority.origin() == url.origin());
    if at_its_origin || owner.is_some_and(|owner| is_same(owner, authority)) {
        return Ok(Some(Ok(url)));
    }
    let set = owner.map_or("without an authority".to_owned(), |owner| format!("which was set for {owner}"));
    Ok(Some(Err(format!("{place} is {url}, {set}: the token of {authority} does not go there"))))
}

/// How the person says where tokens may go.
fn consent(profile: &str, authority: &str, file: &Configuration) -> String {
    let section = format!("{{\"authority\": \"{authority}\", \"{KEY}\": …}}");
    // The file has no section for a token that a variable holds, and goes by its authority.
    let name = if profile.is_empty() { "any-name" } else { profile };
    let place = file.path.display();
    format!(
        "if you trust it with this account, write {{\"profiles\": {{\"{name}\": {section}}}}} into {place}"
    )
}

fn refused(what: String, hint: String) -> Problem {
    Problem::new("MISCONFIGURED", 2, what, hint)
}

fn is_cloud(authority: &str) -> bool {
    CLOUD.contains(&address::recorded(authority).as_str())
}

fn is_same(one: &str, other: &str) -> bool {
    address::same(one, other) || (is_cloud(one) && is_cloud(other))
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

    const CORP: &str = "https://corp.test/api";

    fn chosen(asked: &str, profile: &str, authority: &str) -> Result<String, String> {
        let text = r#"{"profiles": {
            "work": {"authority": "https://corp.test/api", "mcpUrl": "https://mcp.corp.test/mcp"},
            "clear": {"authority": "https://corp.test/api", "mcpUrl": "http://mcp.corp.test"},
            "bare": {"mcpUrl": "https://mcp.corp.test/mcp"}, "near": {"mcpUrl": "https://corp.test/mcp"},
            "own": {"authority": "https://cloud.seqera.io/api", "mcpUrl": "http://127.0.0.1:8080/mcp"}}}"#;
        by(text, asked, profile, authority)
    }

    fn by(text: &str, asked: &str, profile: &str, authority: &str) -> Result<String, String> {
        let file = Configuration::parse(text, "/c/config.json".into()).expect("an object");
        choose(asked, profile, authority, &file).map(String::from).map_err(|problem| problem.message)
    }

    #[test]
    fn a_token_goes_to_the_built_in_server_only_if_it_is_clouds() {
        for authority in
            ["https://cloud.seqera.io/api", "https://CLOUD.seqera.io/api/", "https://api.cloud.seqera.io"]
        {
            assert_eq!(chosen("", "default", authority).as_deref(), Ok(BUILT_IN), "{authority}");
        }
        for authority in [
            "",
            "https://corp.test/api",
            "https://cloud.seqera.io.evil.test/api",
            "https://cloud.seqera.io/other",
        ] {
            assert!(chosen("", "default", authority).is_err(), "{authority}");
            assert!(chosen(BUILT_IN, "default", authority).is_err(), "{authority}");
        }
    }

    #[test]
    fn the_persons_file_names_another_and_an_argument_names_none() {
        assert_eq!(chosen("", "work", CORP).as_deref(), Ok("https://mcp.corp.test/mcp"));
        assert_eq!(
            chosen("", "own", "https://api.cloud.seqera.io").as_deref(),
            Ok("http://127.0.0.1:8080/mcp")
        );
        let same = chosen("https://mcp.corp.test/other", "work", CORP);
        assert_eq!(same.as_deref(), Ok("https://mcp.corp.test/other"));
        let refused = |asked: &str, profile: &str| chosen(asked, profile, CORP).unwrap_err();
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
        assert!(chosen("https://evil.test/mcp", "default", "https://cloud.seqera.io/api").is_err());
    }

    #[test]
    fn a_token_of_a_variable_goes_to_the_server_that_the_file_names_for_its_authority() {
        let text = r#"{"profiles": {
            "a": {"authority": "https://a.test/api", "mcpUrl": "https://mcp.a.test/mcp"},
            "again": {"authority": "https://A.test:443/api/", "mcpUrl": "https://mcp.a.test/mcp"},
            "bare": {"authority": "https://bare.test/api"}, "cloud": {"mcpUrl": "https://mcp.a.test/cloud"},
            "one": {"authority": "https://b.test/api", "mcpUrl": "https://one.b.test/mcp"},
            "two": {"authority": "https://b.test/api", "mcpUrl": "https://two.b.test/mcp"}}}"#;
        let of = |asked: &str, authority: &str| by(text, asked, "", authority);
        assert_eq!(of("", "https://a.test/api").as_deref(), Ok("https://mcp.a.test/mcp"));
        assert_eq!(of("https://mcp.a.test/x", "https://a.test/api").as_deref(), Ok("https://mcp.a.test/x"));
        assert_eq!(of("", "https://cloud.seqera.io/api").as_deref(), Ok(BUILT_IN));
        for other in
            ["https://bare.test/api", "https://mcp.a.test", "https://a.test/b", "https://x.test/api", ""]
        {
            assert!(of("", other).is_err(), "{other}");
        }
        assert!(of("https://mcp.a.test/mcp", "https://x.test/api").unwrap_err().contains("gets no token"));
        let two = of("", "https://b.test/api").unwrap_err();
        assert!(two.contains("'one'") && two.contains("'two'"), "{two}");
        // The section of the file's own authority.
        let top = text.replacen('{', r#"{"authDomain": "https://c.test/api", "#, 1);
        assert_eq!(by(&top, "", "", "https://c.test/api").as_deref(), Ok("https://mcp.a.test/cloud"));
        // A session goes by its profile.
        assert!(by(text, "", "home", "https://a.test/api").is_err());
    }

    #[test]
    fn an_address_belongs_to_the_authority_that_it_was_set_for_and_not_to_the_name_of_a_profile() {
        for other in ["https://other.test/api", "https://cloud.seqera.io/api", "https://corp.test/b", ""] {
            let refused = chosen("", "work", other).unwrap_err();
            assert!(refused.contains("set for https://corp.test/api"), "{refused}");
            assert!(chosen("https://mcp.corp.test/mcp", "work", other).is_err(), "{other}");
        }
        assert_eq!(
            chosen("", "work", "https://CORP.test:443/api/").as_deref(),
            Ok("https://mcp.corp.test/mcp")
        );
        assert!(chosen("", "bare", CORP).unwrap_err().contains("without an authority"));
        assert_eq!(chosen("", "near", CORP).as_deref(), Ok("https://corp.test/mcp"), "its own origin");
        assert!(chosen("", "near", "https://other.test/api").is_err());
        let top = r#"{"authDomain": "https://corp.test/api",
            "profiles": {"bare": {"mcpUrl": "https://mcp.corp.test/mcp"}}}"#;
        assert_eq!(by(top, "", "bare", CORP).as_deref(), Ok("https://mcp.corp.test/mcp"));
        assert!(by(top, "", "bare", "https://other.test/api").is_err());
    }
}
