//! Serves a sandbox until it is stopped.

mod environment;

use std::error::Error;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lexopt::{Arg, Parser, ValueExt as _};
use seqera_sandbox::{Configuration, Sandbox, Settings};
use tokio::sync::oneshot;

const HELP: &str = "\
A small Seqera Platform to develop and test against.

Usage: seqera-sandbox [OPTIONS]

  --config FILE             a Platform's tower.yml [TOWER_CONFIG_FILE]; TOWER_* variables beat it,
                            and both beat flags
  --settings FILE           read all settings from a JSON file; flags behind it change them
  --listen ADDR             listen there [127.0.0.1:0, a free port]
  --server-url URL          the address that users see
  --access-lifetime SECS    how long an access token lives [3600]
  --refresh-lifetime SECS   how long an unused refresh token lives [21600]
  --exit-with-stdin         stop when standard input closes
  --help, --version

When it serves it prints one line: {\"url\": …, \"authority\": …, \"sandbox\": true}.
";

enum Command {
    Serve { settings: Box<Settings>, exit_with_stdin: bool },
    Print(&'static str),
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("seqera-sandbox: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let (settings, exit_with_stdin) = match parse(Parser::from_env())? {
        Command::Serve { settings, exit_with_stdin } => (*settings, exit_with_stdin),
        Command::Print(text) => {
            std::io::stdout().write_all(text.as_bytes())?;
            return Ok(());
        }
    };
    // Before the line is printed, because whoever reads the line may send the signal at once.
    let stop = stop_signal()?;
    let sandbox = Sandbox::start(settings).await?;
    for warning in sandbox.warnings() {
        eprintln!("seqera-sandbox: warning: {warning}");
    }
    let line = serde_json::json!({
        "url": sandbox.url(),
        "authority": sandbox.authority(),
        "address": sandbox.address().to_string(),
        "sandbox": true,
    });
    writeln!(std::io::stdout(), "{line}")?;
    if exit_with_stdin {
        tokio::select! {
            () = stop => {}
            _ = stdin_end() => {}
        }
    } else {
        stop.await;
    }
    sandbox.shutdown().await;
    Ok(())
}

fn parse(mut parser: Parser) -> Result<Command, Box<dyn Error>> {
    let mut settings = Settings::default();
    let mut config = environment::variable("TOWER_CONFIG_FILE").map(PathBuf::from);
    let mut exit_with_stdin = false;
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("config") => config = Some(parser.value()?.into()),
            Arg::Long("settings") => settings = read(parser.value()?.into())?,
            Arg::Long("listen") => settings.listen = parser.value()?.parse()?,
            Arg::Long("server-url") => settings.server_url = Some(parser.value()?.string()?),
            Arg::Long("access-lifetime") => settings.access_lifetime = parser.value()?.parse()?,
            Arg::Long("refresh-lifetime") => settings.refresh_lifetime = parser.value()?.parse()?,
            Arg::Long("exit-with-stdin") => exit_with_stdin = true,
            Arg::Long("help") | Arg::Short('h') => return Ok(Command::Print(HELP)),
            Arg::Long("version") => {
                return Ok(Command::Print(concat!("seqera-sandbox ", env!("CARGO_PKG_VERSION"), "\n")));
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let configuration = configure(config.as_deref())?;
    // A file that sets nothing is still a Platform's configuration. Without a file and without variables there
    // is none.
    settings.configuration = Some(configuration).filter(|said| config.is_some() || !said.is_empty());
    Ok(Command::Serve { settings: Box::new(settings), exit_with_stdin })
}

fn configure(file: Option<&Path>) -> Result<Configuration, Box<dyn Error>> {
    let told = |error: &dyn Error| format!("{}: {error}", file.unwrap_or(Path::new("environment")).display());
    let text = file.map(std::fs::read_to_string).transpose().map_err(|error| told(&error))?;
    let read = Configuration::read(&text.unwrap_or_default(), environment::variables());
    read.map_err(|error| told(&error).into())
}

fn read(file: PathBuf) -> Result<Settings, Box<dyn Error>> {
    let text = std::fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    serde_json::from_slice(&text).map_err(|error| format!("{}: {error}", file.display()).into())
}

/// Resolves at SIGTERM or Ctrl-C.
#[cfg(unix)]
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Resolves at Ctrl-C.
#[cfg(not(unix))]
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async { drop(tokio::signal::ctrl_c().await) })
}

/// Resolves when standard input ends. It is read in a thread, because tokio's own reader would hold up the
/// exit.
fn stdin_end() -> oneshot::Receiver<()> {
    let (ended, end) = oneshot::channel();
    std::thread::spawn(move || {
        // A read error ends it as well.
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        let _ = ended.send(());
    });
    end
}
