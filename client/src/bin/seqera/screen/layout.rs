//! Lays out tables and paragraphs, as wide as the terminal that shows them. In a pipe nothing is wrapped, so
//! that a program finds each value on one line.

use std::borrow::Cow;

use seqera_client::proto::text::{columns as columns_of, ends_line, is_deceptive};

use crate::screen::terminal;

/// The fewest columns for a value beside its label; if there are fewer, the value goes below.
const LEAST: usize = 16;

/// The gap between two columns of a grid.
const GAP: &str = "  ";

/// The widest cell of a grid, and the longest value of a table, in columns. The agent's own texts are shorter.
const WIDEST: usize = 500;
const LONGEST: usize = 4_000;

/// Formats labels and values, the values in one column. Rows without a value are left out.
pub(crate) fn table(rows: &[(&str, String)]) -> String {
    table_within(rows, terminal::output_columns())
}

/// Formats columns under their headings, each as wide as its contents. A column that is empty in every row is
/// left out. If the terminal is too narrow, each row becomes a separate table.
pub(crate) fn grid<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> String {
    grid_within(headings, rows, terminal::output_columns())
}

fn table_within(rows: &[(&str, String)], columns: Option<usize>) -> String {
    let shown = || rows.iter().filter(|(_, value)| !value.is_empty());
    let width = shown().map(|(label, _)| width(label)).max().unwrap_or(0) + 2;
    let beside = columns.is_none_or(|columns| columns >= width + LEAST);
    let indent = if beside { width } else { 2 };
    let room = columns.map(|columns| columns.saturating_sub(indent).max(1));
    let mut lines = Vec::new();
    for (label, value) in shown() {
        let label = format!("{label}:");
        let value = cut(value, LONGEST);
        let mut value = value.lines().flat_map(|line| wrap(line, room, true)).collect::<Vec<_>>().into_iter();
        match beside {
            true => lines.push(format!("{}{}", padded(&label, width), value.next().unwrap_or_default())),
            false => lines.push(label),
        }
        lines.extend(value.map(|line| format!("{:indent$}{line}", "")));
    }
    lines.join("\n")
}

fn grid_within<const N: usize>(headings: [&str; N], rows: &[[String; N]], columns: Option<usize>) -> String {
    let cell = |text: &String| cut(&one_line(text), WIDEST).into_owned();
    let rows: Vec<[String; N]> = rows.iter().map(|row| row.each_ref().map(cell)).collect();
    let filled = |column: &usize| rows.iter().any(|row| !row[*column].is_empty());
    let shown: Vec<usize> = (0..N).filter(filled).collect();
    let widest = |column: usize| rows.iter().map(|row| width(&row[column])).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(|column| widest(column).max(width(headings[column])));
    let total =
        shown.iter().map(|column| widths[*column] + GAP.len()).sum::<usize>().saturating_sub(GAP.len());
    if columns.is_some_and(|columns| columns < total) {
        let record = |row: &[String; N]| {
            let cells: Vec<_> =
                shown.iter().map(|column| (headings[*column], row[*column].clone())).collect();
            table_within(&cells, columns)
        };
        return rows.iter().map(record).collect::<Vec<_>>().join("\n\n");
    }
    let line = |cells: [&str; N]| {
        let cells: Vec<_> = shown.iter().map(|column| padded(cells[*column], widths[*column])).collect();
        cells.join(GAP).trim_end().to_owned()
    };
    let mut lines = vec![line(headings)];
    lines.extend(rows.iter().map(|row| line(row.each_ref().map(String::as_str))));
    lines.join("\n")
}

