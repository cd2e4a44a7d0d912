//! Which file of a crate imports what from which other file. Paths are followed through modules, renames and
//! re-exports to the file that defines the name.

use std::collections::BTreeMap;

use super::source::{Crate, Module, Use};

/// What one file imports from another, and the first line that does so.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Import {
    pub(crate) line: usize,
    pub(crate) names: Vec<String>,
}

/// By importing and imported file.
pub(crate) type Imports = BTreeMap<(usize, usize), Import>;

/// What a path leads to.
#[derive(Debug, Clone, PartialEq)]
enum Target {
    Module(usize),
    /// A name that a module defines or imports from another crate.
    Item(usize, String),
}

/// The names that are being followed: a module and the number of its `use`.
type Trail = Vec<(usize, usize)>;

pub(crate) fn imports(of: &Crate) -> Imports {
    let mut found = Imports::new();
    for module in 0..of.modules.len() {
        of.uses(module, &mut found);
        of.mentions(module, &mut found);
    }
    found
}

impl Crate {
    fn uses(&self, module: usize, found: &mut Imports) {
        for entry in &self.modules[module].uses {
            for target in self.resolve(module, &entry.path, true, &mut Trail::new()) {
                let (from, name) = match target {
                    Target::Item(from, name) => (from, name),
                    // Mentions of a glob's names are found separately, but calls of trait methods are not.
                    Target::Module(from) if entry.name.is_none() && self.defines(from) => {
                        (from, "*".to_owned())
                    }
                    Target::Module(_) => continue,
                };
                if !self.hands_on(module, from, entry) {
                    self.add(module, from, entry.line, &name, found);
                }
            }
        }
    }

    fn defines(&self, module: usize) -> bool {
        !self.modules[module].items.is_empty()
    }

    /// A parent that re-exports a name of its child does not import the child.
    fn hands_on(&self, module: usize, from: usize, entry: &Use) -> bool {
        entry.is_public && self.is_below(module, from)
    }

    fn is_below(&self, module: usize, child: usize) -> bool {
        let mut above = std::iter::successors(Some(child), |child| self.modules[*child].parent);
        above.any(|above| above == module)
    }

    fn mentions(&self, module: usize, found: &mut Imports) {
        for mention in &self.modules[module].mentions {
            // A variable can have the same name as a function, but is not called.
            let is_variable = mention.path.len() == 1
                && !mention.is_call
                && mention.path[0].starts_with(|first: char| first.is_lowercase());
            if is_variable {
                continue;
            }
            for target in self.resolve(module, &mention.path, false, &mut Trail::new()) {
                if let Target::Item(from, name) = target {
                    self.add(module, from, mention.line, &name, found);
                }
            }
        }
    }

    fn add(&self, module: usize, from: usize, line: usize, name: &str, found: &mut Imports) {
        let files = (self.modules[module].file, self.modules[from].file);
        if files.0 == files.1 {
            return;
        }
        let import = found.entry(files).or_insert(Import { line, names: Vec::new() });
        import.line = import.line.min(line);
        if !import.names.iter().any(|known| known == name) {
            import.names.push(name.to_owned());
        }
    }

    /// What a path leads to, seen from a module; nothing if it leaves the crate. In `use a::a`, the first
    /// word is a module, not the imported name.
    fn resolve(&self, module: usize, path: &[String], is_use: bool, trail: &mut Trail) -> Vec<Target> {
        let Some((first, rest)) = path.split_first() else { return Vec::new() };
        let mut found = match first.as_str() {
            "crate" => vec![Target::Module(0)],
            "self" if is_use || !rest.is_empty() => vec![Target::Module(module)],
            "super" => self.modules[module].parent.map(Target::Module).into_iter().collect(),
            name => self.look_up(module, name, true, trail),
        };
        for name in rest {
            if found.iter().any(|target| matches!(target, Target::Module(_))) {
                found.retain(|target| matches!(target, Target::Module(_)));
            }
            found = found.into_iter().flat_map(|target| self.within(target, name, trail)).collect();
        }
        found
    }

    /// What a name means within a target.
    fn within(&self, target: Target, name: &str, trail: &mut Trail) -> Vec<Target> {
        match target {
            Target::Module(of) if name == "super" => {
                self.modules[of].parent.map(Target::Module).into_iter().collect()
            }
            Target::Module(of) => match self.look_up(of, name, false, trail) {
                unknown if unknown.is_empty() => vec![Target::Item(of, name.to_owned())],
                known => known,
            },
            // A variant of an enum, or an associated function.
            item @ Target::Item(..) => vec![item],
        }
    }

    /// What a name means in a module. With `from_inside`, the imports inside its functions count as well.
    fn look_up(&self, module: usize, name: &str, from_inside: bool, trail: &mut Trail) -> Vec<Target> {
        let of = &self.modules[module];
        let mut found = own(of, module, name);
        for (number, entry) in of.uses.iter().enumerate() {
            let visible = from_inside || !entry.is_local;
            if visible && entry.name.as_deref() == Some(name) {
                found.extend(self.follow((module, number), name, trail));
            }
        }
        let globs = of.uses.iter().enumerate().filter(|(_, entry)| entry.name.is_none());
        for (number, _) in globs.filter(|_| found.is_empty()).collect::<Vec<_>>() {
            found.extend(self.follow((module, number), name, trail));
        }
        found
    }

    /// What an imported name means.
    fn follow(&self, step: (usize, usize), name: &str, trail: &mut Trail) -> Vec<Target> {
        if trail.contains(&step) {
            return Vec::new();
        }
        trail.push(step);
        let (module, number) = step;
        let entry = &self.modules[module].uses[number];
        let targets = self.resolve(module, &entry.path, true, trail);
        let found = match entry.name {
            // A name from another crate counts as defined by the module that imports it.
            Some(_) if targets.is_empty() => vec![Target::Item(module, name.to_owned())],
            Some(_) => targets,
            None => {
                let modules = targets.into_iter().filter_map(|target| match target {
                    Target::Module(of) => Some(of),
                    Target::Item(..) => None,
                });
                modules.flat_map(|of| self.look_up(of, name, false, trail)).collect()
            }
        };
        trail.pop();
        found
    }
}

fn own(module: &Module, number: usize, name: &str) -> Vec<Target> {
    let children = module.children.iter().filter(|(child, _)| child == name);
    let item = module.items.iter().find(|item| *item == name);
    let items = item.map(|item| Target::Item(number, item.clone()));
    children.map(|(_, child)| Target::Module(*child)).chain(items).collect()
}
