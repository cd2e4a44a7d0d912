//! One program, or a crowd of them, that uses up what the agent has: the others still get their tokens. The agent
//! may open 256 descriptors here, which is what macOS gives a program.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use seqera_tests::browser::authorization_url;
use seqera_tests::sandbox::ADA;
use seqera_tests::{Home, Running, Sandbox, binaries, eventually};

const LIMIT: Duration = Duration::from_secs(60);

/// A signed-in agent that may open few descriptors.
fn agent_with_few_descriptors() -> (Home, Sandbox, Running) {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let agent = home.shell(&format!("ulimit -n 256 && exec '{}'", binaries().agent.display())).start();
    eventually(LIMIT, "an agent that serves", || home.agent_pid());
    home.login("work", &sandbox, ADA);
    (home, sandbox, agent)
}

/// What a client says first, and perhaps the headers of a call of `grpc.health.v1.Health/Check`, perhaps with its
/// empty message.
fn spoken(parts: usize) -> Vec<u8> {
    let path = b"/grpc.health.v1.Health/Check";
    let length = u8::try_from(path.len()).expect("a short path");
    let content = b"application/grpc";
    // RFC 7541, appendix A: `POST` is 3, `http` 6, `:path` 4, `:authority` 1, and `content-type` 31.
    let headers =
        [&[0x83, 0x86, 0x01, 1, b'x', 0x04, length], &path[..], &[0x0f, 0x10, 16], content].concat();
    let block = u8::try_from(headers.len()).expect("a short block");
    let hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let head = [&[0, 0, block, 1, 4, 0, 0, 0, 1], &headers[..]].concat();
    let data = [0, 0, 5, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0];
    [&[][..], hello, &head, &data][..=parts].concat()
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
