mod callback;
mod site;

use super::*;
use crate::clock::FakeClock;
use crate::providers::http::Limits;
use crate::providers::known;
use crate::testing::double::Double;

/// A SciToolkit whose site is `double`, with its API below it.
fn scitoolkit(double: &Double) -> SciToolkit {
    let clock = FakeClock::new();
    let http = Http::new(clock.clone(), Limits::default());
    let api_url = known::api_url(&ID, &double.url);
    let profile = Profile { authority: double.url.clone(), api_url, ..known::defaults(&ID) };
    SciToolkit::new(http, clock, &profile)
}

async fn flow(scitoolkit: &SciToolkit) -> Flow {
    let redirect = Url::parse("http://127.0.0.1:5/cli-callback").unwrap();
    scitoolkit.start(&redirect).await.unwrap()
}
