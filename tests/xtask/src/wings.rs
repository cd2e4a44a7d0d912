//! `cargo xtask wings`: which file imports which, read from the sources of every crate. Imports only go down
//! through the wings, and never in a circle, so that a reader can start at the bottom or at the top.

mod attributes;
mod graph;
mod imports;
mod layout;
mod source;
mod tokens;
mod use_tree;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use seqera_tests::binaries::{cargo, workspace};
use serde_json::Value;

use graph::{arrows, graph, levels, take_circles};
use imports::{Imports, imports};
use layout::{LAYOUTS, Layout};
use source::{Crate, read};

/// `cargo xtask wings`
pub(crate) fn wings() -> ExitCode {
    match check() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

/// Checks every crate and test program of the workspace.
pub(crate) fn check() -> Result<(), String> {
    let roots = roots()?;
    let lost = LAYOUTS.iter().find(|layout| !roots.contains(Path::new(layout.root)));
    if let Some(layout) = lost {
        return Err(format!("no crate begins with {}", layout.root));
    }
    let text = |path: &Path| std::fs::read_to_string(workspace().join(path)).ok();
    let reports: Vec<Report> = roots.iter().map(|root| Report::of(root, &text)).collect();
    reports.iter().flat_map(|report| &report.problems).for_each(|problem| eprintln!("{problem}"));
    println!("      {}", summary(&reports));
    match reports.iter().map(|report| report.problems.len()).sum() {
        0 => Ok(()),
        problems => Err(format!("{problems} problems")),
    }
}

/// The root files of all crates and test programs, according to cargo.
fn roots() -> Result<BTreeSet<PathBuf>, String> {
    let args = ["metadata", "--no-deps", "--format-version", "1"];
    let output = Command::new(cargo()).args(args).current_dir(workspace()).output();
    let output = output.map_err(|error| format!("cargo metadata: {error}"))?;
    let metadata: Value =
        serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata: {error}"))?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let targets = packages.flat_map(|package| package["targets"].as_array().into_iter().flatten());
    let files = targets.filter_map(|target| target["src_path"].as_str());
    Ok(files.filter_map(|file| Some(Path::new(file).strip_prefix(workspace()).ok()?.to_owned())).collect())
}

/// The number of files, the longest chain of imports, and the largest folder.
fn summary(reports: &[Report]) -> String {
    let files: BTreeSet<&PathBuf> = reports.iter().flat_map(|report| &report.files).collect();
    let mut folders = BTreeMap::new();
    for folder in files.iter().filter_map(|file| file.parent()) {
        *folders.entry(folder).or_insert(0) += 1;
    }
    let (folder, most) = folders.into_iter().max_by_key(|(_, files)| *files).unwrap_or((Path::new(""), 0));
    let levels = reports.iter().map(|report| report.levels).max().unwrap_or(0);
    format!("{} files, {levels} levels, {most} files in {}", files.len(), folder.display())
}

/// What was found in one crate, without its unit tests.
#[derive(Debug, Default)]
struct Report {
    files: Vec<PathBuf>,
    levels: usize,
    problems: Vec<String>,
}

impl Report {
    fn of(root: &Path, text: source::Read<'_>) -> Self {
        let layout = LAYOUTS.iter().find(|layout| root == Path::new(layout.root));
        match read(root, text) {
            Ok(found) => Checked::new(found, layout).report(),
            Err(problem) => Self { problems: vec![problem], ..Self::default() },
        }
    }
}

/// One crate and what its files import.
struct Checked {
    found: Crate,
    imports: Imports,
    /// The wing of each file: the child of the root that it belongs to, or the root itself.
    wings: Vec<String>,
    layout: Option<&'static Layout>,
}

impl Checked {
    fn new(found: Crate, layout: Option<&'static Layout>) -> Self {
        let wings = wings_of(&found);
        let mut imports = imports(&found);
        let is_held = |file: usize| !layout.is_some_and(|of| of.exempt.contains(&wings[file].as_str()));
        imports.retain(|(from, to), _| is_held(*from) && is_held(*to));
        Self { found, imports, wings, layout }
    }

    fn report(self) -> Report {
        let mut problems = self.layout.map(|layout| self.directions(layout)).unwrap_or_default();
        let mut files = graph(self.imports.keys().copied());
        let circles = take_circles(&mut files);
        problems.extend(circles.iter().map(|circle| self.circle("files", arrows(circle))));
        problems.extend(self.circles_of_wings(&files));
        Report { levels: levels(&files), problems, files: self.found.files }
    }

    /// Imports that do not go down.
    fn directions(&self, layout: &Layout) -> Vec<String> {
        let homeless = self.wings.iter().zip(&self.found.files);
        let homeless = homeless.filter(|(wing, _)| layout.floor(wing).is_none());
        let homeless = homeless.map(|(_, file)| format!("{} lies in no wing", file.display()));
        let wrong =
            self.imports.keys().filter(|(from, to)| !layout.allows(&self.wings[*from], &self.wings[*to]));
        homeless.chain(wrong.map(|arrow| self.arrow(*arrow))).collect()
    }

    /// Circles among wings whose files form no circle.
    fn circles_of_wings(&self, files: &graph::Graph) -> Vec<String> {
        let names: Vec<&String> = self.wings.iter().collect::<BTreeSet<_>>().into_iter().collect();
        let number =
            |file: usize| names.iter().position(|name| **name == self.wings[file]).unwrap_or_default();
        let mut examples = BTreeMap::new();
        for (from, to) in files.iter().flat_map(|(from, to)| to.iter().map(|to| (*from, *to))) {
            let wings = (number(from), number(to));
            if wings.0 != wings.1 {
                examples.entry(wings).or_insert((from, to));
            }
        }
        let circles = take_circles(&mut graph(examples.keys().copied()));
        let line = |circle: &Vec<usize>| self.circle("wings", arrows(circle).map(|wings| examples[&wings]));
        circles.iter().map(line).collect()
    }

    fn circle(&self, what: &str, arrows: impl Iterator<Item = (usize, usize)>) -> String {
        let arrows: Vec<String> = arrows.map(|arrow| self.arrow(arrow)).collect();
        format!("a circle of {} {what}:\n  {}", arrows.len(), arrows.join("\n  "))
    }

    /// One import, as one line.
    fn arrow(&self, arrow: (usize, usize)) -> String {
        let import = &self.imports[&arrow];
        let [from, to] = [arrow.0, arrow.1].map(|file| self.found.files[file].display());
        format!("{from}:{} imports {to}: {}", import.line, import.names.join(", "))
    }
}

/// The wing of each file of a crate. An inline module of the root file belongs to the root.
fn wings_of(found: &Crate) -> Vec<String> {
    let root = found.files[0].file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut wings = vec![root; found.files.len()];
    for (number, module) in found.modules.iter().enumerate().filter(|(_, module)| module.file != 0) {
        let mut way = std::iter::successors(Some(number), |child| found.modules[*child].parent);
        let wing = way.find(|module| found.modules[*module].parent == Some(0));
        let name = found.modules[0].children.iter().find(|(_, child)| Some(*child) == wing);
        if let Some((name, _)) = name {
            wings[module.file].clone_from(name);
        }
    }
    wings
}

#[cfg(test)]
mod tests;
