//! Small source trees, with one thing in each.

use std::path::{Path, PathBuf};

use super::{LAYOUTS, Report, summary};

const AGENT: &str = "agent/src/lib.rs";
const CLIENT: &str = "client/src/bin/seqera/main.rs";
/// A crate without a layout.
const PLAIN: &str = "plain/lib.rs";

/// The problems found in a tree of sources. The file names are relative to the folder of the root, which
/// comes first.
fn report(root: &str, sources: &[(&str, &str)]) -> Report {
    let folder = Path::new(root).parent().expect("a root lies in a folder");
    let text = |path: &Path| {
        let found = sources.iter().find(|(name, _)| folder.join(name) == path);
        found.map(|(_, text)| (*text).to_owned())
    };
    Report::of(Path::new(root), &text)
}

fn problems(root: &str, sources: &[(&str, &str)]) -> Vec<String> {
    report(root, sources).problems
}

/// Whether `a.rs` with this text imports `b.rs` or one of its children, whose sources are given. `b` imports
/// `a`, so that an import shows up as a circle.
fn imports(a: &str, b: &[(&str, &str)]) -> bool {
    let mut sources = vec![("lib.rs", "mod a; mod b;"), ("a.rs", a)];
    sources.extend(b);
    problems(PLAIN, &sources).iter().any(|problem| problem.starts_with("a circle of 2 files"))
}

/// The same if `b.rs` is a single file.
fn imports_b(a: &str) -> bool {
    imports(&format!("pub struct A; {a}"), &[("b.rs", "use crate::a::A; pub struct B; pub fn f(_: A) {}")])
}

#[test]
fn a_wing_may_import_what_lies_below_it() {
    let sources = [
        ("lib.rs", "mod process; mod api; mod storage; mod error; mod clock;"),
        ("process.rs", "mod unix; use crate::api::Api; use self::unix::fork;"),
        ("process/unix.rs", "pub fn fork() -> crate::error::Error { todo() }"),
        ("api.rs", "use crate::storage::Store; pub struct Api;"),
        ("storage.rs", "use crate::error::Error; pub struct Store;"),
        ("error.rs", "use crate::clock::Time; pub struct Error;"),
        ("clock.rs", "pub struct Time;"),
    ];
    let report = report(AGENT, &sources);
    assert_eq!(report.problems, [""; 0]);
    assert_eq!(summary(&[report]), "7 files, 5 levels, 6 files in agent/src");
}

#[test]
fn a_wing_that_imports_one_above_it_is_named_with_what_it_takes() {
    let sources = [
        ("lib.rs", "mod storage; mod sessions;"),
        ("storage.rs", "mod state;"),
        ("storage/state.rs", "// The view.\nuse crate::sessions::view::{View, Served};"),
        ("sessions.rs", "mod view;"),
        ("sessions/view.rs", "pub struct View; pub struct Served;"),
    ];
    assert_eq!(
        problems(AGENT, &sources),
        ["agent/src/storage/state.rs:2 imports agent/src/sessions/view.rs: View, Served"]
    );
}

#[test]
fn wings_of_one_floor_do_not_import_each_other() {
    let sources = [
        ("lib.rs", "mod leases; mod socket;"),
        ("leases.rs", "use crate::socket::Peer;"),
        ("socket.rs", "pub struct Peer;"),
    ];
    assert_eq!(problems(AGENT, &sources), ["agent/src/leases.rs:1 imports agent/src/socket.rs: Peer"]);
}

#[test]
fn files_at_the_root_lie_below_all_wings() {
    let sources = [
        ("lib.rs", "mod error; mod providers;"),
        ("error.rs", "use crate::providers::http::chain;"),
        ("providers/mod.rs", "pub mod http;"),
        ("providers/http.rs", "pub fn chain() {}"),
    ];
    assert_eq!(
        problems(AGENT, &sources),
        ["agent/src/error.rs:1 imports agent/src/providers/http.rs: chain"]
    );
}

#[test]
fn nobody_imports_the_root_of_the_agent() {
    let sources = [("lib.rs", "mod error; pub const NAME: &str = \"\";"), ("error.rs", "use crate::NAME;")];
    assert_eq!(problems(AGENT, &sources), ["agent/src/error.rs:1 imports agent/src/lib.rs: NAME"]);
}

#[test]
fn helpers_of_tests_are_exempt_and_the_manual_imports_nothing() {
    let with_manual = |manual| {
        let fakes = "pub struct Fake(crate::api::Api);";
        let api = "pub struct Api; use crate::testing::Fake;";
        let sources =
            [("lib.rs", "mod api; mod testing; mod manual;"), ("api.rs", api), ("testing.rs", fakes)];
        problems(AGENT, &[&sources[..], &[("manual.rs", manual)]].concat())
    };
    assert_eq!(with_manual("//! See [`crate::api::Api`]."), [""; 0]);
    assert_eq!(with_manual("use crate::api::Api;"), ["agent/src/manual.rs:1 imports agent/src/api.rs: Api"]);
}

