//! The users of the sandbox, with their organisations and workspaces.

use serde::{Deserialize, Serialize};

/// A person who can sign in. Everybody here is invented.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct User {
    /// The Platform's id, which is also the `sub` of ID tokens.
    pub id: u64,
    /// Short name, such as `ada`.
    pub user_name: String,
    /// E-mail address, such as `ada@sandbox.test`.
    pub email: String,
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// Memberships. May be empty.
    #[serde(default)]
    pub organizations: Vec<Organization>,
}

/// An organisation, as one of its members sees it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Organization {
    /// The Platform's id.
    pub id: u64,
    /// Name in URLs.
    pub name: String,
    /// Name for people.
    pub full_name: String,
    /// `owner` or `member`.
    pub role: String,
    /// Its workspaces. May be empty.
    #[serde(default)]
    pub workspaces: Vec<Workspace>,
}

/// A workspace of an organisation.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Workspace {
    /// The Platform's id.
    pub id: u64,
    /// Name in URLs.
    pub name: String,
    /// Name for people.
    pub full_name: String,
}

impl User {
    /// Whether `name` is this person's e-mail address or short name.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.email.eq_ignore_ascii_case(name) || self.user_name == name
    }

    pub(crate) fn full_name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name)
    }
}

/// The two users of a sandbox without settings: `ada@sandbox.test` in two organisations, `grace@sandbox.test`
/// in one of them.
pub(crate) fn residents() -> Vec<User> {
    let genomics = |role: &str| Organization {
        id: 101,
        name: "sandbox-genomics".into(),
        full_name: "Sandbox Genomics".into(),
        role: role.into(),
        workspaces: vec![workspace(1001, "showcase", "Showcase"), workspace(1002, "research", "Research")],
    };
    let proteomics = Organization {
        id: 102,
        name: "sandbox-proteomics".into(),
        full_name: "Sandbox Proteomics".into(),
        role: "member".into(),
        workspaces: vec![workspace(1003, "spectra", "Spectra")],
    };
    vec![
        person(1, "ada", "Ada", "Sandbox-Lovelace", vec![genomics("owner"), proteomics]),
        person(2, "grace", "Grace", "Sandbox-Hopper", vec![genomics("member")]),
    ]
}

fn workspace(id: u64, name: &str, full_name: &str) -> Workspace {
    Workspace { id, name: name.into(), full_name: full_name.into() }
}

fn person(id: u64, name: &str, first: &str, last: &str, organizations: Vec<Organization>) -> User {
    User {
        id,
        user_name: name.into(),
        email: format!("{name}@sandbox.test"),
        first_name: first.into(),
        last_name: last.into(),
        organizations,
    }
}
