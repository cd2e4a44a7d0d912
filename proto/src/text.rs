//! Characters that make a text look like something that it is not. The agent removes them from what others
//! wrote, and both sides keep them from terminals and logs.

use unicode_width::UnicodeWidthChar;

/// True for a character that moves the cursor, starts a line, turns the direction of what follows, or is not
/// shown at all: control characters, line and paragraph separators, and what Unicode calls
/// `Default_Ignorable_Code_Point` (bidirectional controls, zero-width characters, soft hyphens, fillers, tags) or
/// interlinear annotation.
pub const fn is_deceptive(c: char) -> bool {
    matches!(c,
        '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// True for a character that ends a line, or moves the cursor on as a blank does: tabs, line feeds and the like
/// (Unicode Standard Annex 14, classes BK, CR, LF and NL).
pub const fn ends_line(c: char) -> bool {
    matches!(c, '\t'..='\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// How many columns of a terminal a character takes: none for a mark on the one before, two for wide East Asian
/// characters and for emoji (Unicode Standard Annex 11).
pub fn columns(c: char) -> usize {
    UnicodeWidthChar::width(c).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_take_no_column_and_wide_characters_two() {
        for (text, columns_of_each) in [
            ("aé✓…Ωאش", 1),
            ("\u{301}\u{20dd}\u{5b0}\u{64b}\u{941}\u{e31}\u{11a8}\n", 0),
            ("東京한！\u{3000}🙂🚀⌚✅⭐🀄🈁𠀀𛀀", 2),
        ] {
            for c in text.chars() {
                assert_eq!(columns(c), columns_of_each, "U+{:04X}", u32::from(c));
            }
        }
    }

    #[test]
    fn what_deceives_a_reader_is_known_and_letters_of_all_scripts_are_not() {
        let deceptive = [
            0x00, 0x0a, 0x1b, 0x7f, 0x85, 0x9b, 0xad, 0x34f, 0x61c, 0x115f, 0x180e, 0x200b, 0x200c, 0x200d,
            0x200e, 0x200f, 0x2028, 0x2029, 0x202a, 0x202e, 0x2060, 0x2066, 0x2069, 0x206f, 0x3164, 0xfe0f,
            0xfeff, 0xffa0, 0xfff9, 0x1d173, 0xe0001, 0xe007f, 0xe01ef,
        ];
        for code in deceptive {
            let c = char::from_u32(code).unwrap();
            assert!(is_deceptive(c), "U+{code:04X}");
        }
        for c in "Zoë Müller, 東京 한국 Ελλάδα עברית العربية हिन्दी 🙂 «x» e\u{301} a\u{a0}b\u{3000}".chars()
        {
            assert!(!is_deceptive(c), "U+{:04X}", u32::from(c));
        }
        assert!(ends_line('\u{2028}') && ends_line('\r') && !ends_line(' ') && !ends_line('\u{200b}'));
    }
}
