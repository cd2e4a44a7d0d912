//! What a person may have meant by an unknown name.

use strsim::levenshtein;

/// The known names that are most similar to `wanted`, best first, at most three; empty if nothing comes
/// close.
pub fn near<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut scored: Vec<_> = known
        .into_iter()
        .map(|name| (levenshtein(wanted, name), name))
        .filter(|(edits, name)| *edits <= 2.max(wanted.len() / 3) || name.starts_with(wanted))
        .collect();
    scored.sort_unstable();
    scored.into_iter().take(3).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_offered_and_far_ones_are_not() {
        let known = ["work", "home", "enterprise"];
        assert_eq!(near("wrok", known)[0], "work");
        assert_eq!(near("enter", known)[0], "enterprise");
        assert!(near("zzzzzz", known).is_empty());
    }
}
