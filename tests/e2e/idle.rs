//! An agent that nobody calls is small: its threads end, and it does not wake up to look whether its files are there.

use std::time::Duration;

use seqera_tests::sandbox::ADA;
use seqera_tests::{Home, Sandbox, eventually};

const LIMIT: Duration = Duration::from_secs(60);

fn threads(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count)
}

#[test]
fn after_a_sign_in_the_threads_for_files_keychain_and_network_end() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    home.login("work", &sandbox, ADA);
    let pid = home.agent_pid().expect("the agent runs");
    // The second one is of the library that reaches the keychain, however many processors there are.
    eventually(LIMIT, "an agent with two threads at most", || (threads(pid) <= 2).then_some(()));
    home.token("work");
}

#[test]
fn a_socket_that_is_removed_is_back_at_once_without_anybody_looking() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    home.login("work", &sandbox, ADA);
    let pid = home.agent_pid().expect("the agent runs");
    let socket = home.socket_dir().join("agent.sock");
    for _ in 0..2 {
        std::fs::remove_file(&socket).expect("it is ours");
        eventually(LIMIT, "the socket", || socket.exists().then_some(()));
        assert_eq!(home.agent_pid(), Some(pid), "the same agent");
    }
}
