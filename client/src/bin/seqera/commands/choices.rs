//! What `seqera org` and `seqera workspace` do: they choose one of the items that the Platform lists, and
//! keep the choice with a profile.

use seqera_client::proto::v1::ChooseResponse;
use serde_json::json;

use crate::commands::listing::{Item, Kind, Listing, Words, patiently};
use crate::commands::session::signed_in;
use crate::screen::ask;
use crate::screen::failure::Failure;
use crate::screen::{grid, table};
use crate::settings::context::{Context, wait};
use crate::settings::env::EnvToken;
use crate::settings::subject::{Named, Subject};

/// The ids of arguments that name one; completions look for them.
pub(super) const ORGANIZATION: &str = "wanted_organization";
pub(super) const WORKSPACE: &str = "wanted_workspace";

/// Shows the chosen item, and whether the Platform still has it.
pub(super) fn show(context: &Context, kind: Kind) -> Result<(), Failure> {
    let named = match context.subject()? {
        Subject::Token(token) => return show_variable(context, kind, &token),
        Subject::Profile(named) => named,
    };
    let status = signed_in(context.status(named)?)?;
    let known = Listing { chosen: kind.chosen(&status), profile: status.profile, ..Listing::default() };
    let named = Named { profile: known.profile.clone(), authority: String::new() };
    let (listing, was_asked) = match kind.list(context, Subject::Profile(named)) {
        Ok(listing) => (listing, true),
        Err(failure) if failure.is_unreachable() => {
            context.screen.note(&format!("could not be checked with the Platform: {}", failure.message));
            (known, false)
        }
        Err(failure) => return Err(failure),
    };
    // Under its present name, which may not be the one that was chosen.
    let one = listing.all.iter().find(|one| listing.is_chosen(one)).or(listing.chosen.as_ref());
    if context.screen.json {
        return context.screen.object(&json!({
            "profile": listing.profile,
            kind.words().word: one.map(Item::object),
            "vanished": was_asked.then(|| listing.vanished().is_some()),
        }));
    }
    let Some(one) = one else {
        let Words { word, without, command, .. } = kind.words();
        context.screen.say(&format!("No {word} is chosen (profile '{}'){without}.", listing.profile))?;
        let of = context.option_for(&listing.profile);
        context.screen.hint(&format!("'seqera {command} switch{of}' chooses one"));
        return Ok(());
    };
    let mut rows = vec![(kind.words().heading, one.name.clone()), ("Full name", one.full_name())];
    rows.extend([
        ("Organization", one.organization()),
        ("Id", one.id.to_string()),
        ("Profile", listing.profile.clone()),
    ]);
    context.screen.say(&table(&rows))?;
    if was_asked {
        warn_of_vanished(context, kind, &listing);
    }
    Ok(())
}

fn show_variable(context: &Context, kind: Kind, token: &EnvToken) -> Result<(), Failure> {
    let Words { word, instead, .. } = kind.words();
    let variable = token.variable;
    if context.screen.json {
        return context.screen.object(&json!({"source": variable, word: null}));
    }
    context.screen.say(&format!("The token in {variable} is used, and no {word} is chosen for it."))?;
    context.screen.hint(instead);
    Ok(())
}

fn warn_of_vanished(context: &Context, kind: Kind, listing: &Listing) {
    if let Some(gone) = listing.vanished() {
        let Words { word, command, .. } = kind.words();
        let (name, id) = (gone.address(), gone.id);
        let of = context.option_for(&listing.profile);
        context.screen.warn(&format!(
            "{word} {name} ({id}) is chosen, but is no longer one of yours; 'seqera {command} switch{of}' \
             chooses another"
        ));
    }
}

/// Lists all items.
pub(super) fn list(context: &Context, kind: Kind) -> Result<(), Failure> {
    let listing = kind.list(context, context.subject()?)?;
    let Words { word, heading, .. } = kind.words();
    if context.screen.json {
        let object = |one: &Item| {
            let mut object = one.object();
            object["chosen"] = listing.is_chosen(one).into();
            object
        };
        return context.screen.object(&json!({
            "profile": (!listing.profile.is_empty()).then_some(&listing.profile),
            format!("{word}s"): listing.all.iter().map(object).collect::<Vec<_>>(),
            "chosen": listing.chosen.as_ref().map(Item::object),
            "vanished": listing.vanished().is_some(),
        }));
    }
    if listing.all.is_empty() {
        context.screen.say(&format!("This account has no {word}."))?;
    } else {
        let row = |one: &Item| {
            let mark = if listing.is_chosen(one) { " *" } else { "" };
            [format!("{}{mark}", one.name), one.full_name(), one.organization(), one.id.to_string()]
        };
        let rows: Vec<_> = listing.all.iter().map(row).collect();
        context.screen.say(&grid([heading, "Full name", "Organization", "Id"], &rows))?;
    }
    warn_of_vanished(context, kind, &listing);
    Ok(())
}

