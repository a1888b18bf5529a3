//! Waiting for something, with a deadline, never for a length of time.

use std::{future::Future, time::Duration};

/// Long enough for a loaded machine; reached only when something is wrong.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Looks again and again until `look` finds something.
pub(crate) async fn eventually<T, F>(what: &str, within: Duration, mut look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let search = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(within, search).await.unwrap_or_else(|_| panic!("not within {within:?}: {what}"))
}
