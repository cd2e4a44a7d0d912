//! Limits of processes on Linux, macOS and the BSDs (`getrlimit(2)`), and of a control group on Linux.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const MEGABYTE: u64 = 1 << 20;
const KILOBYTE: u64 = 1024;

/// Below this an agent with its threads, certificates and connections does not fit.
const ROOMY_MEMORY: u64 = 256 * MEGABYTE;
/// Larger than all that an agent writes into one file.
const ROOMY_FILE: u64 = 32 * MEGABYTE;
/// What a few dozen callers at once need.
const ROOMY_FILES: u64 = 128;

/// What `limit` raises: each soft limit that somebody may have set for one command of a shell.
const RAISED: &[Resource] = &[
    Resource::Nofile,
    Resource::Fsize,
    Resource::Cpu,
    Resource::Data,
    Resource::As,
    Resource::Nproc,
    Resource::Memlock,
    #[cfg(target_os = "linux")]
    Resource::Sigpending,
];

/// Raises each soft limit to the hard one, which is all that a process without privileges may do.
pub fn raise() {
    for resource in RAISED {
        let limit = getrlimit(*resource);
        if limit.current != limit.maximum {
            // macOS refuses "unlimited" for open files; the soft limit then stays.
            let _ = setrlimit(*resource, Rlimit { current: limit.maximum, maximum: limit.maximum });
        }
    }
}

/// How many files this process may have open.
pub fn open_files() -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

/// The limits that are in force and narrower than an agent needs in the long run, each in words.
pub fn narrow() -> Vec<String> {
    let below = |resource, roomy: u64| getrlimit(resource).current.filter(|limit| *limit < roomy);
    let mut found = Vec::new();
    if let Some(seconds) = getrlimit(Resource::Cpu).current {
        found.push(format!("ulimit -t is {seconds}: the system ends it after {seconds} s of processor time"));
    }
    if below(Resource::Fsize, ROOMY_FILE).is_some() {
        found.push(file_size());
    }
    if below(Resource::As, ROOMY_MEMORY).is_some() || below(Resource::Data, ROOMY_MEMORY).is_some() {
        found.push(memory());
    }
    if let Some(count) = below(Resource::Nofile, ROOMY_FILES) {
        found.push(files(count));
    }
    found
}

pub(super) fn behind(error: &io::Error) -> Option<String> {
    let number = rustix::io::Errno::from_io_error(error)?;
    match number {
        rustix::io::Errno::MFILE => {
            Some(getrlimit(Resource::Nofile).current.map_or_else(|| "too many files are open".into(), files))
        }
        rustix::io::Errno::NFILE => Some("the system has too many files open".to_owned()),
        rustix::io::Errno::NOMEM | rustix::io::Errno::NOBUFS => Some(memory()),
        _ => None,
    }
}

fn files(limit: u64) -> String {
    format!("ulimit -n is {limit}: no more files and sockets can be opened")
}

pub(super) fn file_size() -> String {
    match getrlimit(Resource::Fsize).current {
        // Shells count in blocks: bash in kilobytes, dash and POSIX in halves of them.
        Some(bytes) => {
            format!("ulimit -f allows {} kB: no larger file can be written", bytes / KILOBYTE)
        }
        None => "the file system allows no larger file".to_owned(),
    }
}

pub(super) fn memory() -> String {
    let limits = [(Resource::As, 'v'), (Resource::Data, 'd')];
    let set = limits.into_iter().filter_map(|(resource, flag)| Some((getrlimit(resource).current?, flag)));
    match set.min() {
        Some((bytes, flag)) => {
            format!("ulimit -{flag} is {}: there is no memory left", bytes / KILOBYTE)
        }
        None => "there is no memory left".to_owned(),
    }
}

/// The same error comes of three limits: where an address space is limited to little, its stack was the matter.
pub(super) fn threads(error: &io::Error) -> String {
    let memory_is_tight = [Resource::As, Resource::Data]
        .iter()
        .any(|resource| getrlimit(*resource).current.is_some_and(|limit| limit < ROOMY_MEMORY));
    if memory_is_tight {
        return memory();
    }
    if let Some(most) = full_group() {
        return format!(
            "pids.max of the control group is {most}: no more processes and threads can be started"
        );
    }
    match getrlimit(Resource::Nproc).current {
        Some(limit) => format!("ulimit -u is {limit}: no more processes and threads can be started"),
        None => format!("no more processes and threads can be started: {error}"),
    }
}

/// The limit of the innermost control group that has reached its own.
#[cfg(target_os = "linux")]
fn full_group() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = groups.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        match controllers {
            "" => Some(format!("/sys/fs/cgroup{path}")),
            "pids" => Some(format!("/sys/fs/cgroup/pids{path}")),
            _ => None,
        }
    })?;
    let path = std::path::Path::new(&path);
    path.ancestors().take_while(|folder| folder.starts_with("/sys/fs/cgroup")).find_map(|folder| {
        let number = |name: &str| std::fs::read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
        let most = number("pids.max")?;
        (number("pids.current")? >= most).then_some(most)
    })
}

#[cfg(not(target_os = "linux"))]
fn full_group() -> Option<u64> {
    None
}

pub(super) fn short_of_files(more: usize) -> Option<String> {
    let open = || rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stderr(), 0);
    let mut held = Vec::with_capacity(more);
    for _ in 0..more {
        match open() {
            Ok(file) => held.push(file),
            // Standard error may be closed, which says nothing about a limit.
            Err(error) => return behind(&error.into()),
        }
    }
    None
}
