use super::*;

fn read(yaml: &str, variables: &[(&str, &str)]) -> Configuration {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Configuration::read(yaml, variables).unwrap()
}

#[test]
fn the_environment_beats_the_file_and_an_empty_variable_counts_as_not_set() {
    let yaml = "tower:\n  admin:\n    root-users: \"1,ada@sandbox.test\"\n  auth:\n    disable-email: true\n";
    let configuration = read(yaml, &[("TOWER_ROOT_USERS", "2"), ("TOWER_AUTH_DISABLE_EMAIL", "")]);
    assert_eq!(configuration.list(ROOT_USERS).unwrap(), ["2"]);
    assert!(configuration.flag(DISABLE_EMAIL).unwrap());
    assert_eq!(read(yaml, &[]).list(ROOT_USERS).unwrap(), ["1", "ada@sandbox.test"]);
}

#[test]
fn nested_keys_dotted_keys_and_lists_are_found_by_their_path() {
    let yaml = "mail:\n  smtp:\n    starttls.required: true\n    port: 1025\n\
                tower:\n  auth:\n    oidc:\n      allow-list:\n        - \"*@a.test\"\n        - b@c.test\n";
    let configuration = read(yaml, &[]);
    assert!(configuration.flag(SMTP_STARTTLS).unwrap());
    assert_eq!(configuration.text(SMTP_PORT), Some("1025"));
    assert_eq!(configuration.list(OIDC_ALLOW).unwrap(), ["*@a.test", "b@c.test"]);
    assert_eq!(configuration.list(GITHUB_ALLOW), None);
}

#[test]
fn variables_of_other_programs_are_no_configuration() {
    assert!(read("", &[("TOWER_ACCESS_TOKEN", "secret"), ("HOME", "/")]).is_empty());
    assert!(!read("", &[("TOWER_JWT_SECRET", "s")]).is_empty());
}

#[test]
fn what_does_not_fit_is_told_with_both_names_and_secrets_are_never_shown() {
    let configuration = read("", &[("TOWER_AUTH_DISABLE_EMAIL", "perhaps"), ("TOWER_JWT_SECRET", "hush")]);
    let told = configuration.flag(DISABLE_EMAIL).unwrap_err().to_string();
    assert!(told.contains("TOWER_AUTH_DISABLE_EMAIL") && told.contains("tower.auth.disable-email"), "{told}");
    assert!(!format!("{configuration:?}").contains("hush"));
}

#[test]
fn broken_yaml_is_told_with_its_line() {
    let error = Configuration::read("tower:\n  auth: [1\n", []).unwrap_err().to_string();
    assert!(error.contains("line"), "{error}");
    assert!(
        Configuration::read("tower:\n  auth: [[1]]\n", []).unwrap_err().to_string().contains("tower.auth")
    );
}