/// Chooses the item that is named, or asks the person which one.
pub(super) fn switch(context: &Context, kind: Kind, wanted: Option<String>) -> Result<(), Failure> {
    let named = chooser(context, kind)?;
    let (named, wanted) = match wanted {
        Some(wanted) => (named, wanted),
        None => {
            let listing = kind.list(context, Subject::Profile(named))?;
            let wanted = pick(context, kind, &listing)?;
            (Named { profile: listing.profile, authority: String::new() }, wanted)
        }
    };
    let client = context.client(named)?;
    let answer = wait(patiently(context, kind, kind.choose(&client, Some(&wanted))))?;
    report(context, kind, &answer)
}

/// Asks the person for an item, and returns its id.
fn pick(context: &Context, kind: Kind, listing: &Listing) -> Result<String, Failure> {
    let Words { word, command, .. } = kind.words();
    let option = context.option_for(&listing.profile);
    let all = listing.reachable();
    if all.is_empty() {
        let of = listing.organization.as_ref().map(|of| format!(" in {}", of.name)).unwrap_or_default();
        let hint = format!("'seqera {command} list{option}' shows all of them");
        return Err(Failure::usage(format!("this account has no {word}{of}"), Some(&hint)));
    }
    if ask::possible(&context.screen) {
        warn_of_vanished(context, kind, listing);
    }
    let within_one = listing.organization.is_some();
    let choices: Vec<_> = all.iter().map(|one| one.choice(within_one)).collect();
    let preset = all.iter().position(|one| listing.is_chosen(one));
    let picked = ask::choose(&context.screen, &format!("Which {word}"), &choices, preset)?;
    match picked.and_then(|index| all.get(index)) {
        Some(one) => Ok(one.id.to_string()),
        None => {
            let names = ask::listed(&choices);
            let hint = format!("run 'seqera {command} switch NAME{option}'; there are {names}");
            Err(Failure::usage(
                format!("no {word} is named, and there is no terminal to ask at"),
                Some(&hint),
            ))
        }
    }
}

/// Chooses no item.
pub(super) fn clear(context: &Context, kind: Kind) -> Result<(), Failure> {
    let client = context.client(chooser(context, kind)?)?;
    let answer = wait(async { Ok(kind.choose(&client, None).await?) })?;
    report(context, kind, &answer)
}

/// The profile with which the choice is kept.
fn chooser(context: &Context, kind: Kind) -> Result<Named, Failure> {
    match context.subject()? {
        Subject::Profile(named) => Ok(named),
        Subject::Token(EnvToken { variable, .. }) => {
            let Words { word, instead, .. } = kind.words();
            let message = format!("{variable} is set: the {word} is kept with a profile, not with a token");
            Err(Failure::usage(message, Some(instead)))
        }
    }
}

/// Shows what is chosen now.
fn report(context: &Context, kind: Kind, answer: &ChooseResponse) -> Result<(), Failure> {
    let status = answer.status.clone().unwrap_or_default();
    let one = match kind {
        Kind::Organization => kind.chosen(&status),
        Kind::Workspace => answer.workspace.clone().map(Item::from),
    };
    let profile = &status.profile;
    let Words { word, heading, without, .. } = kind.words();
    if context.screen.json {
        let chosen = one.as_ref().map(Item::object);
        return context.screen.object(&json!({"profile": profile, word: chosen, "notes": answer.notes}));
    }
    context.screen.say(&match one {
        Some(one) => format!("✓ {heading} set: {} (profile '{profile}')", one.name),
        None => format!("No {word} is chosen any more (profile '{profile}'){without}."),
    })?;
    answer.notes.iter().for_each(|note| context.screen.note(note));
    Ok(())
}
