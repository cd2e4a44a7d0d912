//! Questions to the person at the terminal. Nobody is asked if nobody can answer: in a pipe, in the
//! background, or when a program reads JSON. The commands decide what happens then.

use std::io::{BufRead, Write, stderr, stdin};

use crate::screen::failure::Failure;
use crate::screen::terminal;
use crate::screen::typing::unmarked;
use crate::screen::{Screen, one_line};

/// How often a person may try to give an answer.
const TRIES: usize = 3;

/// How many names are listed on one line. More would not help.
const NAMED: usize = 8;

/// True if a question would reach a person.
pub(crate) fn possible(screen: &Screen) -> bool {
    !screen.json && terminal::readable() && terminal::shows_questions()
}

/// Asks yes or no; Enter alone means `preset`. `None`: nobody can be asked.
///
/// # Errors
/// The question was interrupted: the input ended, or no answer made sense.
pub(crate) fn yes(screen: &Screen, question: &str, preset: bool) -> Result<Option<bool>, Failure> {
    if !possible(screen) {
        return Ok(None);
    }
    let keys = if preset { "[Y/n]" } else { "[y/N]" };
    ask(screen, &format!("{question} {keys} "), "please answer y or n", |line| affirmed(line, preset))
        .map(Some)
}

/// One of several things that a person can choose.
pub(crate) struct Choice {
    /// How it is listed.
    pub(crate) shown: String,
    /// What can be typed for it: names, full names, ids. The first one is its name.
    pub(crate) names: Vec<String>,
}

/// Asks for one of `choices`, by its number in the list, by one of its names, or by a part of one that no other
/// choice has; returns its index. Enter alone takes `preset`, if there is one. `None`: nobody can be asked.
///
/// # Errors
/// The question was interrupted: the input ended, or no answer made sense.
pub(crate) fn choose(
    screen: &Screen,
    question: &str,
    choices: &[Choice],
    preset: Option<usize>,
) -> Result<Option<usize>, Failure> {
    if !possible(screen) {
        return Ok(None);
    }
    let width = choices.len().to_string().len();
    for (index, choice) in choices.iter().enumerate() {
        let mark = if preset == Some(index) { '*' } else { ' ' };
        screen.tell(&format!("{mark} {:>width$}  {}", index + 1, one_line(&choice.shown)));
    }
    let keys = preset.map(|index| format!(" [{}]", index + 1)).unwrap_or_default();
    let again = format!(
        "please answer with a number from 1 to {}, or with a name or a part of one that is clear",
        choices.len()
    );
    ask(screen, &format!("{question}{keys}: "), &again, |line| chosen(line, choices, preset)).map(Some)
}

/// The names of the choices on one line, for use if no question can be asked.
pub(crate) fn listed(choices: &[Choice]) -> String {
    named(&choices.iter().filter_map(|choice| choice.names.first().cloned()).collect::<Vec<_>>())
}

/// Some names on one line, and how many there are beside.
pub(crate) fn named(names: &[String]) -> String {
    let shown = names.get(..NAMED).unwrap_or(names).join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn ask<T>(
    screen: &Screen,
    question: &str,
    again: &str,
    judge: impl Fn(&str) -> Option<T>,
) -> Result<T, Failure> {
    for _ in 0..TRIES {
        screen.question(question);
        let mut line = String::new();
        match stdin().lock().read_line(&mut line) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => return Err(Failure::system("cannot read the answer", &error)),
        }
        match judge(unmarked(&line).trim()) {
            Some(answer) => return Ok(answer),
            None => screen.tell(again),
        }
    }
    let _ = writeln!(stderr());
    Err(Failure::interrupted("nothing was done: the question was not answered"))
}

fn affirmed(line: &str, preset: bool) -> Option<bool> {
    match line.to_ascii_lowercase().as_str() {
        "" => Some(preset),
        "y" | "yes" => Some(true),
        "n" | "no" => Some(false),
        _ => None,
    }
}

/// A number of the list always counts as a position, so that a choice called "2" can still be reached by its own
/// number. Any other number may be an id.
fn chosen(line: &str, choices: &[Choice], preset: Option<usize>) -> Option<usize> {
    if line.is_empty() {
        return preset;
    }
    let position = line.parse().ok().and_then(|number: usize| number.checked_sub(1));
    if let Some(index) = position.filter(|index| *index < choices.len()) {
        return Some(index);
    }
    let wanted = folded(line);
    let fits = |is: fn(&str, &str) -> bool| {
        let fits = |choice: &Choice| choice.names.iter().any(|name| is(&folded(name), &wanted));
        let mut fitting = choices.iter().enumerate().filter(|(_, choice)| fits(choice));
        fitting.next().filter(|_| fitting.next().is_none()).map(|(index, _)| index)
    };
    fits(|name, wanted| name == wanted)
        .or_else(|| fits(|name, wanted| name.starts_with(wanted)))
        // A part of an id is nothing that anybody knows.
        .or_else(|| fits(|name, wanted| name.contains(wanted)).filter(|_| position.is_none()))
}

/// In lower case, with single spaces.
fn folded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enter_alone_means_the_preset_and_anything_odd_is_asked_again() {
        assert_eq!((affirmed("", true), affirmed("", false)), (Some(true), Some(false)));
        assert_eq!((affirmed("Y", false), affirmed("No", true)), (Some(true), Some(false)));
        assert_eq!(affirmed("maybe", true), None);
    }

    #[test]
    fn a_line_names_some_choices_and_counts_the_others() {
        let choices: Vec<_> = (1..=10).map(|number| number.to_string()).collect();
        assert_eq!(named(&choices[..2]), "1, 2");
        assert_eq!(named(&choices), "1, 2, 3, 4, 5, 6, 7, 8 and 2 more");
    }

    #[test]
    fn a_choice_is_taken_by_number_and_by_whatever_it_is_called() {
        let choice = |name: &str, full: &str, id: &str| Choice {
            shown: name.to_owned(),
            names: [name, full, id].map(String::from).to_vec(),
        };
        let choices = [
            choice("genomics", "The  Genomics Lab", "101"),
            choice("genomics-eu", "Genomics in Europe", "102"),
            choice("proteins", "Protein Unit", "2"),
        ];
        for (line, index) in [
            ("3", 2),
            ("Genomics", 0),
            ("pro", 2),
            ("the genomics lab", 0),
            ("europe", 1),
            ("UNIT", 2),
            ("101", 0),
            ("2", 1),
        ] {
            assert_eq!(chosen(line, &choices, None), Some(index), "{line}");
        }
        assert_eq!((chosen("", &choices, Some(1)), chosen("", &choices, None)), (Some(1), None));
        for unclear in ["gen", "0", "4", "x", "-1", "10"] {
            assert_eq!(chosen(unclear, &choices, Some(1)), None, "{unclear}");
        }
    }
}
