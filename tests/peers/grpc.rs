//! gRPC's own library for Python at the agent's socket: what somebody gets who brings their own, and whether the
//! tables of our library for Python are those of the contract.

use seqera_tests::binaries::workspace;
use seqera_tests::sandbox::ADA;
use seqera_tests::skip::skip;
use seqera_tests::{Home, Sandbox};
use serde_json::json;

#[test]
fn plain_grpc_works_with_the_one_option_and_finds_the_contract_by_reflection() {
    let python = workspace().join("target/peers/python/bin/python");
    if !python.is_file() {
        return skip("the packages for Python are missing (cargo xtask peers)");
    }
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    home.login("work", &sandbox, ADA);
    let socket = home.seqera("agent socket").run().ok().line().to_owned();
    let script = workspace().join("tests/peers/grpc/plain.py");
    let seen = home.program(python).args([script.as_os_str(), socket.as_ref()]).run().ok().json();
    let versions = seen["reflection"].as_object().expect("versions");
    assert!(versions.len() == 2 && versions.values().all(|count| count.as_u64() > Some(3)), "{seen}");
    assert_eq!((&seen["profile"], &seen["watched"]), (&json!("work"), &json!("token")));
    assert_eq!(seen["differences"], json!([]), "the tables of client/python are not those of the contract");
    assert_eq!(seen["states"], true);
    let names = json!({"1": "profile", "2": "authority", "3": "min_valid", "4": "rejected_sha256"});
    assert_eq!(seen["requests"]["GetAccessTokenRequest"], names);
    for request in ["WatchAccessTokenRequest", "StatusRequest"] {
        assert_eq!(seen["requests"][request], json!({"1": "profile", "2": "authority"}));
    }
    assert!(seen["without the option"].is_string(), "the page about it says that this fails: {seen}");
}
