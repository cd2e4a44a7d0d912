//! Names of profiles.

/// The longest name, in characters.
pub const LONGEST: usize = 63;

/// What a name may look like, for a person.
pub const RULE: &str =
    "use 1 to 63 of a-z, 0-9, '.', '_' and '-', starting with a letter or digit, for example 'work'";

/// Names that Windows reserves for devices: no file there can have them.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// True for `[a-z0-9][a-z0-9._-]{0,62}` that is no device of Windows. Files and keychain items have these names, so
/// that two names must not differ in case alone.
pub fn is_profile(text: &str) -> bool {
    text.len() <= LONGEST
        && text.chars().all(is_part)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && !is_device(text)
}

/// True for a character that a name may have.
pub fn is_part(c: char) -> bool {
    matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '-')
}

/// True for `con`, `com1.txt` and the like: Windows looks only at the part before the first dot.
pub fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default();
    let numbered = |kind| {
        stem.strip_prefix(kind)
            .is_some_and(|n: &str| n.len() == 1 && n != "0" && n.bytes().all(|b| b.is_ascii_digit()))
    };
    DEVICES.contains(&stem) || numbered("com") || numbered("lpt")
}
