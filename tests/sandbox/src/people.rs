//! The users: those of the settings, and those who have signed in through a provider.

pub(crate) mod account;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, PoisonError, RwLock};

use account::User;

/// Who somebody is, according to the sign-in provider.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) email: String,
    pub(crate) name: Option<String>,
}

/// All users of one sandbox. Nobody is ever removed.
#[derive(Debug)]
pub(crate) struct People(RwLock<Vec<Arc<User>>>);

impl People {
    pub(crate) fn new(users: &[User]) -> Self {
        Self(RwLock::new(users.iter().cloned().map(Arc::new).collect()))
    }

    /// Finds a user by e-mail address or short name.
    pub(crate) fn named(&self, name: &str) -> Option<Arc<User>> {
        self.all().into_iter().find(|user| user.is_called(name))
    }

    pub(crate) fn by_id(&self, id: u64) -> Option<Arc<User>> {
        self.all().into_iter().find(|user| user.id == id)
    }

    pub(crate) fn all(&self) -> Vec<Arc<User>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Removes somebody from an organisation or from one of its workspaces. `None` if they were not a member.
    pub(crate) fn leave(&self, name: &str, organization: &str, workspace: Option<&str>) -> Option<()> {
        let mut people = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let user = Arc::make_mut(people.iter_mut().find(|user| user.is_called(name))?);
        let index = user.organizations.iter().position(|of| of.name == organization)?;
        match workspace {
            None => drop(user.organizations.remove(index)),
            Some(name) => {
                let workspaces = &mut user.organizations[index].workspaces;
                let index = workspaces.iter().position(|one| one.name == name)?;
                workspaces.remove(index);
            }
        }
        Some(())
    }

    /// The user with this e-mail address. The first sign-in creates one.
    pub(crate) fn admit(&self, identity: &Identity) -> Arc<User> {
        let mut people = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let known = people.iter().find(|user| user.email.eq_ignore_ascii_case(&identity.email));
        if let Some(user) = known {
            return user.clone();
        }
        let user = Arc::new(newcomer(identity));
        people.push(user.clone());
        user
    }
}

fn newcomer(identity: &Identity) -> User {
    let short = identity.email.split('@').next().unwrap_or_default();
    let name = identity.name.as_deref().unwrap_or(short);
    let (first_name, last_name) = name.split_once(' ').unwrap_or((name, ""));
    User {
        id: id_of(&identity.email),
        user_name: short.to_lowercase(),
        email: identity.email.clone(),
        first_name: first_name.to_owned(),
        last_name: last_name.to_owned(),
        organizations: Vec::new(),
    }
}

/// An e-mail address gets the same id after a restart, because tokens that survive the restart contain it.
fn id_of(email: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    email.to_lowercase().hash(&mut hasher);
    // Above all ids in settings, and small enough for JSON to carry exactly.
    (1 << 40) | (hasher.finish() >> 24)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::people::account::residents;

    fn of(email: &str) -> Identity {
        Identity { email: email.into(), name: Some("Alan Sandbox-Turing".into()) }
    }

    #[test]
    fn somebody_leaves_a_workspace_an_organisation_and_nothing_else() {
        let people = People::new(&residents());
        assert_eq!(people.leave("ada", "sandbox-genomics", Some("showcase")), Some(()));
        assert_eq!(people.leave("ada", "sandbox-proteomics", None), Some(()));
        assert_eq!(people.leave("ada", "sandbox-proteomics", None), None);
        assert_eq!(people.leave("ada", "sandbox-genomics", Some("showcase")), None);
        let ada = people.named("ada").unwrap();
        let [genomics] = ada.organizations.as_slice() else { panic!("{ada:?}") };
        assert_eq!(genomics.workspaces.iter().map(|one| &*one.name).collect::<Vec<_>>(), ["research"]);
        assert_eq!(people.named("grace").unwrap().organizations[0].workspaces.len(), 2);
    }

    #[test]
    fn an_address_is_one_user_in_any_case_and_after_a_restart() {
        let people = People::new(&residents());
        assert_eq!(people.admit(&of("ADA@sandbox.test")).id, 1);
        let alan = people.admit(&of("alan@sandbox.test"));
        assert_eq!((people.admit(&of("Alan@Sandbox.test")).id, people.all().len()), (alan.id, 3));
        assert_eq!(People::new(&residents()).admit(&of("ALAN@sandbox.test")).id, alan.id);
        assert_eq!((&*alan.first_name, &*alan.user_name), ("Alan", "alan"));
    }
}
