mod callback;
mod site;

use super::*;
use crate::clock::FakeClock;
use crate::profile::Provider;
use crate::providers::http::Limits;
use crate::testing::double::Double;

/// A SciToolkit whose site is `double`, with its API below it.
fn scitoolkit(double: &Double) -> SciToolkit {
    let clock = FakeClock::new();
    let http = Http::new(clock.clone(), Limits::default());
    let api_url = Provider::SciToolkit.api_url(&double.url);
    let profile = Profile { authority: double.url.clone(), api_url, ..Provider::SciToolkit.defaults() };
    SciToolkit::new(http, clock, &profile)
}

async fn flow(scitoolkit: &SciToolkit) -> Flow {
    let redirect = Url::parse("http://127.0.0.1:5/cli-callback").unwrap();
    scitoolkit.start(&redirect).await.unwrap()
}
