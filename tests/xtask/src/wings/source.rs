//! The modules of one crate as they are written: what each defines, what it imports with `use`, and which
//! paths it mentions. Code for unit tests is left out.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::attributes;
use super::tokens::{Kind, Token, is_mark, kind, tokens, word};
use super::use_tree::{self, Leaf};

/// Words that come before the name of a definition.
const DEFINING: [&str; 8] = ["fn", "struct", "enum", "union", "trait", "type", "const", "static"];

/// The sources of one crate. `modules[0]` is its root.
#[derive(Debug, Default)]
pub(crate) struct Crate {
    pub(crate) files: Vec<PathBuf>,
    pub(crate) modules: Vec<Module>,
}

#[derive(Debug, Default)]
pub(crate) struct Module {
    /// Its number in [`Crate::files`].
    pub(crate) file: usize,
    pub(crate) parent: Option<usize>,
    /// One name can stand for several files, one for each system.
    pub(crate) children: Vec<(String, usize)>,
    pub(crate) items: Vec<String>,
    pub(crate) uses: Vec<Use>,
    pub(crate) mentions: Vec<Mention>,
}

/// One name that a `use` imports.
#[derive(Debug)]
pub(crate) struct Use {
    pub(crate) path: Vec<String>,
    /// The name it gets here, or nothing for a glob.
    pub(crate) name: Option<String>,
    pub(crate) line: usize,
    /// It is a re-export, whatever its visibility.
    pub(crate) is_public: bool,
    /// It is inside a function.
    pub(crate) is_local: bool,
}

/// A path in the code.
#[derive(Debug)]
pub(crate) struct Mention {
    pub(crate) path: Vec<String>,
    pub(crate) line: usize,
    /// Arguments follow, of a function or of a macro.
    pub(crate) is_call: bool,
}

/// Reads one file, or returns nothing if it does not exist.
pub(crate) type Read<'a> = &'a dyn Fn(&Path) -> Option<String>;

/// Reads the crate with this root file.
pub(crate) fn read(root: &Path, read: Read<'_>) -> Result<Crate, String> {
    let mut reader = Reader { read, found: Crate::default(), paths: Vec::new() };
    let folder = folder(root);
    let place = Place { beside: folder.clone(), below: folder };
    let text = read(root).ok_or_else(|| format!("{} cannot be read", root.display()))?;
    reader.file(root, &text, None, place)?;
    Ok(reader.found)
}

fn folder(file: &Path) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).to_owned()
}

/// Where the files of a module's children are.
#[derive(Clone)]
struct Place {
    /// Those with a `#[path]`.
    beside: PathBuf,
    /// All the others.
    below: PathBuf,
}

/// What is being read: a module, and whether its top level or the inside of one of its items.
#[derive(Clone, Copy)]
struct Scope<'a> {
    module: usize,
    place: &'a Place,
    is_top: bool,
}

struct Reader<'a> {
    read: Read<'a>,
    found: Crate,
    /// The values of `#[path]` that still wait for their `mod`.
    paths: Vec<String>,
}

