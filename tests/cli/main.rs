//! The command line as its users meet it: exact texts, exit codes, bad input. The cases are the pages in
//! `cases/`; `runner.rs` tells how they are written,
//! `schemas.rs` what becomes of the objects on them.

mod completions;
mod normal;
mod runner;
mod schemas;

/// One test for each page, and one that finds pages which are not listed.
macro_rules! cases {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            runner::run(stringify!($name));
        })*

        #[test]
        fn no_page_is_forgotten() {
            assert_eq!(runner::pages(), [$(stringify!($name)),*]);
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
    workspace
}
