//! Formula and module files, with the programs that read them.

use std::path::{Path, PathBuf};

use seqera_tests::{Home, skip};

use crate::{checked, dist, made, names_its_build, version};

/// As much of Homebrew as a formula needs in order to be loaded.
const BREW: &str = r##"
class Formula
  def self.method_missing(name, *values, &block)
    puts "#{name} #{values.join(' ')}" unless values.empty?
    instance_eval(&block) if block && name.start_with?("on_")
  end
  def self.respond_to_missing?(*) = true
  # What is in it is for Homebrew.
  def self.test = nil
end
load ARGV[0]
puts SeqeraAgent.new.caveats
"##;

#[test]
fn ruby_loads_the_formula_and_its_sums_are_right() {
    let Some(formula) = made("seqera-agent.rb") else { return };
    if !skip::have(&["ruby"], "apt-get install ruby") {
        return;
    }
    let home = Home::new();
    let text = formula.to_str().expect("text");
    home.program("ruby").args(["-c", "-w", text]).run().ok();
    std::fs::write(home.root().join("brew.rb"), BREW).expect("a file");
    let said = home.program("ruby").args(["brew.rb", text]).run().ok().stdout;
    assert!(
        said.contains(&format!("version {}", version())) && said.contains("seqera logout --all"),
        "{said}"
    );
    sums_are_right(&said);
    checked(
        "Homebrew formula",
        "`ruby -c`, and loaded with a stand-in for Homebrew; the sums are those of the archives",
    );
}

/// Each `url` is followed by the sum that `SHA256SUMS` has for it.
#[track_caller]
fn sums_are_right(text: &str) {
    let sums = std::fs::read_to_string(dist().join("SHA256SUMS")).expect("the sums");
    let mut urls = 0;
    let mut lines = text.lines().map(|line| line.trim().trim_start_matches("- ").replace([':', '"'], " "));
    while let Some(line) = lines.next() {
        let Some(url) = line.strip_prefix("url ") else { continue };
        let file =
            url.split('/').next_back().and_then(|file| file.split_whitespace().next()).expect("a file");
        let next = lines.next().expect("a sum");
        let sum = next.split_whitespace().nth(1).expect("a sum").to_owned();
        assert!(sums.contains(&format!("{sum}  {file}\n")), "{file}: {sum}");
        urls += 1;
    }
    assert!(urls > 0, "{text}");
}

#[test]
fn conda_recipes_have_the_sums_of_the_archives() {
    let Some(recipe) = made("conda-recipe-VERSION.tar.gz") else { return };
    let home = Home::new();
    for file in ["meta.yaml", "recipe.yaml"] {
        let args = ["-xzOf".as_ref(), recipe.as_os_str(), file.as_ref()];
        sums_are_right(&home.program("tar").args(args).run().ok().stdout);
    }
    checked("conda recipe", "the sums are those of the archives");
}

/// The programs unpacked as an administrator would, and a folder of module files that lead there.
fn site(home: &Home, kind: &str, name: &str) -> Option<(PathBuf, PathBuf)> {
    let archive = made("seqera-agent-VERSION-linux-x86_64.tar.gz")?;
    let file = made(&format!("modulefile.{kind}"))?;
    home.program("tar").args(["-xzf".as_ref(), archive.as_os_str()]).run().ok();
    let root = home.root().join(format!("seqera-agent-{}-linux-x86_64", version()));
    let text = std::fs::read_to_string(file).expect("a file");
    let text = text.replace(&format!("/opt/seqera-agent/{}", version()), root.to_str().expect("text"));
    let modules = home.root().join("modules");
    std::fs::create_dir_all(modules.join("seqera-agent")).expect("a folder");
    std::fs::write(modules.join("seqera-agent").join(name), text).expect("a file");
    Some((modules, root.join("bin")))
}

/// Loads the module, looks which `seqera` is found, unloads it again.
#[track_caller]
fn loads(home: &Home, command: &str, modules: &Path, bin: &Path) {
    let script = format!(
        "module() {{ eval \"$({command} bash \"$@\")\"; }}; module use {}; module load seqera-agent; \
         command -v seqera; module unload seqera-agent; command -v seqera || echo none",
        modules.display()
    );
    let run = home.program("bash").args(["-c", &script]).env("PATH", "/usr/bin:/bin").run().ok();
    assert_eq!(run.stdout, format!("{}\nnone\n", bin.join("seqera").display()), "{run:?}");
    names_its_build(home, bin, "x86_64-unknown-linux-musl");
}

#[test]
fn lmod_loads_the_module() {
    const LMOD: &str = "/usr/share/lmod/lmod/libexec/lmod";
    let home = Home::new();
    let Some((modules, bin)) = site(&home, "lua", &format!("{}.lua", version())) else { return };
    if !Path::new(LMOD).is_file() {
        return skip("no Lmod (apt-get install lmod)");
    }
    loads(&home, LMOD, &modules, &bin);
    checked("module file, Lua", "loaded and unloaded with Lmod");
}

#[test]
fn environment_modules_load_the_module() {
    let commands = [
        "/usr/lib/x86_64-linux-gnu/modulecmd.tcl",
        "/usr/lib/modulecmd.tcl",
        "/usr/share/modules/libexec/modulecmd.tcl",
    ];
    let home = Home::new();
    let Some((modules, bin)) = site(&home, "tcl", &version()) else { return };
    let Some(command) = commands.iter().find(|path| Path::new(path).is_file()) else {
        return skip("no Environment Modules (apt-get install environment-modules)");
    };
    loads(&home, &format!("tclsh {command}"), &modules, &bin);
    checked("module file, Tcl", "loaded and unloaded with Environment Modules");
}
