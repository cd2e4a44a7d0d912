//! How long the calls of a program take that keeps its connection: prints the nanoseconds of each.
//!
//! `cargo run --release --example warm -- 1000`

use std::time::Duration;

use seqera_client::{Client, Error, Options, Want};
use tokio::time::Instant;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let count = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(1000);
    let client = Client::new(Options { deadline: Duration::from_secs(30), ..Options::from_env()? });
    // The first call connects.
    client.token(Want::default()).await?;
    for _ in 0..count {
        let start = Instant::now();
        client.token(Want::default()).await?;
        println!("{}", start.elapsed().as_nanos());
    }
    Ok(())
}