/// Breaks a paragraph into lines at spaces. If `words` is true, it also breaks a word that is too wide.
/// Otherwise such a word stays whole: it may be an address or a command that somebody copies.
pub(crate) fn wrap(text: &str, room: Option<usize>, words: bool) -> Vec<String> {
    let Some(room) = room.filter(|room| width(text) > *room) else { return vec![text.to_owned()] };
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("it begins with one line and none is taken away");
        match line.is_empty() {
            true => line.push_str(word),
            false if width(line) + 1 + width(word) <= room => *line = format!("{line} {word}"),
            false => lines.push(word.to_owned()),
        }
        let last = lines.last().expect("it begins with one line and none is taken away");
        if words && width(last) > room {
            let pieces = broken(last, room);
            lines.pop();
            lines.extend(pieces);
        }
    }
    lines
}

/// Breaks the lines of a text at spaces where they are too wide, and goes on under their first word. A dash before
/// it is that of a list.
pub(crate) fn paragraphs(text: &str, room: Option<usize>) -> String {
    let Some(room) = room else { return text.to_owned() };
    let line = |line: &str| {
        let rest = line.trim_start_matches(' ');
        let (mark, rest) = if rest.starts_with("- ") { rest.split_at(2) } else { ("", rest) };
        let indent = line.len() - rest.len();
        let before = &line[..indent - mark.len()];
        let lines = wrap(rest, Some(room.saturating_sub(indent).max(1)), false);
        format!("{before}{mark}{}", lines.join(&format!("\n{:indent$}", "")))
    };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// Breaks a word into pieces of at most `room` columns.
fn broken(word: &str, room: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut used = 0;
    for c in word.chars() {
        let more = columns_of(c);
        if used + more > room && used > 0 {
            pieces.push(String::new());
            used = 0;
        }
        used += more;
        pieces.last_mut().expect("it begins with one piece").push(c);
    }
    pieces
}

/// A text of somebody else as one line: without the characters that end one, or deceive its reader.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(is_deceptive) {
        return text.into();
    }
    let shown = |c| match c {
        c if ends_line(c) => ' ',
        c if is_deceptive(c) => '\u{fffd}',
        c => c,
    };
    text.trim_end().chars().map(shown).collect()
}

/// At most so many columns; what was cut ends with `…`.
fn cut(text: &str, columns: usize) -> Cow<'_, str> {
    let mut used = 0;
    let mut last = 0;
    for (at, c) in text.char_indices() {
        // A mark that takes no column is a character all the same.
        used += columns_of(c).max(1);
        if used < columns {
            last = at + c.len_utf8();
        } else if used > columns {
            return format!("{}…", &text[..last]).into();
        }
    }
    text.into()
}

