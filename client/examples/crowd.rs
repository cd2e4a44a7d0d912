//! How long many callers of one program take that ask at the same time: prints the nanoseconds of each call, from
//! when all of them were ready.
//!
//! `cargo run --release --example crowd -- 50 100`: fifty callers with a hundred calls each.

use std::sync::Arc;
use std::time::Duration;

use seqera_client::{Client, Error, Options, Want};
use tokio::sync::Barrier;
use tokio::time::Instant;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let number = |index| std::env::args().nth(index).and_then(|number| number.parse().ok());
    let (callers, calls) = (number(1).unwrap_or(50), number(2).unwrap_or(1));
    let ready = Arc::new(Barrier::new(callers));
    let options = Options { deadline: Duration::from_secs(60), ..Options::from_env()? };
    let mut running = Vec::new();
    for _ in 0..callers {
        running.push(tokio::spawn(caller(Client::new(options.clone()), Arc::clone(&ready), calls)));
    }
    for caller in running {
        let times = caller.await.expect("a caller does not panic")?;
        times.iter().for_each(|time| println!("{}", time.as_nanos()));
    }
    Ok(())
}

/// Connects, waits for the others, and calls.
async fn caller(client: Client, ready: Arc<Barrier>, calls: usize) -> Result<Vec<Duration>, Error> {
    client.info().await?;
    ready.wait().await;
    let mut times = Vec::new();
    for _ in 0..calls {
        let start = Instant::now();
        client.token(Want::default()).await?;
        times.push(start.elapsed());
    }
    Ok(times)
}
