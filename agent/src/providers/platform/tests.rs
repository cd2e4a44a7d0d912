use std::sync::Arc;

use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde_json::json;

use super::*;
use crate::clock::{SystemClock, WallOffset};
use crate::providers::http::Limits;
use crate::testing::double::{Double, Script, answer, json_answer};

fn platform(double: &Double) -> Platform {
    let http = Http::new(Arc::new(SystemClock::new(WallOffset::default())), Limits::default());
    Platform::new(http, &format!("{}/api/", double.url))
}

fn token() -> AccessToken {
    AccessToken::new("secret-token")
}

#[tokio::test]
async fn fields_that_are_null_or_new_do_no_harm() {
    let double = Double::bare().await;
    let user = json!({ "id": 9_007_199_254_740_993_i64, "userName": "ada", "email": null, "shoeSize": 38 });
    let info = json!({ "user": user, "defaultWorkspaceId": null, "needConsent": false });
    double.script("GET /api/user-info", json_answer(200, &info));
    let info = platform(&double).user_info(&token()).await.unwrap();
    assert_eq!(info.user.id, 9_007_199_254_740_993);
    let account = info.user.complete(None);
    assert_eq!((account.subject.as_str(), account.label()), ("9007199254740993", "ada"));
    assert!(double.seen("GET /api/user-info")[0].head.contains("authorization: Bearer secret-token"));
}

#[test]
fn a_backend_is_an_address_that_every_program_reads_alike_or_none() {
    let told =
        |url: &str| ServiceInfo { seqera_ai_base_url: Some(url.into()), ..ServiceInfo::default() }.backend();
    assert_eq!(told("HTTPS://AI.test:443/x/"), "https://ai.test/x");
    for odd in
        ["http:evil.test", "http:/evil.test", "http:\\\\evil.test", "javascript:1", "https://u:p@a.test", ""]
    {
        assert_eq!(told(odd), "", "{odd}");
    }
}

#[tokio::test]
async fn lists_are_read() {
    let double = Double::bare().await;
    let platform = platform(&double);
    let org = json!({ "orgId": 7, "name": "lab", "fullName": "The Lab", "logo": null });
    let orgs = json!({ "organizations": [org], "totalSize": 1 });
    double.script("GET /api/orgs", json_answer(200, &orgs));
    let lab = Organization { id: 7, name: "lab".into(), full_name: "The Lab".into() };
    assert_eq!(platform.orgs(&token()).await.unwrap(), [lab]);

    let rows = json!({ "orgsAndWorkspaces": [
        { "orgId": 7, "orgName": "lab", "workspaceId": null, "workspaceName": null },
        { "orgId": 7, "orgName": "lab", "workspaceId": 8, "workspaceName": "rna" },
    ] });
    double.script("GET /api/user/5/workspaces", json_answer(200, &rows));
    let workspaces = platform.workspaces(&token(), 5).await.unwrap();
    let [rna] = workspaces.as_slice() else { panic!("a row without a workspace is none: {workspaces:?}") };
    assert_eq!((rna.id, rna.name.as_str(), rna.organization.id), (8, "rna", 7));

    double.script("GET /api/tokens", json_answer(200, &json!({ "tokens": [{ "id": 3, "name": "ci" }] })));
    assert_eq!(platform.tokens(&token()).await.unwrap(), [TokenEntry { id: 3, name: Some("ci".into()) }]);

    let service = json!({ "serviceInfo": { "version": "25.1", "apiVersion": "1.187.0" } });
    double.script("GET /api/service-info", json_answer(200, &service));
    assert_eq!(platform.service_info().await.unwrap().version, "25.1");
    assert!(!double.seen("GET /api/service-info")[0].head.contains("authorization"));
}

#[tokio::test]
async fn each_kind_of_failure_is_told_apart() {
    let double = Double::bare().await;
    let html = answer(200, &[("content-type", "text/html")], "<html>sign in</html>");
    let login = answer(302, &[("location", "/login")], "");
    for (script, expected) in [
        (answer(401, &[], ""), "refuses"),
        (answer(403, &[], ""), "does not allow"),
        (answer(404, &[], ""), "no Platform API"),
        (html, "no Platform API"),
        (login, "no Platform API"),
        (answer(502, &[], "<html>bad gateway</html>"), "status 502"),
        (answer(429, &[], ""), "status 429"),
        (Script::Reset, "could not be asked"),
        (
            Script::Bytes(crate::testing::double::cut_answer(200, "{\"user\":{\"id\":1}}")),
            "could not be asked",
        ),
    ] {
        double.script("GET /api/user-info", script);
        let error = platform(&double).user_info(&token()).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!error.to_string().contains("secret-token"), "{error}");
    }
}

#[test]
fn the_id_of_a_personal_access_token_is_read_from_its_shape() {
    let plain = "{\"tid\": 4711}.0123abcd";
    for text in [STANDARD.encode(plain), STANDARD_NO_PAD.encode(plain)] {
        assert_eq!(token_id(&AccessToken::new(text)), Some(4711));
    }
    for other in ["", "eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "opaque", &STANDARD.encode("{\"tid\":1}")] {
        assert_eq!(token_id(&AccessToken::new(other)), None, "{other}");
    }
}
