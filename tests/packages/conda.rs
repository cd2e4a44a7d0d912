//! The conda recipe, built by rattler-build and installed by rattler, both from PyPI, into an empty prefix. Neither
//! asks a channel: the package needs no other.

use std::process::Command;

use seqera_tests::{Home, skip};

use crate::{checked, dist, made, names_its_build, version, works};

/// Renders and builds the recipe, and installs what came of it.
const BUILD: &str = r"
import asyncio, sys
from pathlib import Path
import rattler, rattler_build
recipe, output, prefix = [Path(name).resolve() for name in sys.argv[1:]]
stage = rattler_build.Stage0Recipe.from_file(recipe)
for variant in stage.render():
    variant.run_build(output_dir=output, channels=[])
packages = list(output.glob('linux-64/*.conda'))
assert len(packages) == 1, packages
records = []
channel = rattler.Channel(output.as_uri())
async def main():
    subdir = rattler.Platform('linux-64')
    found = await rattler.solve([channel], ['seqera-agent'], platforms=[subdir, rattler.Platform('noarch')])
    await rattler.install(found, target_prefix=prefix)
    print(*[record.name.normalized for record in found])
asyncio.run(main())
";

#[test]
fn is_built_and_installed_into_an_empty_prefix() {
    let Some(recipe) = made("conda-recipe-VERSION.tar.gz") else { return };
    let python = ["-c", "import rattler, rattler_build"];
    if !Command::new("python3").args(python).output().is_ok_and(|output| output.status.success()) {
        return skip("no rattler (pip install py-rattler py-rattler-build)");
    }
    let mut home = Home::new();
    let script = home.root().join("build.py");
    std::fs::write(&script, BUILD).expect("a file");
    home.shell("mkdir recipe output prefix").run().ok();
    home.program("tar")
        .args(["-xzf".as_ref(), recipe.as_os_str(), "-C".as_ref(), "recipe".as_ref()])
        .run()
        .ok();
    // The release is not on the web yet: its folder stands for it.
    let file = home.root().join("recipe/recipe.yaml");
    let text = std::fs::read_to_string(&file).expect("the recipe");
    let start = text.find("https://").expect("an address");
    let end = text[start..].find("/seqera-agent-").expect("an archive") + start;
    let local = text.replace(&text[start..end], &format!("file://{}", dist().display()));
    let local = local.replace("homepage: file", "homepage: https");
    std::fs::write(&file, local).expect("the recipe");
    let build = home.program("python3").args(["build.py", "recipe/recipe.yaml", "output", "prefix"]);
    let run = build
        .limit(crate::PATIENCE)
        .env("PATH", crate::path_with(&home.root().join("prefix/bin")))
        .run()
        .ok();
    assert!(run.stdout.contains("seqera-agent"), "{run:?}");
    let bin = home.root().join("prefix/bin");
    home.set("PATH", crate::path_with(&bin));
    names_its_build(&home, &bin, "x86_64-unknown-linux-musl");
    works(&home, &bin.join("seqera"));
    assert!(home.root().join("prefix/share/man/man1/seqera.1").is_file(), "{}", version());
    checked(
        "conda recipe, linux-64",
        "rendered and built with rattler-build, its tests run; installed by rattler into an empty prefix; signed in \
         with a token, `token`, `exec`",
    );
}
