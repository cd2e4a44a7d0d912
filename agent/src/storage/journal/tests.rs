use std::fs;
use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;
use crate::profile::Profile;
use crate::storage::record::Ends;

fn lease(profile: &str) -> Lease {
    Lease {
        name: "seqera-ada-login1-20260102T0304Z-00c0ffee".into(),
        profile: profile.parse().unwrap(),
        settings: Profile::default(),
        subject: format!("subject-of-{profile}"),
        host: "host-a".into(),
        program: "nextflow".into(),
        ends: Ends::At(9_999_999_999),
        created_at: 1_000,
        token_id: None,
        store: None,
        ending: false,
        other: serde_json::Map::new(),
    }
}

fn of(ids: &[&str]) -> Leases {
    ids.iter().map(|id| ((*id).to_owned(), lease("work"))).collect()
}

fn journal(home: &TempDir) -> PathBuf {
    path(home.path())
}

/// A writer that continues what is on the disk.
fn opened(home: &TempDir) -> Journal {
    let mut leases = Leases::new();
    let found = replay(&journal(home), &mut leases).unwrap();
    Journal::new(journal(home), "host-a".into(), leases, BTreeSet::new(), found)
}

fn on_disk(home: &TempDir) -> Leases {
    let mut leases = Leases::new();
    replay(&journal(home), &mut leases).unwrap();
    leases
}

#[test]
fn what_is_written_is_found_and_nothing_is_written_twice() {
    let home = tempfile::tempdir().unwrap();
    let mut writer = opened(&home);
    let mut leases = of(&["a", "b", "c"]);
    assert!(writer.write(&leases).unwrap() > 0);
    assert_eq!(writer.write(&leases).unwrap(), 0);
    leases.remove("b");
    leases.get_mut("c").unwrap().ending = true;
    writer.write(&leases).unwrap();
    assert_eq!(on_disk(&home), leases);
    let mut writer = opened(&home);
    leases.insert("d".into(), lease("lab"));
    writer.write(&leases).unwrap();
    assert_eq!(on_disk(&home), leases);
}

#[test]
fn a_change_costs_what_it_says_however_many_leases_there_are() {
    let home = tempfile::tempdir().unwrap();
    let mut writer = opened(&home);
    let (mut leases, mut bytes) = (of(&["other"]), writer.write(&of(&["other"])).unwrap());
    let line = bytes;
    // Twenty at a time, because each write waits for the disk.
    let changes: [fn(&mut Leases, String); 3] = [
        |leases, id| drop(leases.insert(id, lease("work"))),
        |leases, id| leases.get_mut(&id).unwrap().ending = true,
        |leases, id| drop(leases.remove(&id)),
    ];
    for change in changes {
        for number in 0..1000 {
            change(&mut leases, format!("{number:08x}"));
            if number % 20 == 19 {
                bytes += writer.write(&leases).unwrap();
            }
        }
    }
    // Three changes of a thousand leases, each written at most once more when the file is written anew.
    assert!(bytes < 2 * 3 * 1000 * (line + 8), "{bytes} bytes, {line} a lease");
    assert_eq!(on_disk(&home), of(&["other"]));
    let size = fs::metadata(journal(&home)).unwrap().len();
    assert!(size <= line * (2 + SLACK as u64), "{size} bytes for one lease");
}

#[test]
fn an_end_that_was_cut_off_at_any_byte_is_left_out_and_repaired() {
    let home = tempfile::tempdir().unwrap();
    opened(&home).write(&of(&["a", "b"])).unwrap();
    let whole = fs::read(journal(&home)).unwrap();
    for cut in 0..whole.len() {
        fs::write(journal(&home), &whole[..cut]).unwrap();
        let before = on_disk(&home);
        assert!(before.keys().all(|id| id == "a"), "{cut}");
        let mut leases = before.clone();
        leases.insert("c".into(), lease("work"));
        opened(&home).write(&leases).unwrap();
        assert_eq!(on_disk(&home), leases, "{cut}");
    }
    // After a power failure the end of a file can be zeros.
    fs::write(journal(&home), [&whole[..], &[0; 100]].concat()).unwrap();
    assert_eq!(on_disk(&home), of(&["a", "b"]));
}

