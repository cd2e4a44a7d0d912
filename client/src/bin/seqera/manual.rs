//! The manual pages, made from the definition of the command line. Only tests compile this file, so the
//! command does not contain it: `cargo xtask man` runs [`pages_are_without_faults`], which writes the pages.

use std::io::Write;
use std::process::{Command as Program, Stdio};

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use seqera_tests::environment::variable;
use seqera_tests::skip;

use crate::cli::Cli;

/// The variable by which `cargo xtask man` names the folder for the pages.
const FOLDER: &str = "SEQERA_MAN_DIR";

/// A page for every command: its name, such as `seqera-agent-status`, and its text.
fn pages() -> Vec<(String, String)> {
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    let mut pages = Vec::new();
    collect(&root, "seqera", &mut pages);
    pages
}

fn collect(command: &Command, name: &str, pages: &mut Vec<(String, String)>) {
    pages.push((name.to_owned(), page(command, name)));
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        collect(sub, &format!("{name}-{}", sub.get_name()), pages);
    }
}

fn page(command: &Command, name: &str) -> String {
    // The text below the options is split into sections, one for each of its headings.
    let below = command
        .get_after_long_help()
        .or(command.get_after_help())
        .map(ToString::to_string)
        .unwrap_or_default();
    let man = Man::new(command.clone()).title(name.to_uppercase()).manual("Seqera");
    let mut text = Vec::new();
    let mut write = || {
        man.render_title(&mut text)?;
        man.render_name_section(&mut text)?;
        man.render_synopsis_section(&mut text)?;
        man.render_description_section(&mut text)?;
        man.render_options_section(&mut text)?;
        if command.get_subcommands().any(|sub| !sub.is_hide_set()) {
            man.render_subcommands_section(&mut text)?;
        }
        sections(&below).to_writer(&mut text)
    };
    write().expect("a buffer takes everything");
    String::from_utf8(text).expect("made of text")
}

/// Turns `Examples:`, `Exit codes:` and their lines into sections.
fn sections(below: &str) -> Roff {
    let mut roff = Roff::new();
    for part in below.split("\n\n").filter(|part| !part.trim().is_empty()) {
        let (heading, text) = part.split_once(':').expect("a part below the options has a heading");
        let heading = if heading == "Example" { "Examples" } else { heading };
        roff.control("SH", [heading.to_uppercase().as_str()]);
        // Not filled: filled lines cannot be copied, and columns are lost.
        roff.control("nf", []);
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let line = line.strip_prefix("  ").unwrap_or(line.trim_start());
            roff.text([if heading == "Examples" { bold(line) } else { roman(line) }]);
        }
        roff.control("fi", []);
    }
    roff.control("SH", ["SEE ALSO"]);
    roff.text([roman("seqera(1), seqera-login(1), seqera-agent(1)")]);
    roff
}

#[test]
fn every_command_has_a_page_with_an_example() {
    let pages = pages();
    let names: Vec<_> = pages.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.contains(&"seqera") && names.contains(&"seqera-agent-status"), "{names:?}");
    for (name, page) in &pages {
        assert!(page.contains(".SH EXAMPLES"), "{name} has no example");
        assert!(page.contains(".SH NAME") && page.contains(".SH SYNOPSIS"), "{name}:\n{page}");
    }
}

#[test]
fn pages_are_without_faults() {
    let pages = pages();
    if let Some(folder) = variable(FOLDER) {
        std::fs::create_dir_all(&folder).unwrap();
        for (name, page) in &pages {
            std::fs::write(std::path::Path::new(&folder).join(format!("{name}.1")), page).unwrap();
        }
    }
    if !skip::have(&["groff"], "apt-get install groff-base") {
        return;
    }
    for (name, page) in &pages {
        let mut groff = Program::new("groff");
        groff.args(["-man", "-ww", "-z", "-Kutf8"]).stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut groff = groff.spawn().unwrap();
        groff.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
        let output = groff.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{name}: {said}\n{page}");
    }
}
