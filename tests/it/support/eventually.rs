//! Waiting for a condition with a deadline, instead of for a fixed time.

use std::{future::Future, time::Duration};

/// Long enough for a loaded machine. Only failures reach it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Repeats `check` until it returns a value; panics after `within`.
pub(crate) async fn eventually<T, F>(what: &str, within: Duration, mut check: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let search = async {
        loop {
            if let Some(found) = check().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(within, search).await.unwrap_or_else(|_| panic!("not within {within:?}: {what}"))
}
