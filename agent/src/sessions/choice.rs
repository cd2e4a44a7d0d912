//! Which organisation and workspace a profile has chosen, what a login makes of an earlier choice, and what a
//! name means that a person has typed. Pure: the lists come from the Platform, the choice goes into the record.

use crate::error::{AgentError, ErrorKind};
use crate::storage::record::Record;
use crate::token::{Memberships, Organization, Workspace};

/// More names than this do not help who has mistyped one.
const NAMED: usize = 8;

/// What can be chosen by an id or a name.
pub(crate) trait Named {
    /// The command that chooses it, which is what a person calls it.
    const COMMAND: &'static str;
    /// The word for it in a sentence.
    const WORD: &'static str;
    /// The Platform's id.
    fn id(&self) -> i64;
    /// The names that stand for it alone.
    fn names(&self) -> Vec<String>;
    /// The name that people gave it, which others may have as well.
    fn full_name(&self) -> &str;
    /// Name and id: what tells it from all others.
    fn label(&self) -> String {
        format!("{} ({})", self.names().pop().unwrap_or_default(), self.id())
    }
}

impl Named for Organization {
    const COMMAND: &'static str = "org";
    const WORD: &'static str = "organization";

    fn id(&self) -> i64 {
        self.id
    }

    fn names(&self) -> Vec<String> {
        vec![self.name.clone()]
    }

    fn full_name(&self) -> &str {
        &self.full_name
    }
}

impl Named for Workspace {
    const COMMAND: &'static str = "workspace";
    const WORD: &'static str = "workspace";

    fn id(&self) -> i64 {
        self.id
    }

    fn names(&self) -> Vec<String> {
        vec![self.name.clone(), format!("{}/{}", self.organization.name, self.name)]
    }

    fn full_name(&self) -> &str {
        &self.full_name
    }
}

/// The one that `wanted` means: an id before a name, an exact name before one that differs in case or spaces.
///
/// # Errors
/// `BAD_REQUEST` that lists the ids where several fit, and all that there are where none does.
pub(crate) fn find<'a, T: Named>(
    all: impl Iterator<Item = &'a T> + Clone,
    wanted: &str,
) -> Result<&'a T, AgentError> {
    let id: Option<i64> = wanted.trim().parse().ok();
    let folded = fold(wanted);
    let by_id: Vec<_> = all.clone().filter(|one| Some(one.id()) == id).collect();
    let exact: Vec<_> = all.clone().filter(|one| one.names().iter().any(|name| name == wanted)).collect();
    let like = |one: &&T| {
        one.names().iter().any(|name| fold(name) == folded)
            || (!one.full_name().is_empty() && fold(one.full_name()) == folded)
    };
    for fitting in [by_id, exact, all.clone().filter(like).collect()] {
        match fitting.as_slice() {
            [] => {}
            [one] => return Ok(one),
            several => return Err(ambiguous(wanted, several)),
        }
    }
    Err(unknown(wanted, &all.collect::<Vec<_>>()))
}

/// Lower case, with one space where there are several and none at the ends.
fn fold(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

fn ambiguous<T: Named>(wanted: &str, fitting: &[&T]) -> AgentError {
    let message = format!("{wanted:?} means {} {}s: {}", fitting.len(), T::WORD, labels(fitting));
    AgentError::new(ErrorKind::BadRequest, message, "give the id instead of the name")
}

fn unknown<T: Named>(wanted: &str, all: &[&T]) -> AgentError {
    let hint = match all {
        [] => format!("this account has no {}", T::WORD),
        some => format!("yours are {}", labels(some)),
    };
    AgentError::new(ErrorKind::BadRequest, format!("you have no {} {wanted:?}", T::WORD), hint)
}

fn labels<T: Named>(all: &[&T]) -> String {
    let mut labels: Vec<_> = all.iter().take(NAMED).map(|one| one.label()).collect();
    if all.len() > NAMED {
        labels.push(format!("and {} more", all.len() - NAMED));
    }
    labels.join(", ")
}

/// The workspace that `wanted` means, of the chosen organisation where one is chosen: what is billed does not
/// change behind the person's back.
///
/// # Errors
/// As [`find`], and where it is of another organisation.
pub(crate) fn find_workspace<'a>(
    all: &'a [Workspace],
    organization: Option<&Organization>,
    wanted: &str,
) -> Result<&'a Workspace, AgentError> {
    let here = |one: &&Workspace| organization.is_none_or(|chosen| chosen.id == one.organization.id);
    find(all.iter().filter(here), wanted).map_err(|error| match (find(all.iter(), wanted), organization) {
        (Ok(elsewhere), Some(chosen)) => {
            let (name, theirs) = (&elsewhere.name, &elsewhere.organization.name);
            let message =
                format!("workspace {name} is of organization {theirs}, and {} is chosen", chosen.name);
            let hint = format!("run 'seqera org switch {}' first", elsewhere.organization.id);
            AgentError::new(ErrorKind::BadRequest, message, hint)
        }
        _ => error,
    })
}

