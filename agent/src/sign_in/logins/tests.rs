mod bench;
mod device;
mod pasted;

use tokio::net::{TcpListener, TcpStream};

use self::bench::{Bench, answer_to, come_back, done, free_port, visit, wait_until_free, waiting};
use super::*;
use crate::sign_in::stage::{Install, LoginOptions, SignedIn};

#[tokio::test]
async fn a_wrong_state_is_refused_and_the_right_one_still_signs_in() {
    let bench = Bench::new().await;
    let mut handle = bench.begin("client", None);
    let (url, port) = waiting(&mut handle).await;
    bench.grant(&url);
    assert_eq!(come_back(port, "code=evil&state=wrong").await.0, 400);
    assert_eq!(come_back(port, "code=evil").await.0, 400);
    assert!(bench.double.seen("POST /token").is_empty());
    let (status, page) = come_back(port, &answer_to(&url)).await;
    assert_eq!(status, 200);
    assert!(page.contains("signed in as ada@x.test"), "{page}");
    assert!(page.contains("content-security-policy: default-src 'none'"), "{page}");
    done(&mut handle).await.unwrap();
    assert_eq!(bench.installed.1.try_recv().unwrap().account.subject, "ada");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_address_that_a_browser_is_started_with_leads_to_the_provider_once() {
    let bench = Bench::new().await;
    let mut handle = bench.begin("client", None);
    let (url, port) = waiting(&mut handle).await;
    bench.grant(&url);
    let open = || async { visit(("127.0.0.1", port), &format!("127.0.0.1:{port}"), "/").await };
    let (status, answer) = open().await;
    assert_eq!(status, 302);
    let location = format!("location: {url}\r\n");
    for header in [&*location, "cache-control: no-store\r\n", "referrer-policy: no-referrer\r\n"] {
        assert!(answer.contains(header), "{header} {answer}");
    }
    let (status, answer) = open().await;
    assert!(status == 410 && answer.contains("opened already") && !answer.contains("state="), "{answer}");
    assert_eq!(come_back(port, &answer_to(&url)).await.0, 200);
    done(&mut handle).await.unwrap();
}

#[tokio::test]
async fn those_who_connect_and_say_nothing_do_not_keep_the_browser_out() {
    let bench = Bench::new().await;
    let mut handle = bench.begin("client", None);
    let (url, port) = waiting(&mut handle).await;
    bench.grant(&url);
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
    }
    let answer = answer_to(&url);
    let soon = tokio::time::timeout(std::time::Duration::from_secs(1), come_back(port, &answer));
    assert_eq!(soon.await.expect("the browser waits for those who say nothing").0, 200);
    done(&mut handle).await.unwrap();
}

#[tokio::test]
async fn a_foreign_host_is_refused() {
    let bench = Bench::new().await;
    let mut handle = bench.begin("client", None);
    let (url, port) = waiting(&mut handle).await;
    bench.grant(&url);
    let target = format!("/callback?{}", answer_to(&url));
    for host in ["evil.test", "127.0.0.1", &format!("evil.test:{port}"), "127.0.0.1:1", ""] {
        assert_eq!(visit(("127.0.0.1", port), host, &target).await.0, 421, "{host:?}");
    }
    let absolute = format!("http://evil.test{target}");
    assert_eq!(visit(("127.0.0.1", port), &format!("127.0.0.1:{port}"), &absolute).await.0, 421);
    assert!(bench.double.seen("POST /token").is_empty());
    assert_eq!(visit(("127.0.0.1", port), &format!("localhost:{port}"), &target).await.0, 200);
    done(&mut handle).await.unwrap();
}

#[tokio::test]
async fn the_other_loopback_family_answers_too() {
    if TcpListener::bind("[::1]:0").await.is_err() {
        return; // A machine without IPv6 has no other family.
    }
    let bench = Bench::new().await;
    let mut handle = bench.begin("client", None);
    let (_, port) = waiting(&mut handle).await;
    assert_eq!(visit(("::1", port), &format!("[::1]:{port}"), "/other").await.0, 404);
}

#[tokio::test]
async fn a_replayed_callback_finds_nobody() {
    let bench = Bench::new().await;
    let mut handle = bench.begin("client", Some(free_port().await));
    let (url, port) = waiting(&mut handle).await;
    bench.grant(&url);
    assert_eq!(come_back(port, &answer_to(&url)).await.0, 200);
    done(&mut handle).await.unwrap();
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
    assert_eq!(bench.double.seen("POST /token").len(), 1);
}

#[tokio::test]
async fn browser_and_caller_hear_of_a_success_only_after_it_is_installed() {
    let bench = Bench::new().await;
    let failure = AgentError::new(ErrorKind::StoreFailed, "the disk is full", "free some space");
    let failing = failure.clone();
    let install: Install = Box::new(move |_| Box::pin(async move { Err(failing) }));
    let mut handle = bench.begin_with("client", None, install);
    let (url, port) = waiting(&mut handle).await;
    bench.grant(&url);
    let (status, page) = come_back(port, &answer_to(&url)).await;
    assert_eq!(status, 400);
    assert!(page.contains("The disk is full.") && page.contains("free some space"), "{page}");
    assert_eq!(done(&mut handle).await.unwrap_err(), failure);
}