#[test]
fn the_client_has_no_file_outside_its_wings() {
    let sources = |settings, other| {
        [
            ("main.rs", "mod cli; mod ending; mod commands; mod settings; mod screen; mod other;"),
            ("cli.rs", "use crate::ending::End; use crate::commands::Login;"),
            ("ending.rs", "pub struct End;"),
            ("commands.rs", "use crate::settings::Env; use crate::screen::Screen; pub struct Login;"),
            ("settings.rs", settings),
            ("screen.rs", "pub struct Screen;"),
            (other, ""),
        ]
    };
    let down = "use crate::screen::Screen; pub struct Env;";
    let up = "use crate::commands::Login; pub struct Env;";
    let names = |found: Vec<String>| found.join("\n").replace("client/src/bin/seqera/", "");
    assert_eq!(names(problems(CLIENT, &sources(down, "other.rs"))), "other.rs lies in no wing");
    let found = names(problems(CLIENT, &sources(up, "other.rs")));
    assert!(found.contains("settings.rs:1 imports commands.rs: Login"), "{found}");
    assert!(names(problems(CLIENT, &sources(down, "gone.rs"))).contains("no file of mod other"));
}

#[test]
fn a_circle_is_shown_with_each_of_its_arrows() {
    let sources = [
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "use crate::b::B; pub struct A;"),
        ("b.rs", "\nuse crate::c::{C, c}; pub struct B;"),
        ("c.rs", "pub struct C; pub fn c() -> super::a::A {}"),
    ];
    let circle = "a circle of 3 files:\n  plain/a.rs:1 imports plain/b.rs: B\n  \
                  plain/b.rs:2 imports plain/c.rs: C, c\n  plain/c.rs:1 imports plain/a.rs: A";
    assert_eq!(problems(PLAIN, &sources), [circle]);
    let mut opened = sources;
    opened[3].1 = "pub struct C; pub fn c() {}";
    assert_eq!(problems(PLAIN, &opened), [""; 0]);
}

#[test]
fn every_circle_is_shown_once() {
    let sources = [
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "use crate::{b::B, c::C}; pub struct A;"),
        ("b.rs", "use crate::a::A; pub struct B;"),
        ("c.rs", "use crate::a::A; pub struct C;"),
    ];
    assert_eq!(problems(PLAIN, &sources).len(), 2);
}

#[test]
fn two_wings_are_a_circle_even_where_their_files_are_none() {
    let sources = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "pub mod one; pub mod two;"),
        ("a/one.rs", "use crate::b::B;"),
        ("a/two.rs", "pub struct Two;"),
        ("b.rs", "pub mod three; pub struct B;"),
        ("b/three.rs", "use crate::a::two::Two;"),
    ];
    let found = problems(PLAIN, &sources);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("a circle of 2 wings:\n  plain/a/one.rs:1 imports plain/b.rs: B"));
}

#[test]
fn parent_and_child_can_be_a_circle() {
    let broken = |more: &str| {
        let parent = format!("mod b; const fn limit() {{}} {more}");
        let child = "use super::limit; pub struct B; pub fn b() {}";
        !problems(PLAIN, &[("lib.rs", "mod a;"), ("a.rs", &parent), ("a/b.rs", child)]).is_empty()
    };
    for alone in ["", "pub use b::B;", "pub(crate) use self::b::{B, b};", "pub(in crate::a) use b::*;"] {
        assert!(!broken(alone), "{alone}");
    }
    for used in
        ["use b::B;", "fn f() { b::b() }", "pub use b::B; fn f(b: B) {}", "pub use b::b; fn f() { b(1) }"]
    {
        assert!(broken(used), "{used}");
    }
}

#[test]
fn what_a_parent_hands_on_is_imported_from_the_file_that_defines_it() {
    let parent = "mod deep; pub mod other; pub use self::deep::B as Renamed; pub use other::*;";
    let tree = |deep, other| [("b.rs", parent), ("b/deep.rs", deep), ("b/other.rs", other)];
    let circle = "pub struct B; pub struct C; pub struct D(crate::a::A);";
    let free = "pub struct B; pub struct C;";
    let a = "pub struct A; use crate::b::Renamed;";
    assert!(imports(a, &tree(circle, free)) && !imports(a, &tree(free, circle)));
    let by_glob = "pub struct A; fn f(_: crate::b::C) {}";
    assert!(imports(by_glob, &tree(free, circle)) && !imports(by_glob, &tree(circle, free)));
    let by_module = "pub struct A; use crate::b::other as o; fn f() -> o::C {}";
    assert!(imports(by_module, &tree(free, circle)) && !imports(by_module, &tree(circle, free)));
}