#[test]
fn with_the_last_lease_of_a_profile_goes_what_tells_of_its_account() {
    let home = tempfile::tempdir().unwrap();
    let mut writer = opened(&home);
    let mut leases = of(&["a", "b"]);
    leases.insert("c".into(), lease("lab"));
    writer.write(&leases).unwrap();
    leases.remove("a");
    writer.write(&leases).unwrap();
    leases.remove("b");
    writer.write(&leases).unwrap();
    let text = fs::read_to_string(journal(&home)).unwrap();
    assert!(!text.contains("subject-of-work") && text.contains("subject-of-lab"), "{text}");
    writer.write(&Leases::new()).unwrap();
    assert!(!journal(&home).exists());
}

#[test]
fn leases_of_an_older_version_are_taken_over_and_stay_over() {
    let home = tempfile::tempdir().unwrap();
    let older = || BTreeSet::from(["a".to_owned(), "b".to_owned()]);
    let mut writer = Journal::new(journal(&home), "host-a".into(), of(&["a", "b"]), older(), Read::default());
    let left = of(&["b"]);
    writer.write(&left).unwrap();
    // The older file still has both when the agent is killed here.
    let mut found = of(&["a", "b"]);
    replay(&journal(&home), &mut found).unwrap();
    assert_eq!(found, left);
    assert!(writer.take_over(&left).unwrap());
    found = of(&["a", "b"]);
    replay(&journal(&home), &mut found).unwrap();
    assert_eq!(found, left);
    writer.has_all();
    assert!(!writer.take_over(&left).unwrap());
}

#[test]
fn a_line_that_is_damaged_is_named_with_its_place() {
    let home = tempfile::tempdir().unwrap();
    opened(&home).write(&of(&["a", "b"])).unwrap();
    let text = fs::read_to_string(journal(&home)).unwrap();
    fs::write(journal(&home), text.replacen("\n{", "\n{,", 1)).unwrap();
    let problem = replay(&journal(&home), &mut Leases::new()).unwrap_err();
    assert!(problem.starts_with(&format!("{}:2:2: ", journal(&home).display())), "{problem}");
}

#[test]
fn fields_of_newer_versions_survive() {
    let home = tempfile::tempdir().unwrap();
    opened(&home).write(&of(&["a"])).unwrap();
    let text = fs::read_to_string(journal(&home)).unwrap();
    fs::write(journal(&home), text.replace("\"ending\":false", "\"ending\":false,\"later\":[1]")).unwrap();
    let mut leases = on_disk(&home);
    leases.insert("b".into(), lease("work"));
    leases.get_mut("a").unwrap().ending = true;
    opened(&home).write(&leases).unwrap();
    assert_eq!(on_disk(&home)["a"].other["later"], serde_json::json!([1]));
}

#[test]
fn a_link_in_its_place_is_replaced_and_not_followed() {
    let home = tempfile::tempdir().unwrap();
    let precious = home.path().join("precious");
    fs::write(&precious, "precious\n").unwrap();
    let mut writer = opened(&home);
    writer.write(&of(&["a"])).unwrap();
    fs::remove_file(journal(&home)).unwrap();
    symlink(&precious, journal(&home)).unwrap();
    writer.write(&of(&["a", "b"])).unwrap();
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious\n");
    assert_eq!(on_disk(&home), of(&["a", "b"]));
}

#[test]
fn a_file_that_somebody_has_removed_is_written_anew() {
    let home = tempfile::tempdir().unwrap();
    let mut writer = opened(&home);
    writer.write(&of(&["a"])).unwrap();
    fs::remove_file(journal(&home)).unwrap();
    writer.write(&of(&["a", "b"])).unwrap();
    assert_eq!(on_disk(&home), of(&["a", "b"]));
}

#[test]
fn an_odd_id_is_read_as_it_was_written() {
    let home = tempfile::tempdir().unwrap();
    let odd: Leases = [("\"\n\u{202e}".to_owned(), lease("work"))].into();
    opened(&home).write(&odd).unwrap();
    assert_eq!(on_disk(&home), odd);
}
