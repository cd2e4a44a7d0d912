use std::sync::Mutex;

use async_trait::async_trait;
use secrecy::SecretString;
use seqera_agent_proto::v1::TakeImportRequest;
use serde_json::json;

use super::*;
use crate::providers::http::{Http, Limits};
use crate::providers::{Renewal, Renewed};
use crate::storage::record::Attempt;
use crate::testing::fakes::{Agent, LIFETIME};
use crate::token::{Access, AccessToken, RefreshToken};

const TOKEN: &str = "a-refresh-token-of-version-1";

/// v1's keychain items, in memory.
#[derive(Default)]
struct FakeKeychain(Mutex<BTreeMap<String, String>>);

#[async_trait]
impl Leftovers for FakeKeychain {
    async fn profiles(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.0.lock().unwrap().keys().cloned().collect())
    }

    async fn read(&self, profile: &str) -> Result<Option<SecretString>, StoreError> {
        Ok(self.0.lock().unwrap().get(profile).map(|token| SecretString::from(token.as_str())))
    }

    async fn remove(&self, profile: &str) -> Result<(), StoreError> {
        self.0.lock().unwrap().remove(profile);
        Ok(())
    }
}

/// An agent, and the sign-ins of v1 at `https://<name>.test/api`.
struct Bench {
    agent: Agent,
    imports: Imports,
}

impl Bench {
    fn new(in_keychain: &[&str], in_files: &[&str]) -> Self {
        Self::over(Agent::start(), in_keychain, in_files)
    }

    fn over(agent: Agent, in_keychain: &[&str], in_files: &[&str]) -> Self {
        let folder = &agent.places.places().config_dir;
        crate::storage::durable::private_folder(folder).unwrap();
        let owner = |name: &&str| {
            let host = name.split(['.', ':']).next().unwrap();
            let entry =
                json!({"domain": format!("https://{host}.test/api"), "last_login": 100, "user": "ada"});
            ((*name).to_owned(), entry)
        };
        let owners: serde_json::Map<_, _> = in_keychain.iter().chain(in_files).map(owner).collect();
        std::fs::write(folder.join("auth-state.json"), json!({"profiles": owners}).to_string()).unwrap();
        for name in in_files {
            std::fs::write(v1::path(folder, &v1::file_name(name)), TOKEN).unwrap();
        }
        let items = in_keychain.iter().map(|name| ((*name).to_owned(), TOKEN.to_owned())).collect();
        let http = Http::new(agent.clock.clone(), Limits::default());
        let imports = Imports {
            registry: Arc::clone(&agent.registry),
            providers: Arc::new(Providers::new(http, agent.clock.clone())),
            keychain: Arc::new(FakeKeychain(Mutex::new(items))),
            files: Lane::inline("imports"),
        };
        Self { agent, imports }
    }

    async fn found(&self, profile: &str, authority: &str) -> Vec<String> {
        let settings = ProfileSettings { authority: authority.into(), ..ProfileSettings::default() };
        let asked = FindImportsRequest {
            profile: profile.into(),
            settings: Some(settings),
            nextflow_file: self.nextflow_file().display().to_string(),
        };
        let found = self.imports.find(asked).await.unwrap();
        found.imports.iter().map(|import| format!("{} as {}", import.name, import.profile)).collect()
    }

    /// Moves a profile's authority to a local port where no Platform listens.
    fn nobody_listens_at(&self, name: &str) {
        let owner = json!({"domain": "http://127.0.0.1:9/api", "last_login": 100});
        let state = self.agent.places.places().config_dir.join("auth-state.json");
        std::fs::write(state, json!({"profiles": {name: owner}}).to_string()).unwrap();
    }