/// What is to be chosen for a profile; `None`: nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    /// What is billed.
    Organization(Option<Organization>),
    /// What programs get. Ignored where it is of another organisation than the chosen one: that has changed
    /// since the workspace was looked up.
    Workspace(Option<Workspace>),
}

impl Choice {
    /// Puts it into the record.
    pub(crate) fn apply(self, record: &mut Record) {
        match self {
            Self::Organization(organization) => {
                record.workspace = record.workspace.take().filter(|one| is_of(one, organization.as_ref()));
                record.organization = organization;
                record.organization_is_chosen = true;
            }
            Self::Workspace(Some(one)) if !is_of(&one, record.organization.as_ref()) => {}
            Self::Workspace(workspace) => record.workspace = workspace,
        }
    }
}

/// Any workspace will do where no organisation is chosen.
fn is_of(workspace: &Workspace, organization: Option<&Organization>) -> bool {
    organization.is_none_or(|chosen| chosen.id == workspace.organization.id)
}

/// That the choice of an organisation ends that of the workspace.
pub(crate) fn left(workspace: Option<&Workspace>, organization: Option<&Organization>) -> Option<String> {
    let gone = workspace.filter(|one| !is_of(one, organization))?;
    let (name, theirs) = (&gone.name, &gone.organization.name);
    Some(format!("workspace {name} of {theirs} is no longer chosen"))
}

/// That the Platform does not list what was chosen.
pub(crate) fn vanished<T: Named>(chosen: Option<&T>, all: &[T]) -> Option<String> {
    let gone = chosen.filter(|chosen| all.iter().all(|one| one.id() != chosen.id()))?;
    Some(format!("{} {} is not among yours any more", T::WORD, gone.label()))
}

/// The same, where it stays chosen.
fn kept<T: Named>(chosen: Option<&T>, all: &[T]) -> Option<String> {
    let command = T::COMMAND;
    vanished(chosen, all).map(|gone| format!("{gone}; 'seqera {command} switch' chooses another"))
}

/// What a login leaves chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AtLogin {
    /// What is billed.
    pub organization: Option<Organization>,
    /// The person has said so, now or before.
    pub organization_is_chosen: bool,
    /// What programs get.
    pub workspace: Option<Workspace>,
    /// Sentences for the person.
    pub notes: Vec<String>,
}

/// What a login leaves chosen. `wanted` is the organisation that the person asks for, `former` what is recorded
/// of the same account. What the person chose is kept, even where the Platform does not list it now: it may
/// come back, and a silent successor would be billed.
pub(crate) fn at_login(
    memberships: Option<&Memberships>,
    wanted: Option<&str>,
    former: Option<&Record>,
) -> AtLogin {
    let former = former.cloned().unwrap_or_default();
    let mut chosen = AtLogin {
        organization: former.organization,
        organization_is_chosen: former.organization_is_chosen,
        ..AtLogin::default()
    };
    if let Some(Memberships { organizations, .. }) = memberships {
        match wanted.map(|wanted| find(organizations.iter(), wanted)) {
            Some(Ok(found)) => {
                (chosen.organization, chosen.organization_is_chosen) = (Some(found.clone()), true);
            }
            Some(Err(error)) => chosen.notes.push(format!("{error}; {}", error.hint())),
            None => chosen.review(organizations),
        }
    }
    chosen.notes.extend(left(former.workspace.as_ref(), chosen.organization.as_ref()));
    chosen.workspace = former.workspace.filter(|one| is_of(one, chosen.organization.as_ref()));
    if let Some(workspaces) = memberships.and_then(|belongs| belongs.workspaces.as_ref()) {
        chosen.notes.extend(kept(chosen.workspace.as_ref(), workspaces));
        chosen.workspace = chosen.workspace.map(|old| current(old, workspaces));
    }
    chosen
}

impl AtLogin {
    /// Nobody asks for an organisation now: the earlier one stays, and the first is taken where there is none.
    fn review(&mut self, organizations: &[Organization]) {
        self.notes.extend(kept(self.organization.as_ref(), organizations));
        let listed = |old: &Organization| organizations.iter().any(|one| one.id == old.id);
        self.organization = match self.organization.take() {
            Some(old) if self.organization_is_chosen || listed(&old) => Some(current(old, organizations)),
            None if self.organization_is_chosen => None,
            Some(_) | None => organizations.first().cloned(),
        };
    }
}

/// As it is called now.
fn current<T: Named + Clone>(old: T, all: &[T]) -> T {
    all.iter().find(|one| one.id() == old.id()).cloned().unwrap_or(old)
}

#[cfg(test)]
mod tests;