#[test]
fn all_ways_to_name_a_file_are_seen() {
    for way in [
        "use crate::b::B;",
        "use super::b::{self as c, B as C};",
        "use crate::{a as me, b::{B}};",
        "use crate::b::*;",
        "use super::*; fn g() { b::f() }",
        "use crate::b as c; fn g() { c::f() }",
        "fn g() { use crate::b; b::f() }",
        "fn g() { crate::b::f(1) }",
        "fn g() -> Vec<super::b::B> {}",
        "mod inner { pub fn g() { super::super::b::f() } }",
        "macro_rules! m { () => { $crate::b::f() } }",
        "fn g() { println!(\"{}\", crate::b::f()) }",
        "#[derive(crate::b::B)] struct S;",
        "impl super::b::B { }",
        "pub(crate) use crate::b::B;",
        "#[cfg(any(test, unix))] use crate::b::B;",
        "#[cfg(not(test))] use crate::b::B;",
        "use crate::r#b::B as _;",
        "fn g() { for x in 0..crate::b::f() {} }",
    ] {
        assert!(imports_b(way), "{way}");
    }
}

#[test]
fn comments_texts_tests_and_other_crates_are_no_imports() {
    for way in [
        "// use crate::b::B;",
        "/// See [`crate::b::B`].\nfn g() {}",
        "fn g() { print(\"crate::b::f()\") }",
        "#[serde(with = \"crate::b\")] struct S;",
        "#[cfg(test)] mod tests { use crate::b::B; }",
        "#[cfg(all(test, unix))] use crate::b::B;",
        "impl A { #[cfg(test)] fn fake(a: A, b: B) { crate::b::f() } }",
        "struct S { #[cfg(test)] x: crate::b::B, y: A }",
        "#[cfg(test)] #[expect(dead_code, reason = \"\")] pub(crate) fn g<A, B>() { crate::b::f() }",
        "use b::B; use ::b::f; fn g(x: ::b::B) { x.b::<u8>(); <A as T>::b::f() }",
        "pub(in crate::b) fn g() {}",
        "fn g<'b>(b: &'b str) { b.B() }",
        "use crate::b;",
    ] {
        assert!(!imports_b(way), "{way}");
    }
}

#[test]
fn a_file_of_tests_is_not_read() {
    let sources = [
        ("lib.rs", "mod a;"),
        ("a.rs", "pub struct A; #[cfg(test)] mod tests; #[cfg(test)] #[path = \"a_tests.rs\"] mod more;"),
        ("a/tests.rs", "use super::A; )"),
    ];
    let report = report(PLAIN, &sources);
    assert_eq!(report.problems, [""; 0]);
    assert_eq!(report.files, [PathBuf::from("plain/lib.rs"), PathBuf::from("plain/a.rs")]);
}

#[test]
fn modules_lie_beside_or_below_their_parent_or_where_a_path_says() {
    let sources = [
        ("lib.rs", "mod a; mod b { mod inner; }"),
        (
            "a/mod.rs",
            "mod c; #[cfg(unix)] #[path = \"unix.rs\"] mod system; #[cfg(windows)] #[path = \"windows.rs\"] mod system;",
        ),
        ("a/c.rs", "mod d;"),
        ("a/c/d.rs", "fn f() { crate::a::system::g() }"),
        ("a/unix.rs", "pub fn g() {}"),
        ("a/windows.rs", "pub fn g() {} use super::c::d::f;"),
        ("b/inner.rs", ""),
    ];
    let report = report(PLAIN, &sources);
    assert_eq!(report.files.len(), sources.len());
    let circle = "a circle of 2 files:\n  plain/a/c/d.rs:1 imports plain/a/windows.rs: g\n  \
                  plain/a/windows.rs:1 imports plain/a/c/d.rs: f";
    assert_eq!(report.problems, [circle]);
    let conditional =
        "#[cfg_attr(unix, path = \"x/unix.rs\")] #[cfg_attr(windows, path = \"win.rs\")] mod system;";
    let sources =
        [("lib.rs", conditional), ("x/unix.rs", "mod beside;"), ("x/beside.rs", ""), ("win.rs", "")];
    assert_eq!(super::tests::report(PLAIN, &sources).files.len(), sources.len());
}

#[test]
fn what_cannot_be_read_is_a_problem() {
    assert_eq!(problems(PLAIN, &[("main.rs", "")]), ["plain/lib.rs cannot be read"]);
    assert_eq!(problems(PLAIN, &[("lib.rs", "mod a;"), ("a.rs", "\n(")]), ["plain/a.rs:2 is no Rust"]);
    assert_eq!(problems(PLAIN, &[("lib.rs", "\nmod a;")]), ["plain/lib.rs:2: no file of mod a"]);
}

#[test]
fn names_that_lead_in_a_circle_end() {
    let sources = [
        ("lib.rs", "mod a; mod b; pub use a::*; pub use b::*;"),
        ("a.rs", "pub use crate::b::*; pub use crate::b::X as Y; fn f() { Y::new(); Nothing::new() }"),
        ("b.rs", "pub use crate::a::*; pub use crate::a::Y as X;"),
    ];
    assert_eq!(report(PLAIN, &sources).files.len(), 3);
}

#[test]
fn no_layout_names_a_wing_twice() {
    for layout in &LAYOUTS {
        let mut wings = [&[layout.top, layout.silent, layout.exempt], layout.floors].concat().concat();
        let count = wings.len();
        wings.sort_unstable();
        wings.dedup();
        assert_eq!(wings.len(), count, "{}", layout.root);
    }
}