    fn nextflow_file(&self) -> PathBuf {
        self.agent.places.places().config_dir.join("seqera-auth.config")
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_a_person_gave_is_kept_and_a_generated_one_is_not() {
    let bench = Bench::new(&["Lab", "main.test/api:platform"], &["home"]);
    assert_eq!(
        bench.found("", "").await,
        ["Lab as lab", "main.test/api:platform as default", "home as home"]
    );
}

#[tokio::test(start_paused = true)]
async fn only_what_the_login_means_is_found() {
    let bench = Bench::new(&["lab", "main.test/api:platform"], &[]);
    assert_eq!(bench.found("", "https://lab.test/api/").await, ["lab as lab"]);
    assert_eq!(bench.found("lab", "").await, ["lab as lab"]);
    let named = bench.found("work", "https://main.test/api").await;
    assert_eq!(named, ["main.test/api:platform as work"]);
    assert_eq!(bench.found("work", "").await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_session_of_ours_is_not_replaced_and_its_summary_is_no_word_of_v1() {
    let agent = Agent::signed_in().await;
    let bench = Bench::over(agent, &[], &["work", "lab"]);
    assert_eq!(bench.found("", "").await, ["lab as lab"]);
    let asked = FindImportsRequest::default();
    let left_out = bench.imports.find(asked).await.unwrap().left_out;
    assert!(left_out[0].contains("refresh-token.work"), "{left_out:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_is_not_offered_until_v1_has_signed_in_again() {
    let bench = Bench::new(&["lab"], &[]);
    let refuse = |at| {
        let attempt = Attempt { sha256: "x".into(), at, dead: true };
        let key = key(Origin::V1Keychain, "lab");
        let state = &bench.agent.registry.shared.state;
        state.change(move |sessions| drop(sessions.imports.insert(key, attempt)))
    };
    refuse(99).await.unwrap();
    assert_eq!(bench.found("", "").await, ["lab as lab"]);
    refuse(100).await.unwrap();
    assert_eq!(bench.found("", "").await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn nextflows_token_is_found_for_its_own_authority_only() {
    let bench = Bench::new(&[], &[]);
    let file = bench.nextflow_file();
    std::fs::write(&file, "tower {\n accessToken = 'pat'\n endpoint = 'https://host.test/api'\n}").unwrap();
    let shown = format!("{} as default", file.display());
    assert_eq!(bench.found("", "").await, [shown]);
    assert_eq!(bench.found("", "https://other.test/api").await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn nextflows_file_that_is_not_understood_is_named_with_the_other_way_in() {
    let bench = Bench::new(&[], &[]);
    let file = bench.nextflow_file();
    std::fs::write(&file, "tower {\n accessToken = 'pat'\n endpoint = \"https://${HOST}/api\"\n}").unwrap();
    let nextflow_file = file.display().to_string();
    let found = bench.imports.find(FindImportsRequest { nextflow_file, ..Default::default() }).await.unwrap();
    assert!(found.imports.is_empty());
    let said = &found.left_out[0];
    for part in [file.to_str().unwrap(), "line 3", "--with-token --authority"] {
        assert!(said.contains(part), "{said}");
    }
    assert!(!said.contains("pat'"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_login_at_another_kind_of_provider_is_offered_nothing() {
    let bench = Bench::new(&["lab"], &["home"]);
    let settings = ProfileSettings { provider: "scitoolkit".into(), ..ProfileSettings::default() };
    let asked = FindImportsRequest { settings: Some(settings), ..FindImportsRequest::default() };
    assert_eq!(bench.imports.find(asked).await.unwrap(), FindImportsResponse::default());
}

#[tokio::test(start_paused = true)]
async fn a_token_that_names_another_file_of_the_folder_is_not_taken() {
    let bench = Bench::new(&[], &["lab"]);
    let origin = Origin::V1File.into();
    for name in ["../lab", "lab/../lab", "none"] {
        let import = Import { origin, name: name.into(), profile: "lab".into(), ..Import::default() };
        let asked = TakeImportRequest { import: Some(import), ..TakeImportRequest::default() };
        let refused = bench.imports.take_one(asked).await.unwrap_err();
        assert_eq!(refused.kind, crate::error::ErrorKind::BadRequest);
    }
    assert_eq!(bench.agent.provider.calls(), 0);
}

#[tokio::test]
async fn a_token_that_is_still_good_stays_where_it_is_while_our_store_refuses_it() {
    for is_rotated in [false, true] {
        let bench = Bench::new(&["lab"], &[]);
        bench.nobody_listens_at("lab");
        bench.agent.store.break_with(Some(StoreError::Failed("full".into())));
        let renewed = Renewed {
            refresh: is_rotated.then(|| RefreshToken::new("next")),
            refresh_lifetime: None,
            authorization_lifetime: None,
            access: Ok(Access { token: AccessToken::new("access"), lifetime: LIFETIME }),
            subject: Some("ada".into()),
        };
        bench.agent.provider.script.lock().unwrap().push(Renewal::Granted(renewed));
        let origin = Origin::V1Keychain.into();
        let import = Import { origin, name: "lab".into(), profile: "lab".into(), ..Import::default() };
        let asked = TakeImportRequest { import: Some(import), ..TakeImportRequest::default() };
        let taken = bench.imports.take_one(asked).await.unwrap();
        assert!(taken.notes.iter().any(|note| note.contains("in memory only")), "{:?}", taken.notes);
        let left = bench.imports.keychain.profiles().await.unwrap();
        assert_eq!(left.is_empty(), is_rotated, "{left:?}");
        assert!(bench.agent.registry.shared.state.snapshot().imports.is_empty());
    }
}

#[tokio::test]
async fn a_token_that_v1_has_written_meanwhile_is_its_own_and_stays() {
    let bench = Bench::new(&[], &["lab"]);
    bench.nobody_listens_at("lab");
    let path = v1::path(&bench.agent.places.places().config_dir, "lab");
    let provider = &bench.agent.provider;
    *provider.good.lock().unwrap() = Some(TOKEN.into());
    provider.held.send_replace(true);
    let origin = Origin::V1File.into();
    let import = Import { origin, name: "lab".into(), profile: "lab".into(), ..Import::default() };
    let asked = TakeImportRequest { import: Some(import), ..TakeImportRequest::default() };
    let newer = "a-newer-refresh-token-of-version-1";
    let signs_in_again = async {
        provider.called(1).await;
        std::fs::write(&path, newer).unwrap();
        provider.held.send_replace(false);
    };
    let (taken, ()) = tokio::join!(bench.imports.take_one(asked), signs_in_again);
    taken.unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), newer);
    assert_eq!(bench.agent.store.contents().len(), 1, "ours is kept as well");
}
