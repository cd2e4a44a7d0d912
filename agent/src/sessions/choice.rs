//! The organisation and workspace of a profile: how a typed name is looked up, what a choice changes, and what a
//! login keeps of an earlier choice. Pure: the lists come from the Platform, the choice goes into the record.

use crate::error::{AgentError, ErrorKind};
use crate::storage::record::Record;
use crate::token::{Memberships, Organization, Workspace};

/// How many names an error lists. More do not help a person who has mistyped one.
const NAMED: usize = 8;

/// Something that a person can choose by id or name.
pub(crate) trait Named {
    /// The command that makes the choice.
    const COMMAND: &'static str;
    /// The word for it in a sentence.
    const WORD: &'static str;
    fn id(&self) -> i64;
    /// The names that can be typed; at the Platform or in its organisation no other has the same.
    fn names(&self) -> Vec<String>;
    /// The name that people gave it, which others may have as well.
    fn full_name(&self) -> &str;
    /// Name and id, which together are unique.
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
        vec![self.name.to_string()]
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
        vec![self.name.to_string(), format!("{}/{}", self.organization.name, self.name)]
    }

    fn full_name(&self) -> &str {
        &self.full_name
    }
}

/// The one that `wanted` means. An id comes before a name, and an exact name before one that differs in case or
/// spaces.
///
/// # Errors
/// `BAD_REQUEST`, which lists the ids of the matches if there are several, and all choices if there is no match.
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

/// The name in lower case, with single spaces and without spaces at the ends.
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

/// The workspace that `wanted` means. If an organisation is chosen, only its workspaces count: who is billed must
/// not change behind the person's back.
///
/// # Errors
/// The same as [`find`]. If the workspace belongs to another organisation, `BAD_REQUEST` says how to switch.
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
            let hint = format!("run 'seqera org switch {}{{profile}}' first", elsewhere.organization.id);
            AgentError::new(ErrorKind::BadRequest, message, hint)
        }
        _ => error,
    })
}

/// A choice for a profile; `None` clears it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The organisation that gets billed.
    Organization(Option<Organization>),
    /// The workspace that programs use. Ignored if it belongs to another organisation than the chosen one, which
    /// must have changed since the workspace was looked up.
    Workspace(Option<Workspace>),
}

impl Choice {
    /// Writes the choice to the record.
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

/// True if the workspace may be chosen with this organisation. Without an organisation any workspace may.
fn is_of(workspace: &Workspace, organization: Option<&Organization>) -> bool {
    organization.is_none_or(|chosen| chosen.id == workspace.organization.id)
}

/// The note that choosing this organisation clears the choice of a workspace, if it does.
pub(crate) fn left(workspace: Option<&Workspace>, organization: Option<&Organization>) -> Option<String> {
    let gone = workspace.filter(|one| !is_of(one, organization))?;
    let (name, theirs) = (&gone.name, &gone.organization.name);
    Some(format!("workspace {name} of {theirs} is no longer chosen"))
}

/// The note that the Platform does not list what was chosen, if so.
pub(crate) fn vanished<T: Named>(chosen: Option<&T>, all: &[T]) -> Option<String> {
    let gone = chosen.filter(|chosen| all.iter().all(|one| one.id() != chosen.id()))?;
    Some(format!("{} {} is no longer one of yours", T::WORD, gone.label()))
}

/// The same note with the command for another choice, with the marks of [`crate::error::Typed`]: what was chosen stays chosen.
fn kept<T: Named>(chosen: Option<&T>, all: &[T]) -> Option<String> {
    let command = T::COMMAND;
    vanished(chosen, all).map(|gone| format!("{gone}; 'seqera {command} switch{{profile}}' chooses another"))
}

/// The organisation and workspace after a login.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AtLogin {
    /// The organisation that gets billed.
    pub organization: Option<Organization>,
    /// The person chose it, now or before.
    pub organization_is_chosen: bool,
    /// The workspace that programs use.
    pub workspace: Option<Workspace>,
    /// Sentences for the person.
    pub notes: Vec<String>,
}

/// The organisation and workspace after a login. `wanted` is the organisation that the person asks for; `former` is
/// the record of the same account. A choice of the person is kept even if the Platform does not list it now: it
/// may come back, and another organisation must not be billed silently.
pub(crate) fn at_login(
    memberships: Option<&Memberships>,
    wanted: Option<&Organization>,
    former: Option<&Record>,
) -> AtLogin {
    let former = former.cloned().unwrap_or_default();
    let mut chosen = AtLogin {
        organization: former.organization,
        organization_is_chosen: former.organization_is_chosen,
        ..AtLogin::default()
    };
    match (wanted, memberships) {
        (Some(wanted), _) => {
            (chosen.organization, chosen.organization_is_chosen) = (Some(wanted.clone()), true);
        }
        (None, Some(belongs)) => chosen.review(&belongs.organizations),
        (None, None) => {}
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
    /// The person asks for no organisation: keeps the earlier one, or takes the first if there is none.
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

/// The same organisation or workspace with its current name.
fn current<T: Named + Clone>(old: T, all: &[T]) -> T {
    all.iter().find(|one| one.id() == old.id()).cloned().unwrap_or(old)
}

#[cfg(test)]
mod tests;
