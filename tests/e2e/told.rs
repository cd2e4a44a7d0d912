//! What a person is told: where they sign in and as which profile, and hints that can be followed blindly.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use seqera_tests::browser::{authorization_url, sign_in};
use seqera_tests::sandbox::ADA;
use seqera_tests::terminal::{in_terminal, seen};
use seqera_tests::{Home, Sandbox};

const LIMIT: Duration = Duration::from_secs(30);

fn host(sandbox: &Sandbox) -> &str {
    sandbox.url.trim_start_matches("http://")
}

/// The text of a hint, whatever comes before it.
fn hint(stderr: &str) -> &str {
    stderr.split_once("hint: ").map_or("", |(_, hint)| hint.trim_end())
}

#[test]
fn a_login_names_host_account_and_profile_and_announces_one_that_it_made() {
    let (home, first, second) = (Home::new(), Sandbox::calm(), Sandbox::calm());
    let run = |sandbox: &Sandbox| {
        let login = format!("login --no-browser --authority {}", sandbox.authority);
        let mut login = home.seqera(&login).start();
        sign_in(&login.until("authorization URL", authorization_url), ADA);
        login.finish(LIMIT).ok().stdout
    };
    let told = run(&first);
    assert!(told.contains(&format!("Successfully authenticated as {ADA}\n")), "{told}");
    assert!(told.contains(&format!("Profile 'default' at {}, the default", host(&first))), "{told}");
    let told = run(&second);
    let made = format!("Profile '127.0.0.1' at {}, a new one named after its host", host(&second));
    assert!(told.contains(&made) && told.contains("with --profile 127.0.0.1"), "{told}");
}

#[test]
fn a_login_elsewhere_over_a_live_session_asks_or_needs_force() {
    let (home, here, there) = (Home::new(), Sandbox::calm(), Sandbox::calm());
    home.login("work", &here, ADA);
    let elsewhere = format!("login --no-browser --profile work --authority {}", there.authority);
    let refused = home.seqera(&elsewhere).run().fails_with(2).stderr;
    assert!(refused.contains(&here.authority) && refused.contains(&there.authority), "{refused}");
    assert!(hint(&refused).contains("--force"), "{refused}");
    let token = there.personal_token(ADA);
    let given = home.seqera(&format!("login --with-token --profile work --authority {}", there.authority));
    given.stdin(&token).run().fails_with(2);
    assert_eq!(home.status("work")["authority"], here.authority.as_str());
    assert_eq!(here.user_info(&home.token("work")).status, 200);

    let mut forced = home.seqera(&format!("{elsewhere} --force")).start();
    sign_in(&forced.until("authorization URL", authorization_url), ADA);
    forced.finish(LIMIT).ok();
    assert_eq!(home.status("work")["authority"], there.authority.as_str());
}

#[test]
fn a_person_is_asked_before_a_session_elsewhere_is_replaced() {
    let (home, here, there) = (Home::new(), Sandbox::calm(), Sandbox::calm());
    home.login("work", &here, ADA);
    let elsewhere = format!("seqera login --no-browser --profile work --authority {}", there.authority);
    let Some(terminal) = in_terminal(&home, &elsewhere) else { return };
    let mut login = terminal.start();
    login.until("question", |output| output.contains("Replace that session? [y/N]").then_some(()));
    login.write("y\n");
    sign_in(&login.until("authorization URL", |output| authorization_url(&seen(output))), ADA);
    login.finish(LIMIT).ok();
    assert_eq!(home.status("work")["authority"], there.authority.as_str());
}

#[test]
fn a_hint_repeats_the_profile_that_was_typed_and_every_command_gives_the_same() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    home.login("work", &sandbox, ADA);
    home.seqera("logout --profile work").run().ok();
    for command in ["status", "whoami", "info", "token", "exec -- true", "org list", "workspace list"] {
        let typed = home.seqera(&format!("--profile work {command}")).run().fails_with(3).stderr;
        assert_eq!(hint(&typed), "run 'seqera login --profile work'", "{command}: {typed}");
        assert!(typed.contains("error: profile 'work' is not signed in\n"), "{command}: {typed}");
        let plain = home.seqera(command).run().fails_with(3).stderr;
        assert_eq!(hint(&plain), "run 'seqera login'", "{command}: {plain}");
        let variable = home.seqera(command).env("SEQERA_PROFILE", "work").run().fails_with(3).stderr;
        assert_eq!(hint(&variable), "run 'seqera login --profile work'", "{command}: {variable}");
    }
    let chosen = home.seqera("profile use work").run().ok().stdout;
    assert!(chosen.contains("work"), "{chosen}");
    let of_chosen = home.seqera("status").run().fails_with(3).stderr;
    assert_eq!(hint(&of_chosen), "run 'seqera login --profile work'");
    let other = home.seqera("--profile default token").run().fails_with(3).stderr;
    assert_eq!(hint(&other), "run 'seqera login --profile default'", "the plain one would sign in 'work'");
}

