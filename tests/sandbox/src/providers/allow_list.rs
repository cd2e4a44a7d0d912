//! Who may sign in through a provider, as patterns of e-mail addresses.

/// Patterns in which `*` stands for any text. Case does not matter.
#[derive(Clone, Debug)]
pub(crate) struct AllowList(Vec<String>);

impl AllowList {
    /// An empty list lets nobody in.
    pub(crate) fn new(patterns: Vec<String>) -> Self {
        Self(patterns.into_iter().map(|pattern| pattern.to_lowercase()).collect())
    }

    pub(crate) fn admits(&self, email: &str) -> bool {
        let email = email.to_lowercase();
        self.0.iter().any(|pattern| matches(pattern, &email))
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == text };
    let Some(rest) = text.strip_prefix(head) else { return false };
    let mut rest = rest;
    let mut pieces: Vec<&str> = tail.split('*').collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_sub_domains_and_single_addresses_match_in_any_case() {
        let list = ["*@Company.test", "ada@other.test", "*@*.sub.test"].map(str::to_owned);
        let list = AllowList::new(list.into());
        for email in ["grace@company.test", "GRACE@COMPANY.TEST", "Ada@Other.test", "x@a.sub.test"] {
            assert!(list.admits(email), "{email}");
        }
        for email in ["grace@company.test.evil", "grace@mycompany.test", "bob@other.test", "x@sub.test", ""] {
            assert!(!list.admits(email), "{email}");
        }
    }

    #[test]
    fn an_empty_list_admits_nobody_and_one_star_everybody() {
        assert!(!AllowList::new(Vec::new()).admits("ada@sandbox.test"));
        assert!(AllowList::new(vec!["*".into()]).admits("ada@sandbox.test"));
        assert!(!AllowList::new(vec!["a*a".into()]).admits("a"), "the ends may not overlap");
    }
}
