//! Wheels for Python: a package with the programs as files, and the command `seqera-agent-cli`. They are no
//! `scripts` of the wheel, for pip replaces the `seqera` of another package without a word; `link` makes the command
//! where nothing is in its place.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::facts::{Facts, Target};
use super::places::out;
use super::tree::{Tree, bytes};

/// Makes the wheel for a target.
pub(super) fn wheel(facts: &Facts, target: &Target<'_>) {
    let Some(tags) = target.name("wheel") else { return };
    let (name, version) = (facts.text("node_and_python_name").replace('-', "_"), facts.text("version"));
    let file = format!("{name}-{version}-py3-none-{tags}.whl");
    let tree = Tree::new(&file);
    tree.programs(target, &format!("{name}/bin"));
    for source in ["__init__.py", "__main__.py"] {
        tree.put(&format!("{name}/{source}"), facts.fill_file(&format!("pypi/{source}"), &[]));
    }
    let info = format!("{name}-{version}.dist-info");
    let words: Vec<&str> =
        facts.keywords().as_array().into_iter().flatten().filter_map(|word| word.as_str()).collect();
    let more = [("description", facts.description().join("\n")), ("keywords", words.join(","))];
    let more: Vec<(&str, &str)> = more.iter().map(|(key, value)| (*key, value.as_str())).collect();
    tree.put(&format!("{info}/METADATA"), facts.fill_file("pypi/METADATA.in", &more));
    tree.copy("LICENSE", &format!("{info}/licenses/LICENSE"));
    let command = facts.text("node_and_python_name");
    tree.put(
        &format!("{info}/entry_points.txt"),
        format!("[console_scripts]\n{command} = {name}.__main__:main\n"),
    );
    let tags: String = tags.split('.').map(|tag| format!("Tag: py3-none-{tag}\n")).collect();
    tree.put(
        &format!("{info}/WHEEL"),
        format!("Wheel-Version: 1.0\nGenerator: cargo xtask dist\nRoot-Is-Purelib: false\n{tags}"),
    );
    let mut files = tree.files();
    let record: String = files.iter().map(|file| line(file, &bytes(&tree.0.join(file)))).collect();
    tree.put(&format!("{info}/RECORD"), format!("{record}{info}/RECORD,,\n"));
    // The specification of wheels asks for the metadata at the end of the archive.
    files = tree.files();
    files.sort_by_key(|file| (file.starts_with(&info), file.clone()));
    tree.zip(&out().join(&file), &files);
}

fn line(file: &str, content: &[u8]) -> String {
    format!("{file},sha256={},{}\n", URL_SAFE_NO_PAD.encode(Sha256::digest(content)), content.len())
}

#[cfg(test)]
#[test]
fn a_line_of_the_record_has_the_form_of_the_specification() {
    assert_eq!(line("a/b", b"abc"), "a/b,sha256=ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0,3\n");
}
