//! The watch against an API server that answers from a script.

use std::collections::VecDeque;

use futures::FutureExt;
use kube::client::Body;
use serde_json::{Value, json};

use super::*;
use crate::{api::DcsInstance, clock::SystemClock};

struct Ignored;

impl WatchErrorHandler for Ignored {
    fn on_watch_error(&self, _: &'static str, _: &watcher::Error) {}

    fn on_unreadable_object(&self, _: &'static str, _: &ObjectReference, _: &str) {}
}

fn object(name: &str, generation: i64) -> Value {
    let metadata = json!({"name": name, "namespace": "shop", "uid": name, "generation": generation, "resourceVersion": "1"});
    json!({"apiVersion": "dcs.huaweicloud.com/v1alpha1", "kind": "DcsInstance", "metadata": metadata, "spec": {}})
}

fn page(items: &[Value], more: Option<&str>) -> (u16, Value) {
    let metadata = json!({"resourceVersion": "1", "continue": more});
    (
        200,
        json!({"apiVersion": "dcs.huaweicloud.com/v1alpha1", "kind": "DcsInstanceList", "metadata": metadata, "items": items}),
    )
}

fn failure(code: u16) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Expired", "code": code})
}

/// Gives the answers in this order. What is asked for after them stays without an answer.
fn api_server(answers: impl IntoIterator<Item = (u16, Value)>) -> Client {
    let answers = Arc::new(Mutex::new(answers.into_iter().collect::<VecDeque<_>>()));
    let service = tower::service_fn(move |_: http::Request<Body>| {
        let answer = answers.lock().unwrap().pop_front();
        async move {
            let Some((status, body)) = answer else { return future::pending().await };
            let body = Body::from(format!("{body}\n").into_bytes());
            Ok::<_, tower::BoxError>(http::Response::builder().status(status).body(body).unwrap())
        }
    });
    Client::new(service, "default")
}

fn watches(client: Client) -> Arc<Watches> {
    let second = Duration::from_secs(1);
    let timeouts = KubeTimeouts { answer: second, watch: second, max_backoff: second };
    let health = WatchHealth::new(Arc::new(SystemClock::default()));
    Arc::new(Watches::new(client, Arc::default(), None, timeouts, health, Arc::new(Ignored)))
}

/// A store takes over a list at its end. A reconcile that begins before sees the object as it was, or does not see it.
#[tokio::test(start_paused = true)]
async fn a_list_wakes_objects_once_the_store_shows_it() {
    let expired = (200, json!({"type": "ERROR", "object": failure(410)}));
    let watches = watches(api_server([
        page(&[object("old", 1)], None),
        expired,
        // The second page of the next list fails: the list is begun again.
        page(&[object("new", 1)], Some("more")),
        (500, failure(500)),
        page(&[object("new", 1), object("old", 2)], Some("more")),
        page(&[object("other", 1)], None),
    ]));
    let queue = watches.queues.of(DcsInstance::KIND);
    let WatchedStore { store, writer } = WatchedStore::<DcsInstance>::new();
    let mut changed = Box::pin(watches.objects(writer, |_, _| false));
    let mut woken = Vec::new();
    for _ in 0..4 {
        let id = tokio::select! {
            Some(object) = changed.next() => object.unwrap().object_id(),
            id = queue.next() => id,
        };
        let shown = store.state().into_iter().find(|object| object.object_id() == id);
        woken.push((id.name.clone(), shown.and_then(|object| object.metadata.generation)));
    }
    let expected = [("old", Some(1)), ("new", Some(1)), ("old", Some(2)), ("other", Some(1))];
    assert_eq!(woken, expected.map(|(name, generation)| (name.to_owned(), generation)));
    assert!(changed.next().now_or_never().is_none() && queue.next().now_or_never().is_none());
}
