use super::*;

fn organization(id: i64, name: &str, full_name: &str) -> Organization {
    Organization { id, name: name.into(), full_name: full_name.into() }
}

fn workspace(id: i64, name: &str, organization: &Organization) -> Workspace {
    Workspace { id, name: name.into(), organization: organization.clone(), ..Workspace::default() }
}

/// Two organisations with a workspace of the same name in each.
fn memberships() -> Memberships {
    let (lab, clinic) = (organization(7, "lab", "The Lab"), organization(8, "clinic", "The  Clinic"));
    let workspaces = vec![workspace(70, "rna", &lab), workspace(80, "rna", &clinic)];
    Memberships { organizations: vec![lab, clinic], workspaces: Some(workspaces) }
}

fn found(all: &[Organization], wanted: &str) -> Result<i64, String> {
    find(all.iter(), wanted).map(|one| one.id).map_err(|error| format!("{error}; {}", error.hint()))
}

fn record(organization: Option<Organization>, is_chosen: bool) -> Record {
    Record { organization, organization_is_chosen: is_chosen, ..Record::default() }
}

#[test]
fn an_organisation_is_found_by_id_name_and_full_name_whatever_the_case_and_the_spaces() {
    let all = memberships().organizations;
    for wanted in ["8", " 8 ", "clinic", "CLINIC", "  Clinic ", "the clinic", "The   Clinic"] {
        assert_eq!(found(&all, wanted), Ok(8), "{wanted}");
    }
}