#[test]
fn a_hint_of_a_login_repeats_profile_and_authority() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let login = format!("login --no-browser --profile late --authority {}", sandbox.authority);
    let late = home.seqera(&login).env("SEQERA_AUTH_CALLBACK_TIMEOUT_MS", "500").run().fails_with(4).stderr;
    let again = format!("seqera login --profile late --authority {}", sandbox.authority);
    assert!(hint(&late).starts_with(&format!("run '{again}' again")), "{late}");
    assert!(late.contains(&format!("{again} --device")), "the other way repeats it, too: {late}");
    let device = format!("login --device --profile late --authority {}", sandbox.authority);
    let late = home.seqera(&device).env("SEQERA_AUTH_CALLBACK_TIMEOUT_MS", "500").run().fails_with(4).stderr;
    assert!(hint(&late).starts_with(&format!("run '{again} --device' again")), "{late}");
    let nowhere = "http://127.0.0.1:1/api";
    let gone = home.seqera(&format!("login --profile late --authority {nowhere}")).run().fails_with(4).stderr;
    assert!(hint(&gone).contains(&format!("'seqera login --profile late --authority {nowhere}'")), "{gone}");
}

#[test]
fn the_host_of_a_platform_leads_to_its_api_and_that_is_said() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let login = format!("login --no-browser --profile work --authority {}", sandbox.url);
    let mut login = home.seqera(&login).start();
    let url = login.until("authorization URL", authorization_url);
    let told = login.stderr();
    assert!(told.contains(&format!("{} is used", sandbox.authority)), "{told}");
    sign_in(&url, ADA);
    login.finish(LIMIT).ok();
    assert_eq!(home.status("work")["authority"], sandbox.authority.as_str());

    let given = home.seqera(&format!("login --with-token --profile pat --authority {}", sandbox.url));
    let told = given.stdin(&sandbox.personal_token(ADA)).run().ok().stderr;
    assert!(told.contains(&format!("{} is used", sandbox.authority)), "{told}");
}

#[test]
fn a_port_without_tls_is_called_that() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for peer in listener.incoming().flatten() {
            let mut peer = peer;
            let _ = peer.read(&mut [0; 64]);
            let _ = peer.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
        }
    });
    let home = Home::new();
    let login = home.seqera(&format!("login --profile x --authority https://127.0.0.1:{port}/api"));
    let told = login.run().fails_with(4).stderr;
    assert!(told.contains("this port does not speak TLS"), "{told}");
    assert!(hint(&told).contains("port"), "{told}");
}

#[test]
fn where_a_secret_is_kept_is_told_by_the_name_of_its_file() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    // On a busy machine the disk may take so long that memory has to do; the next sign-in tries again.
    let on_disk =
        || Some(home.login("work", &sandbox, ADA).stderr).filter(|told| !told.contains("memory only"));
    let told = (0..5).find_map(|_| {
        home.seqera("logout --profile work").run();
        on_disk()
    });
    let told = told.expect("a sign-in that is stored");
    let file = home.config_dir().join("refresh-token.work");
    assert!(told.contains(&format!("kept in the file {} instead", file.display())), "{told}");
    let found = home.seqera("agent doctor --profile work").run().ok().stdout;
    assert!(found.contains(&format!("kept in the file {}", file.display())), "{found}");
    let proxy = |line: &&str| line.starts_with("✓ proxy (work)");
    assert!(found.lines().find(proxy).is_some_and(|line| line.ends_with(" none")), "{found}");
}

#[test]
fn the_doctor_colours_its_marks_on_a_terminal_that_wants_it_and_nothing_in_a_pipe() {
    let (home, sandbox) = (Home::new().with("TERM", "xterm"), Sandbox::calm());
    home.login("work", &sandbox, ADA);
    let green = "\x1b[1;32m✓\x1b[0m clock (work)";
    let Some(terminal) = in_terminal(&home, "seqera agent doctor --profile work") else { return };
    let coloured = terminal.run().stdout;
    assert!(coloured.contains(green), "{coloured}");
    let Some(terminal) = in_terminal(&home, "NO_COLOR=1 seqera agent doctor --profile work") else { return };
    let plain = terminal.run().stdout;
    assert!(plain.contains("✓ clock (work)") && !plain.contains('\x1b'), "{plain}");
    let piped = home.seqera("agent doctor --profile work").run().stdout;
    assert!(piped.contains("✓ clock (work)") && !piped.contains('\x1b'), "{piped}");
}

