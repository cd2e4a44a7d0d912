//! A real VS Code with the extension, a person in front of it, and another extension beside it. What they do and see
//! is in `vscode/drive.mjs`.

use seqera_tests::{Home, Sandbox, vscode};

#[test]
fn a_person_signs_in_other_extensions_get_the_account_and_no_secret_is_left_in_the_editor() {
    vscode::play("accounts", &Home::new(), &Sandbox::calm());
}

#[test]
fn a_code_and_a_pasted_address_sign_in_and_troubles_are_shown_with_their_remedy() {
    vscode::play("otherWays", &Home::new(), &Sandbox::calm());
}

#[test]
fn a_workspace_that_is_not_trusted_gets_the_status_alone_and_a_workspace_redirects_nothing() {
    vscode::play("untrusted", &Home::new(), &Sandbox::calm());
}