#[test]
fn an_id_comes_before_a_name_and_an_exact_name_before_one_that_is_like_it() {
    let all = [organization(7, "lab", ""), organization(8, "Lab", ""), organization(9, "7", "")];
    assert_eq!((found(&all, "7"), found(&all, "lab"), found(&all, "Lab")), (Ok(7), Ok(7), Ok(8)));
    let error = found(&all, "LAB").unwrap_err();
    assert_eq!(error, r#""LAB" means 2 organizations: lab (7), Lab (8); give the id instead of the name"#);
}

#[test]
fn a_name_that_nobody_has_is_answered_with_those_that_there_are() {
    let error = found(&memberships().organizations, "other").unwrap_err();
    assert_eq!(error, r#"you have no organization "other"; yours are lab (7), clinic (8)"#);
    assert!(found(&[], "lab").unwrap_err().ends_with("this account has no organization"));
    let many: Vec<_> = (0..20).map(|id| organization(id, "o", "")).collect();
    assert!(found(&many, "x").unwrap_err().ends_with("o (7), and 12 more"));
    assert!(found(&many, "").unwrap_err().starts_with("you have no organization"));
}

#[test]
fn a_workspace_is_looked_for_in_the_chosen_organisation() {
    let Memberships { organizations, workspaces } = memberships();
    let all = workspaces.unwrap();
    let find = |organization: Option<&Organization>, wanted: &str| {
        find_workspace(&all, organization, wanted)
            .map(|one| one.id)
            .map_err(|error| format!("{error}; {}", error.hint()))
    };
    let (lab, clinic) = (&organizations[0], &organizations[1]);
    assert_eq!((find(Some(lab), "rna"), find(Some(clinic), "rna")), (Ok(70), Ok(80)));
    assert_eq!((find(None, "clinic/rna"), find(None, "Lab/RNA")), (Ok(80), Ok(70)));
    assert!(find(None, "rna").unwrap_err().contains("lab/rna (70), clinic/rna (80)"));
    let elsewhere = find(Some(lab), "80").unwrap_err();
    assert_eq!(
        elsewhere,
        "workspace rna is of organization clinic, and lab is chosen; run 'seqera org switch 8' first"
    );
}

#[test]
fn another_organisation_ends_the_choice_of_a_workspace_that_is_not_in_it() {
    let (lab, clinic) = (organization(7, "lab", ""), organization(8, "clinic", ""));
    let mut chosen =
        Record { workspace: Some(workspace(70, "rna", &lab)), ..record(Some(lab.clone()), false) };
    Choice::Organization(Some(lab.clone())).apply(&mut chosen);
    assert!(chosen.workspace.is_some() && chosen.organization_is_chosen);
    assert_eq!(left(chosen.workspace.as_ref(), Some(&lab)), None);
    assert!(left(chosen.workspace.as_ref(), Some(&clinic)).unwrap().contains("rna of lab is no longer"));
    Choice::Organization(Some(clinic)).apply(&mut chosen);
    assert_eq!((chosen.workspace.clone(), chosen.organization.clone().unwrap().id), (None, 8));
    Choice::Workspace(Some(workspace(70, "rna", &lab))).apply(&mut chosen);
    assert_eq!(chosen.workspace, None, "it was looked up before the organisation changed");
    Choice::Organization(None).apply(&mut chosen);
    Choice::Workspace(Some(workspace(70, "rna", &lab))).apply(&mut chosen);
    assert_eq!(chosen.workspace.unwrap().id, 70);
}

#[test]
fn a_login_takes_the_one_asked_for_else_what_was_there_else_the_first() {
    let belongs = memberships();
    let old = |name: &str, id, is_chosen| record(Some(organization(id, name, "")), is_chosen);
    let at = |wanted: Option<&str>, former: Option<&Record>| {
        let wanted = wanted.map(|name| find(belongs.organizations.iter(), name).unwrap());
        let chosen = at_login(Some(&belongs), wanted, former);
        (chosen.organization.map(|one| one.name), chosen.organization_is_chosen)
    };
    assert_eq!(at(None, None), (Some("lab".into()), false));
    assert_eq!(at(Some("clinic"), None), (Some("clinic".into()), true));
    assert_eq!(at(None, Some(&old("renamed since", 8, true))), (Some("clinic".into()), true));
    assert_eq!(at(None, Some(&old("clinic", 8, false))), (Some("clinic".into()), false));
    assert_eq!(at(Some("lab"), Some(&old("clinic", 8, true))), (Some("lab".into()), true));
    assert_eq!(at(None, Some(&record(None, true))), (None, true), "cleared stays cleared");
    assert_eq!(at_login(None, None, None), AtLogin::default());
}

#[test]
fn an_organisation_that_is_not_there_is_said_and_not_replaced() {
    let belongs = memberships();
    let gone = record(Some(organization(9, "gone", "")), true);
    let kept = at_login(Some(&belongs), None, Some(&gone));
    assert_eq!(kept.organization.unwrap().id, 9);
    assert!(kept.notes[0].contains("organization gone (9) is no longer one of yours"), "{:?}", kept.notes);
    let unheard = at_login(None, None, Some(&gone));
    assert_eq!((unheard.organization.unwrap().id, unheard.notes), (9, vec![]), "nobody could tell");
    let taken = record(Some(organization(9, "gone", "")), false);
    let next = at_login(Some(&belongs), None, Some(&taken));
    assert_eq!(next.organization.unwrap().id, 7, "nobody chose it");
    assert_eq!(next.notes.len(), 1);
}

#[test]
fn a_workspace_outlives_a_login_in_its_organisation_and_its_end_is_said() {
    let belongs = memberships();
    let (lab, of_lab) =
        (organization(7, "lab", ""), |id| workspace(id, "old name", &organization(7, "lab", "")));
    let former = |id| Record { workspace: Some(of_lab(id)), ..record(Some(lab.clone()), true) };
    let kept = at_login(Some(&belongs), None, Some(&former(70)));
    assert_eq!((kept.workspace.unwrap().name.as_str(), kept.notes), ("rna", vec![]));
    let gone = at_login(Some(&belongs), None, Some(&former(71)));
    assert_eq!(gone.workspace.unwrap().id, 71);
    assert!(gone.notes[0].contains("lab/old name (71) is no longer one of yours"), "{:?}", gone.notes);
    let moved = at_login(Some(&belongs), Some(&belongs.organizations[1]), Some(&former(70)));
    assert_eq!(moved.workspace, None);
    assert!(moved.notes[0].contains("no longer chosen"), "{:?}", moved.notes);
}
