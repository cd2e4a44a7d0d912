//! The command line as its users see it: exact texts, exit codes, bad input. The cases are the pages in
//! `cases/` (`pages.rs`). `runner.rs` explains how they are written, `schemas.rs` how the objects on them are
//! checked; `lines.rs` has every command say all that it can in JSON.

mod completions;
mod lines;
mod normal;
mod pages;
mod runner;
mod schemas;

/// One test for each page, and one that finds pages that are not listed.
macro_rules! cases {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            runner::run(stringify!($name));
        })*

        #[test]
        fn no_page_is_forgotten() {
            assert_eq!(pages::names(), [$(stringify!($name)),*]);
        }
    };
}

cases! {
    agent
    ai
    bad_input
    doctor
    environment
    exec
    import
    info
    leases
    login
    logout
    logs
    objects
    org
    profile
    providers
    scitoolkit
    status
    token
    token_file
    workspace
}