#[test]
fn ai_says_where_it_would_sign_in() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let ai = format!("SEQERA_AUTH_DOMAIN={} seqera ai", sandbox.authority);
    home.login("work", &sandbox, ADA);
    home.seqera("logout --profile work").run().ok();
    for (command, profile) in [
        (format!("{ai} --profile default"), " as profile 'default'"),
        (format!("{ai} --profile work"), " as profile 'work'"),
        (ai, " as profile 'work'"),
    ] {
        let Some(terminal) = in_terminal(&home, &command) else { return };
        let mut ai = terminal.start();
        let place = format!("a login would sign in at {}{profile}", host(&sandbox));
        ai.until("place", |output| seen(output).contains(&place).then_some(()));
        ai.until("question", |output| output.contains("Sign in now? [Y/n]").then_some(()));
        ai.kill();
    }
}

#[test]
fn the_end_of_the_sign_in_and_that_of_the_access_token_are_two_lines_with_a_zone() {
    let (home, sandbox) = (Home::new().with("TZ", "Europe/Berlin"), Sandbox::calm());
    home.login("work", &sandbox, ADA);
    let status = home.seqera("status --profile work").run().ok().stdout;
    let line = |label: &str| {
        status.lines().find_map(|line| line.strip_prefix(label)).map(str::trim).unwrap_or_default().to_owned()
    };
    assert!(status.lines().nth(1).is_some_and(|line| line.starts_with("Session expires: 20")), "{status}");
    for label in ["Session expires:", "Token expires:", "Signed in:"] {
        let value = line(label);
        let zone = value.split(' ').nth(2).unwrap_or_default();
        assert!(zone == "UTC" || zone.starts_with('+'), "{label} {value}");
    }
    assert_ne!(line("Sign-in ends:"), "", "{status}");
    assert!(line("Token expires:").ends_with("(renewed automatically)"), "{status}");
}

#[test]
fn a_browser_that_shows_nothing_leaves_address_paste_line_and_code_on_the_screen() {
    let sandbox = Sandbox::calm();
    for browser in ["true", "false", "/no/such/browser"] {
        let home = Home::new().with("BROWSER", browser);
        let command = format!("seqera login --profile work --authority {}", sandbox.authority);
        let Some(terminal) = in_terminal(&home, &format!("stty rows 24 cols 80; {command}")) else { return };
        let mut login = terminal.start();
        login.until("address", |output| authorization_url(&seen(output)));
        login.until("all of it", |output| output.contains("Waiting for").then_some(()));
        let words = seen(&login.stdout()).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("paste the address that it ends on here"), "{browser}: {words}");
        assert!(words.contains("does not load there, which is fine"), "{browser}: {words}");
        assert!(words.contains(&format!("{command} --device")), "{browser}: {words}");
        login.kill();
    }
}

#[test]
fn at_40_columns_words_stay_whole() {
    let (home, sandbox) = (Home::new().with("NO_COLOR", "1"), Sandbox::calm());
    let command =
        format!("stty rows 24 cols 40; seqera login --no-browser --authority {}", sandbox.authority);
    let Some(terminal) = in_terminal(&home, &command) else { return };
    let mut login = terminal.start();
    let url = login.until("address", |output| authorization_url(&seen(output)));
    login.until("all of it", |output| output.contains("Ctrl-C cancels").then_some(()));
    sign_in(&url, ADA);
    let screen = seen(&login.finish(LIMIT).ok().stdout);
    // Of a bracketed paste: no columns.
    let screen = screen.replace("\x1b[?2004h", "").replace("\x1b[?2004l", "");
    let wide = |line: &&str| line.chars().count() > 40 && line.trim().contains(' ');
    assert_eq!(screen.lines().find(wide), None, "{screen}");
}

#[test]
fn an_address_can_be_clicked_where_the_terminal_knows_how_and_never_in_a_pipe() {
    let sandbox = Sandbox::calm();
    let command = format!("seqera login --no-browser --authority {}", sandbox.authority);
    let link = "\x1b]8;;http://127.0.0.1";
    for (variable, clickable) in [(("TERM_PROGRAM", "iTerm.app"), true), (("TERM_PROGRAM", "unknown"), false)]
    {
        let home = Home::new().with("TERM", "xterm-256color").with(variable.0, variable.1);
        let Some(terminal) = in_terminal(&home, &command) else { return };
        let mut login = terminal.start();
        login.until("all of it", |output| output.contains("Waiting for").then_some(()));
        assert_eq!(login.stdout().contains(link), clickable, "{variable:?}");
        login.kill();
        let mut piped = home.seqera(command.trim_start_matches("seqera ")).start();
        piped.until("all of it", |output| output.contains("Waiting for").then_some(()));
        assert!(!piped.stderr().contains('\x1b'), "{variable:?}");
        piped.kill();
    }
}
