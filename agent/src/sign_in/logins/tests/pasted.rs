use super::*;

async fn paste(bench: &Bench, text: String) -> Result<(), AgentError> {
    bench.logins.complete(&ProfileName::fallback(), text).await
}

#[tokio::test]
async fn a_pasted_address_signs_in_and_the_callback_finds_nobody_afterwards() {
    let bench = Bench::new().await;
    let mut handle = bench.begin("client", Some(free_port().await));
    let (url, port) = waiting(&mut handle).await;
    bench.grant(&url);
    paste(&bench, format!("http://127.0.0.1:{port}/callback?{}", answer_to(&url))).await.unwrap();
    done(&mut handle).await.unwrap();
    assert_eq!(bench.installed.1.try_recv().unwrap().account.subject, "ada");
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
    let again = paste(&bench, answer_to(&url)).await.unwrap_err();
    assert_eq!(again.kind, ErrorKind::BadRequest);
    assert_eq!(bench.double.seen("POST /token").len(), 1);
}

#[tokio::test]
async fn a_wrong_paste_is_refused_and_the_login_goes_on() {
    let bench = Bench::new().await;
    let mut handle = bench.begin("client", None);
    let (url, port) = waiting(&mut handle).await;
    bench.grant(&url);
    for wrong in ["code-1", "code=code-1&state=wrong", url.as_str(), ""] {
        let error = paste(&bench, wrong.to_owned()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::BadRequest, "{wrong}");
        assert!(!error.to_string().contains("code-1") && !error.hint().is_empty(), "{error}");
    }
    assert!(bench.double.seen("POST /token").is_empty());
    assert_eq!(come_back(port, &answer_to(&url)).await.0, 200);
    done(&mut handle).await.unwrap();
}

#[tokio::test]
async fn a_pasted_refusal_ends_the_login_as_denied() {
    let bench = Bench::new().await;
    let mut handle = bench.begin("client", None);
    let (url, _) = waiting(&mut handle).await;
    let refusal = answer_to(&url).replace("code=code-1", "error=access_denied");
    paste(&bench, refusal).await.unwrap();
    assert_eq!(done(&mut handle).await.unwrap_err().kind, ErrorKind::LoginDenied);
}

#[tokio::test]
async fn an_answer_of_another_provider_is_refused_when_it_is_pasted_too() {
    let bench = Bench::new().await;
    let mut handle = bench.begin("client", None);
    let (url, _) = waiting(&mut handle).await;
    paste(&bench, format!("{}&iss=https://other.test", answer_to(&url))).await.unwrap();
    assert_eq!(done(&mut handle).await.unwrap_err().kind, ErrorKind::Misconfigured);
    assert!(bench.double.seen("POST /token").is_empty());
}

#[tokio::test]
async fn without_a_login_there_is_nothing_to_complete() {
    let bench = Bench::new().await;
    let error = paste(&bench, "code=c&state=s".into()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::BadRequest);
    assert!(error.hint().contains("seqera login"), "{}", error.hint());
}
