//! What the programs are compiled and linked with for each target, and what makes two builds of one commit the
//! same bytes: no path of this machine and no time gets into them.

use std::path::{Path, PathBuf};
use std::process::Command;

use seqera_tests::binaries::workspace;
use seqera_tests::environment;
use seqera_tests::skip::on_path;

use super::commit;

/// The client ends with its first panic in any case, so it needs neither code nor tables for unwinding; the linker drops
/// those that there are all the same, an eighth of it. The agent outlives the panic of one task. Its relocations are
/// packed (`DT_RELR`).
const OF_CLIENT: [&str; 4] = [
    "-Cforce-unwind-tables=no",
    "-Clink-arg=-Wl,--no-eh-frame-hdr",
    "-Clink-arg=-Wl,-T,tests/xtask/src/dist/client.ld",
    "-Clink-arg=-Wl,-z,pack-relative-relocs",
];

/// The same for a linker that is called directly and not by a compiler. Rust links static programs for 64-bit Arm at a
/// fixed address, where there is nothing to relocate.
const OF_CLIENT_DIRECTLY: [&str; 2] = ["-Cforce-unwind-tables=no", "-Clink-arg=--no-eh-frame-hdr"];

/// 64-bit Arm, which is linked by the linker that comes with Rust. Its C parts (aws-lc) are compiled by zig, which
/// brings the headers of musl for every processor.
const ARM: &str = "aarch64-unknown-linux-musl";
const INTEL: &str = "x86_64-unknown-linux-musl";

/// Flags for the client alone.
pub(super) fn of_client(target: &str) -> &'static [&'static str] {
    match target {
        INTEL => &OF_CLIENT,
        ARM => &OF_CLIENT_DIRECTLY,
        // Windows and macOS demand tables for unwinding.
        _ => &[],
    }
}

/// Flags for the agent: a bit for each place that is relocated instead of 24 bytes (`DT_RELR`). That is half a megabyte
/// less on the disk and, since all of them are read at each start, in memory. It outlives the panic of one task, so it
/// keeps its tables.
pub(super) fn of_agent(target: &str) -> &'static [&'static str] {
    match target {
        INTEL => &["-Clink-arg=-Wl,-z,pack-relative-relocs"],
        // Nothing is relocated, or another format is.
        _ => &[],
    }
}

/// The name of the file of a program.
pub(super) fn file_name(target: &str, program: &str) -> String {
    format!("{program}{}", if target.contains("windows") { ".exe" } else { "" })
}

/// Sets compilers, flags and the commit for a build with cargo.
///
/// # Panics
/// If a compiler is missing.
pub(super) fn set(command: &mut Command, target: &str, flags: &[&str]) {
    let variable = target.replace('-', "_");
    let prefixes = prefixes();
    let mut rustc: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
    rustc.extend(prefixes.iter().map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display())));
    match target {
        INTEL => {
            need("musl-gcc", "apt-get install musl-tools");
            command.env(format!("CC_{variable}"), "musl-gcc");
        }
        ARM => {
            let tools = zig(&workspace().join("target/dist/tools"));
            command
                .env(format!("CC_{variable}"), tools.join("cc"))
                .env(format!("AR_{variable}"), tools.join("ar"));
            rustc.push("-Clinker=rust-lld".to_owned());
        }
        "x86_64-pc-windows-gnu" => {
            need("x86_64-w64-mingw32-gcc", "apt-get install gcc-mingw-w64-x86-64");
            rustc.push("-Clink-arg=-Wl,--no-insert-timestamp".to_owned());
        }
        // Whatever the machine has, such as Xcode's tools.
        _ => {}
    }
    let mapped = prefixes.iter().map(|(from, to)| format!("-ffile-prefix-map={}={to}", from.display()));
    // The build scripts split this at blanks, so a path that has one stays as it is.
    let mapped: Vec<String> = mapped.filter(|flag| !flag.contains(' ')).collect();
    command.env(format!("CFLAGS_{variable}"), mapped.join(" "));
    command.env("CARGO_ENCODED_RUSTFLAGS", rustc.join("\x1f")).env_remove("RUSTFLAGS");
    command.env("SEQERA_BUILD_COMMIT", commit::short()).env("SOURCE_DATE_EPOCH", commit::time().to_string());
}

/// Folders of this machine, and what stands for each in the programs.
fn prefixes() -> Vec<(PathBuf, &'static str)> {
    let home = environment::variable("HOME").map(PathBuf::from).unwrap_or_default();
    let cargo = environment::variable("CARGO_HOME").map_or_else(|| home.join(".cargo"), PathBuf::from);
    let toolchain = Command::new("rustc").args(["--print", "sysroot"]).current_dir(workspace()).output();
    let toolchain = toolchain.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let mut prefixes = vec![(workspace().to_owned(), "/seqera-agent"), (cargo, "/cargo")];
    prefixes
        .extend(toolchain.ok().filter(|path| !path.is_empty()).map(|path| (PathBuf::from(path), "/rust")));
    prefixes
}

fn need(program: &str, remedy: &str) {
    assert!(on_path(program), "{program} is missing; on Debian: {remedy}");
}

/// Two scripts that call zig as compiler and as archiver, in `folder`.
fn zig(folder: &Path) -> PathBuf {
    let zig = if on_path("zig") { "zig" } else { "python3 -m ziglang" };
    let works = Command::new("/bin/sh").args(["-c", &format!("{zig} version")]).output();
    let works = works.is_ok_and(|output| output.status.success());
    assert!(works, "zig is missing; as root or in a virtual environment: pip install ziglang");
    std::fs::create_dir_all(folder).expect("a folder below target");
    // The build scripts name targets in the words of rustc, which zig does not know.
    let compiler = format!(
        "#!/bin/sh\nfor argument do\n  shift\n  case $argument in --target=*) ;; *) set -- \"$@\" \"$argument\" ;; \
         esac\ndone\nexec {zig} cc -target aarch64-linux-musl -fno-sanitize=undefined \"$@\"\n"
    );
    write_script(&folder.join("cc"), &compiler);
    write_script(&folder.join("ar"), &format!("#!/bin/sh\nexec {zig} ar \"$@\"\n"));
    folder.to_owned()
}

fn write_script(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    // Left alone where it is right: a new time of change would compile everything again.
    if std::fs::read_to_string(path).ok().as_deref() != Some(text) {
        std::fs::write(path, text).expect("a file below target");
    }
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).expect("one's own file");
}