impl Reader<'_> {
    fn file(
        &mut self,
        file: &Path,
        text: &str,
        parent: Option<usize>,
        place: Place,
    ) -> Result<usize, String> {
        let tokens = tokens(text).map_err(|line| format!("{}:{line} is no Rust", file.display()))?;
        self.found.files.push(file.to_owned());
        let module = self.module(self.found.files.len() - 1, parent);
        self.items(&tokens, 0..tokens.len(), Scope { module, place: &place, is_top: true })?;
        Ok(module)
    }

    fn module(&mut self, file: usize, parent: Option<usize>) -> usize {
        self.found.modules.push(Module { file, parent, ..Module::default() });
        self.found.modules.len() - 1
    }

    fn items(&mut self, tokens: &[Token], range: Range<usize>, scope: Scope<'_>) -> Result<(), String> {
        let mut at = range.start;
        while at < range.end {
            at = self.step(tokens, at, scope)?;
        }
        Ok(())
    }

    /// Reads the item that starts here and returns where it ends.
    fn step(&mut self, tokens: &[Token], at: usize, scope: Scope<'_>) -> Result<usize, String> {
        let inside = Scope { is_top: false, ..scope };
        match &tokens[at].kind {
            Kind::Mark('#') if attributes::is_for_tests(tokens, at) => {
                Ok(attributes::behind_item(tokens, at))
            }
            Kind::Mark('#') => {
                self.paths.extend(attributes::path(tokens, at));
                Ok(at + 1)
            }
            Kind::Open(_, close) => {
                self.items(tokens, at + 1..*close, inside)?;
                Ok(close + 1)
            }
            Kind::Word(word) if word == "pub" => Ok(self.visibility(tokens, at + 1, scope)),
            Kind::Word(word) if word == "use" && !is_mark(tokens, at + 1, '<') => {
                Ok(self.uses(tokens, at + 1, false, scope))
            }
            Kind::Word(word) if word == "mod" => self.child(tokens, at, scope),
            Kind::Word(_) => Ok(self.path(tokens, at, scope)),
            _ => Ok(at + 1),
        }
    }

    /// What follows `pub`: perhaps a restriction, perhaps a `use`.
    fn visibility(&mut self, tokens: &[Token], at: usize, scope: Scope<'_>) -> usize {
        let at = match (kind(tokens, at), kind(tokens, at + 1)) {
            (Some(Kind::Open('(', close)), Some(Kind::Word(limit))) if *close == at + 2 || limit == "in" => {
                close + 1
            }
            _ => at,
        };
        if word(tokens, at) == Some("use") { self.uses(tokens, at + 1, true, scope) } else { at }
    }

    /// The names of a `use`, up to the semicolon.
    fn uses(&mut self, tokens: &[Token], at: usize, is_public: bool, scope: Scope<'_>) -> usize {
        let mut leaves = Vec::new();
        let end = use_tree::leaves(tokens, at, &[], &mut leaves);
        let entry = |Leaf { path, name, line }| Use { path, name, line, is_public, is_local: !scope.is_top };
        self.found.modules[scope.module].uses.extend(leaves.into_iter().map(entry));
        end
    }

    /// `mod name;` or `mod name { … }`
    fn child(&mut self, tokens: &[Token], at: usize, scope: Scope<'_>) -> Result<usize, String> {
        let Some(name) = word(tokens, at + 1) else { return Ok(at + 1) };
        let named = std::mem::take(&mut self.paths);
        let mut place = scope.place.clone();
        place.below.push(name);
        match kind(tokens, at + 2) {
            Some(Kind::Open('{', close)) => {
                place.beside.clone_from(&place.below);
                let child = self.module(self.found.modules[scope.module].file, Some(scope.module));
                self.found.modules[scope.module].children.push((name.to_owned(), child));
                self.items(tokens, at + 3..*close, Scope { module: child, place: &place, is_top: true })?;
                Ok(close + 1)
            }
            Some(Kind::Mark(';')) => {
                let files = self.files(name, &named, scope.place);
                if files.is_empty() {
                    let file = &self.found.files[self.found.modules[scope.module].file];
                    return Err(format!("{}:{}: no file of mod {name}", file.display(), tokens[at].line));
                }
                for (file, text, place) in files {
                    let child = self.file(&file, &text, Some(scope.module), place)?;
                    self.found.modules[scope.module].children.push((name.to_owned(), child));
                }
                Ok(at + 3)
            }
            _ => Ok(at + 1),
        }
    }

    /// The files of a module, their text, and where the files of its children are. A file named by `#[path]`
    /// has its children next to it, as a `mod.rs` has.
    fn files(&self, name: &str, named: &[String], place: &Place) -> Vec<(PathBuf, String, Place)> {
        let beside = |file: &Path| Place { beside: folder(file), below: folder(file) };
        let text = |file: PathBuf, place: Place| Some((file.clone(), (self.read)(&file)?, place));
        if !named.is_empty() {
            let files = named.iter().map(|path| place.beside.join(path));
            return files.filter_map(|file| text(file.clone(), beside(&file))).collect();
        }
        let own = place.below.join(name);
        let plain = place.below.join(format!("{name}.rs"));
        let below = Place { beside: folder(&plain), below: own.clone() };
        let owner = own.join("mod.rs");
        text(plain, below).or_else(|| text(owner.clone(), beside(&owner))).into_iter().collect()
    }

    /// A path, or a name that is defined here.
    fn path(&mut self, tokens: &[Token], start: usize, scope: Scope<'_>) -> usize {
        let mut at = start;
        let mut path = vec![word(tokens, at).unwrap_or_default().to_owned()];
        while let (Some(Kind::Colons), Some(next)) = (kind(tokens, at + 1), word(tokens, at + 2)) {
            path.push(next.to_owned());
            at += 2;
        }
        let module = &mut self.found.modules[scope.module];
        let before = |back: usize| start.checked_sub(back).and_then(|at| kind(tokens, at));
        let is_macro = matches!(before(2), Some(Kind::Word(word)) if word == "macro_rules");
        match before(1) {
            Some(Kind::Word(word)) if DEFINING.contains(&word.as_str()) => {
                module.items.extend(path.pop().filter(|_| scope.is_top));
            }
            Some(Kind::Mark('!')) if is_macro => module.items.extend(path.pop()),
            // The name of a field, a lifetime, a macro variable, or something from outside.
            Some(Kind::Mark('.')) if before(2) != Some(&Kind::Mark('.')) => {}
            Some(Kind::Mark('\'') | Kind::Colons) => {}
            Some(Kind::Mark('$')) if path[0] != "crate" => {}
            _ => {
                let is_call = matches!(kind(tokens, at + 1), Some(Kind::Open('(', _) | Kind::Mark('!')));
                module.mentions.push(Mention { path, line: tokens[start].line, is_call });
            }
        }
        at + 1
    }
}
