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

/// Asks for one of `choices`, by its number or by an unambiguous name, and returns its index. Enter alone
/// takes `preset`, if there is one. `None`: nobody can be asked.
///
/// # Errors
/// The question was interrupted: the input ended, or no answer made sense.
pub(crate) fn choose(
    screen: &Screen,
    question: &str,
    choices: &[String],
    preset: Option<usize>,
) -> Result<Option<usize>, Failure> {
    if !possible(screen) {
        return Ok(None);
    }
    let width = choices.len().to_string().len();
    for (index, choice) in choices.iter().enumerate() {
        let mark = if preset == Some(index) { '*' } else { ' ' };
        screen.tell(&format!("{mark} {:>width$}  {}", index + 1, one_line(choice)));
    }
    let keys = preset.map(|index| format!(" [{}]", index + 1)).unwrap_or_default();
    let again = format!("please answer with a number from 1 to {}, or with a name", choices.len());
    ask(screen, &format!("{question}{keys}: "), &again, |line| chosen(line, choices, preset)).map(Some)
}

/// The choices on one line, for use if no question can be asked.
pub(crate) fn named(choices: &[String]) -> String {
    let shown = choices.get(..NAMED).unwrap_or(choices).join(", ");
    match choices.len().saturating_sub(NAMED) {
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

/// A number always counts as a position, so that a choice called "2" can still be reached by its own number.
fn chosen(line: &str, choices: &[String], preset: Option<usize>) -> Option<usize> {
    if line.is_empty() {
        return preset;
    }
    if let Ok(number) = line.parse::<usize>() {
        return number.checked_sub(1).filter(|index| *index < choices.len());
    }
    let wanted = line.to_lowercase();
    let fits = |whole: bool| {
        let mut fitting = choices.iter().enumerate().filter(|(_, choice)| {
            let choice = choice.to_lowercase();
            if whole { choice == wanted } else { choice.starts_with(&wanted) }
        });
        fitting.next().filter(|_| fitting.next().is_none()).map(|(index, _)| index)
    };
    fits(true).or_else(|| fits(false))
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
    fn a_choice_is_taken_by_number_or_by_a_name_that_is_clear() {
        let choices = ["genomics", "genomics-eu", "proteins"].map(String::from);
        assert_eq!(chosen("3", &choices, None), Some(2));
        assert_eq!(chosen("Genomics", &choices, None), Some(0));
        assert_eq!(chosen("pro", &choices, None), Some(2));
        assert_eq!((chosen("", &choices, Some(1)), chosen("", &choices, None)), (Some(1), None));
        for unclear in ["gen", "0", "4", "x", "-1"] {
            assert_eq!(chosen(unclear, &choices, Some(1)), None, "{unclear}");
        }
    }
}
