//! One file for each command, with its arguments in it; and what several of them share.

pub(crate) mod agent;
pub(crate) mod ai;
pub(crate) mod backend;
pub(crate) mod choices;
pub(crate) mod completions;
pub(crate) mod exec;
pub(crate) mod handover;
pub(crate) mod info;
pub(crate) mod listing;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod nextflow;
pub(crate) mod org;
pub(crate) mod profile;
pub(crate) mod scitoolkit;
pub(crate) mod status;
pub(crate) mod token;
pub(crate) mod whoami;
pub(crate) mod workspace;