/// Not by the width of a format, which counts characters and panics above 65,535.
pub(crate) fn padded(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// How many columns of a terminal a text takes.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> [(&'static str, String); 3] {
        [
            ("Profile", "work".to_owned()),
            ("Authority", "https://platform.example.com/api (login)".to_owned()),
            ("Note", String::new()),
        ]
    }

    #[test]
    fn values_stand_in_one_column_and_empty_rows_are_left_out() {
        let whole = "Profile:   work\nAuthority: https://platform.example.com/api (login)";
        for roomy in [None, Some(80)] {
            assert_eq!(table_within(&rows(), roomy), whole);
        }
    }

    #[test]
    fn a_long_value_goes_on_under_its_own_column_and_no_line_is_wider_than_the_terminal() {
        let narrow = "Profile:   work\nAuthority: https://platform.example.com/\n           api (login)";
        assert_eq!(table_within(&rows(), Some(40)), narrow);
        for columns in 1..60 {
            let shown = table_within(&rows(), Some(columns));
            let widest = shown.lines().filter(|line| line.starts_with(' ')).map(width).max().unwrap_or(0);
            assert!(widest <= columns.max(3), "{columns}:\n{shown}");
            let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            assert_eq!(letters(&shown), letters(&table_within(&rows(), None)), "{columns}");
        }
    }

    #[test]
    fn where_there_is_no_room_beside_the_label_the_value_stands_below() {
        assert_eq!(table_within(&rows()[..1], Some(20)), "Profile:\n  work");
    }

    #[test]
    fn columns_align_and_an_empty_one_is_left_out() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned);
        let rows = [row(["work", "", "signed in"]), row(["home-office", "", "signed out"])];
        let headings = ["Profile", "Host", "State"];
        let wide = "Profile      State\nwork         signed in\nhome-office  signed out";
        assert_eq!(grid_within(headings, &rows, None), wide);
        assert_eq!(grid_within(headings, &rows, Some(23)), wide);
        let narrow = "Profile:\n  work\nState:\n  signed in\n\nProfile:\n  home-office\nState:\n  signed out";
        assert_eq!(grid_within(headings, &rows, Some(22)), narrow);
    }

    #[test]
    fn a_name_of_any_length_and_kind_takes_one_line_of_a_grid_and_is_cut() {
        for letter in ["x", "東", "e\u{301}", "\u{301}", "\u{200b}", "\n", "\u{202e}\u{1b}[2J"] {
            let row = |name: String| [name, "y".to_owned()];
            let rows = [row(letter.repeat(300_000)), row("two\nlines".to_owned())];
            for columns in [None, Some(80), Some(10)] {
                let shown = grid_within(["Name", "Role"], &rows, columns);
                assert!(shown.len() < 8 * WIDEST, "{letter:?}: {}", shown.len());
                assert!(!shown.contains(['\u{202e}', '\u{1b}', '\u{200b}']));
                assert!(columns.is_some() || shown.lines().count() == 3, "{letter:?}");
                assert!(shown.contains("two lines") || columns == Some(10), "{shown}");
            }
            let value = table_within(&[("Name", letter.repeat(300_000))], None);
            assert!(value.len() < 4 * LONGEST * 2, "{letter:?}: {}", value.len());
        }
        assert_eq!(
            (cut("abc", 3), cut("abcd", 3), cut("東京都", 5)),
            ("abc".into(), "ab…".into(), "東京…".into())
        );
    }

    #[test]
    fn letters_count_as_wide_as_they_are_shown() {
        for (text, columns) in [
            ("é", 1),
            ("e\u{301}", 1),
            ("✓", 1),
            ("東京", 4),
            ("🙂", 2),
            ("한", 2),
            ("✅⭐", 4),
            ("नमस्ते", 4),
            ("สวัสดี", 4),
            ("שָׁלוֹם", 4),
            ("ﾃｽﾄ", 3),
        ] {
            assert_eq!(width(text), columns, "{text}");
        }
        let row = |name: &str| [name.to_owned(), "x".to_owned()];
        let shown = grid_within(["Name", "Role"], &[row("東京✅"), row("Zoë"), row("สวัสดี")], None);
        assert_eq!(shown, "Name    Role\n東京✅  x\nZoë     x\nสวัสดี    x");
    }

    #[test]
    fn a_paragraph_is_broken_at_spaces_and_an_address_is_left_whole() {
        let text = "open https://platform.example.com/authorize in a browser";
        let whole = ["open", "https://platform.example.com/authorize", "in a browser"];
        assert_eq!(wrap(text, Some(20), false), whole);
        assert!(wrap(text, Some(20), true).iter().all(|line| width(line) <= 20));
        assert_eq!(wrap(text, None, true), [text]);
    }

    #[test]
    fn a_line_that_is_too_wide_goes_on_below_its_first_word() {
        let text = "If it does not show:\n  - paste the address here\n\n  https://platform.example.com/authorize\nend";
        let narrow = "If it does not show:\n  - paste the\n    address here\n\n  https://platform.example.com/authorize\nend";
        assert_eq!(paragraphs(text, Some(20)), narrow);
        assert_eq!(paragraphs(text, Some(80)), text);
        assert_eq!(paragraphs(text, None), text);
        assert_eq!(paragraphs("Question? ", Some(40)), "Question? ");
    }
}