#[tokio::test]
async fn a_login_that_was_denied_ends_with_the_providers_words() {
    let bench = Bench::new().await;
    let mut handle = bench.begin("client", None);
    let (url, port) = waiting(&mut handle).await;
    let state = answer_to(&url).replace("code=code-1&", "");
    let words = "error=access_denied&error_description=%3Cscript%3E";
    let (status, page) = come_back(port, &format!("{words}&{state}")).await;
    assert_eq!(status, 400);
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script"), "{page}");
    assert_eq!(done(&mut handle).await.unwrap_err().kind, ErrorKind::LoginDenied);
}

#[tokio::test]
async fn a_login_that_nobody_finishes_times_out_by_the_wall_clock() {
    let bench = Bench::new().await;
    let mut handle = bench.begin("client", None);
    waiting(&mut handle).await;
    bench.clock.jump(301);
    assert_eq!(done(&mut handle).await.unwrap_err().kind, ErrorKind::LoginTimedOut);
}

#[tokio::test]
async fn a_second_login_of_the_same_party_joins_the_first() {
    let bench = Bench::new().await;
    let mut first = bench.begin("client", None);
    let (url, port) = waiting(&mut first).await;
    let mut second = bench.begin("client", None);
    assert!(!first.joined && second.joined);
    assert_eq!(waiting(&mut second).await, (url.clone(), port));
    // The login goes on as long as one of the two callers stays.
    drop(first);
    bench.grant(&url);
    assert_eq!(come_back(port, &answer_to(&url)).await.0, 200);
    done(&mut second).await.unwrap();
    assert_eq!(bench.installed.1.try_iter().count(), 1);
}

#[tokio::test]
async fn a_login_of_another_party_replaces_the_first_and_takes_its_port() {
    let bench = Bench::new().await;
    let port = Some(free_port().await);
    let mut first = bench.begin("client", port);
    waiting(&mut first).await;
    let mut second = bench.begin("another", port);
    assert!(!second.joined);
    let error = done(&mut first).await.unwrap_err();
    assert!(error.kind == ErrorKind::Ended && error.to_string().contains("replaced"), "{error}");
    assert_eq!(Some(waiting(&mut second).await.1), port);
}

#[tokio::test]
async fn a_login_ends_and_frees_its_port_when_its_last_caller_has_gone() {
    let bench = Bench::new().await;
    let mut handle = bench.begin("client", Some(free_port().await));
    let (_, port) = waiting(&mut handle).await;
    assert_eq!(bench.logins.names().len(), 1);
    drop(handle);
    wait_until_free(port).await;
    assert!(bench.logins.names().is_empty());
}

#[tokio::test]
async fn a_login_whose_answer_has_come_is_finished_without_its_caller() {
    let bench = Bench::new().await;
    let (leave, left) = oneshot::channel();
    let install: Install = Box::new(|_| {
        Box::pin(async {
            left.await.unwrap();
            Ok(SignedIn::default())
        })
    });
    let mut handle = bench.begin_with("client", None, install);
    let (url, port) = waiting(&mut handle).await;
    bench.grant(&url);
    let caller = async {
        bench.double.wait_for("POST /token").await;
        drop(handle);
        leave.send(()).unwrap();
    };
    let answer = answer_to(&url);
    let ((status, _), ()) = tokio::join!(come_back(port, &answer), caller);
    assert_eq!(status, 200);
}

#[tokio::test]
async fn a_cancelled_login_says_so() {
    let bench = Bench::new().await;
    let mut handle = bench.begin("client", None);
    waiting(&mut handle).await;
    assert!(bench.logins.cancel(&ProfileName::fallback()));
    assert_eq!(done(&mut handle).await.unwrap_err().kind, ErrorKind::Ended);
    assert!(!bench.logins.cancel(&ProfileName::fallback()));
}

#[tokio::test]
async fn a_chosen_port_is_used_alone() {
    let bench = Bench::new().await;
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut handle = bench.begin("client", Some(port));
    let error = done(&mut handle).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Misconfigured);
    assert!(error.to_string().contains(&format!("port {port} is in use")), "{error}");
    assert!(error.hint().contains("SEQERA_AUTH_REDIRECT_PORT"));
}

#[tokio::test]
async fn requests_that_are_too_large_are_refused_and_the_login_goes_on() {
    let bench = Bench::new().await;
    let mut handle = bench.begin("client", None);
    let (url, port) = waiting(&mut handle).await;
    bench.grant(&url);
    let long = format!("/callback?code={}", "x".repeat(20_000));
    let host = format!("127.0.0.1:{port}");
    assert!(visit(("127.0.0.1", port), &host, &long).await.0 >= 400);
    assert_eq!(come_back(port, &answer_to(&url)).await.0, 200);
    done(&mut handle).await.unwrap();
}

#[tokio::test]
async fn logins_have_a_limit_and_one_that_ends_makes_room_and_leaves_nothing() {
    let bench = Bench::new().await;
    let begin = |name: &str| {
        let install: Install = Box::new(|_| Box::pin(async { Ok(SignedIn::default()) }));
        bench.begin_named(&name.parse().unwrap(), "client", LoginOptions::default(), install)
    };
    let mut handles: Vec<_> = ["a", "b", "c"].into_iter().map(|name| begin(name).unwrap()).collect();
    let refused = begin("d").err().unwrap();
    assert_eq!(refused.kind, ErrorKind::TooMany);
    assert!(begin("a").unwrap().joined, "a running one can be joined");
    handles.pop();
    bench.logins.ended().await;
    handles.push(begin("d").unwrap());
    handles.clear();
    while !bench.logins.running.lock().unwrap().is_empty() {
        bench.logins.ended().await;
    }
}
