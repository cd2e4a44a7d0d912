//! One program, or a crowd of them, that uses up what the agent has: the others still get their tokens. The agent
//! may open 256 descriptors here, which is what macOS gives a program.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use seqera_tests::browser::authorization_url;
use seqera_tests::sandbox::ADA;
use seqera_tests::{Home, Running, Sandbox, binaries, eventually};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(60);

/// A signed-in agent that may open few descriptors.
fn agent_with_few_descriptors() -> (Home, Sandbox, Running) {
    agent_with_few_descriptors_at(Sandbox::calm())
}

fn agent_with_few_descriptors_at(sandbox: Sandbox) -> (Home, Sandbox, Running) {
    let home = Home::new();
    let agent = home.shell(&format!("ulimit -n 256 && exec '{}'", binaries().agent.display())).start();
    eventually(LIMIT, "an agent that serves", || home.agent_pid());
    home.login("work", &sandbox, ADA);
    (home, sandbox, agent)
}

/// What a client says first, and perhaps the headers of a call of `grpc.health.v1.Health/Check`, perhaps with its
/// empty message.
fn spoken(parts: usize) -> Vec<u8> {
    let [head, data] = call(1, "/grpc.health.v1.Health/Check", &[]);
    [&[][..], HELLO, &head, &data][..=parts].concat()
}

const HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// The headers of a call on this stream, and its message.
fn call(stream: u8, path: &str, message: &[u8]) -> [Vec<u8>; 2] {
    let short = |length: usize| u8::try_from(length).expect("a short text");
    let content = b"application/grpc";
    // RFC 7541, appendix A: `POST` is 3, `http` 6, `:path` 4, `:authority` 1, and `content-type` 31.
    let path = [&[0x83, 0x86, 0x01, 1, b'x', 0x04, short(path.len())], path.as_bytes()].concat();
    let headers = [&path[..], &[0x0f, 0x10, 16], content].concat();
    let head = [&[0, 0, short(headers.len()), 1, 4, 0, 0, 0, stream], &headers[..]].concat();
    let (length, whole) = (short(message.len()), short(message.len() + 5));
    let data = [&[0, 0, whole, 0, 1, 0, 0, 0, stream, 0, 0, 0, 0, length], message].concat();
    [head, data]
}

#[test]
fn connections_of_one_program_in_any_state_keep_no_token_from_the_others() {
    let (home, _sandbox, mut agent) = agent_with_few_descriptors();
    let socket = home.socket_dir().join("agent.sock");
    for (parts, state) in ["silent", "greeted", "half a request", "one finished call"].into_iter().enumerate()
    {
        let bytes = spoken(parts);
        let held: Vec<_> = (0..200)
            .map(|_| {
                let mut stream = UnixStream::connect(&socket).expect("the backlog is long");
                // Whoever holds too many is hung up on.
                let _ = stream.write_all(&bytes);
                stream
            })
            .collect();
        for _ in 0..3 {
            let run = home.seqera("token --profile work").run();
            assert_eq!(run.code, Some(0), "{state}: {run:?}");
        }
        assert_eq!(home.seqera("status --profile work").run().code, Some(0), "{state}");
        drop(held);
    }
    assert!(agent.is_running());
}

/// Each of these requests would hold a descriptor until the Platform has answered.
#[test]
fn questions_to_a_platform_that_hangs_leave_the_descriptors_to_the_sessions() {
    let (home, sandbox, _agent) =
        agent_with_few_descriptors_at(Sandbox::start(&json!({ "access_lifetime": 6 })));
    let hanging = Sandbox::calm();
    let pat = hanging.personal_token(ADA);
    let login = format!("login --profile toys --authority {} --with-token", hanging.authority);
    home.seqera(&login).stdin(&format!("{pat}\n")).run().ok();
    hanging.fault(json!({"on": "user-info", "kind": "hang", "times": 0}));
    let asked = hanging.count("user_info");
    let describe = |stream| call(stream, "/seqera.agent.v1.Sessions/Describe", b"\x0a\x04toys").concat();
    let questions =
        [HELLO, &(0..60).map(|number| describe(2 * number + 1)).collect::<Vec<_>>().concat()].concat();
    let (socket, stop) = (home.socket_dir().join("agent.sock"), Arc::new(AtomicBool::new(false)));
    let stopped = Arc::clone(&stop);
    // They ask again whenever there have been no answers for a while, in the place of what was refused.
    let asking = move || {
        while !stopped.load(Ordering::Relaxed) {
            let Ok(mut stream) = UnixStream::connect(&socket) else { return };
            stream.set_read_timeout(Some(Duration::from_millis(500))).expect("it is open");
            // Whoever holds too many is hung up on.
            let _ = stream.write_all(&questions);
            while stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {}
        }
    };
    let asking: Vec<_> = (0..10).map(|_| std::thread::spawn(asking.clone())).collect();
    eventually(LIMIT, "questions at the Platform", || (hanging.count("user_info") > asked).then_some(()));
    let before = sandbox.count("refreshes");
    eventually(LIMIT, "renewals", || (sandbox.count("refreshes") >= before + 3).then_some(()));
    home.token("work");
    let status = home.seqera("status --profile work").run().ok().stdout;
    assert!(status.contains("Token kept in: file"), "{status}");
    assert!(!status.contains("Store:") && !status.contains("Renewal fails"), "{status}");
    home.login("another", &sandbox, ADA);
    stop.store(true, Ordering::Relaxed);
    for thread in asking {
        thread.join().expect("it asks to the end");
    }
}

#[test]
fn sign_ins_that_nobody_finishes_have_a_limit_and_keep_no_token_from_the_others() {
    let (home, sandbox, _agent) = agent_with_few_descriptors();
    let begin = |number: usize| {
        let args = format!("login --no-browser --profile p{number} --authority {}", sandbox.authority);
        home.seqera(&args).start()
    };
    let mut waiting = Vec::new();
    for number in 0..12 {
        let mut login = begin(number);
        login.until("authorization URL", authorization_url);
        waiting.push(login);
    }
    let refused = begin(12).finish(LIMIT).fails_with(1);
    assert!(refused.stderr.contains("12 logins are under way"), "{refused:?}");
    home.seqera("token --profile work").run().ok();
    drop(waiting);
    eventually(LIMIT, "room for another sign-in", || {
        let mut login = begin(13);
        eventually(LIMIT, "an answer", || {
            let said = login.stdout() + &login.stderr();
            (authorization_url(&said).is_some() || !login.is_running()).then_some(())
        });
        login.is_running().then_some(())
    });
}

#[test]
fn a_herd_beyond_the_number_of_connections_is_served_to_the_last() {
    let (home, _sandbox, _agent) = agent_with_few_descriptors();
    let herd: Vec<Running> = (0..200).map(|_| home.seqera("token --profile work").start()).collect();
    let failed: Vec<_> =
        herd.into_iter().map(|caller| caller.finish(LIMIT)).filter(|run| run.code != Some(0)).collect();
    assert!(failed.is_empty(), "{failed:?}");
}
