//! The command line as its users meet it: exact texts, exit codes, bad input.
