//! One contract for both implementations of the port to Kubernetes: the one in memory behaves as the real API server, so
//! that the loop's tests hold on a real cluster.

use dcs_operator::{
    api::{DcsInstance, DcsInstanceSpec, DcsInstanceStatus, instance::CloudAccount},
    controller::{
        ClusterError, KubeObjects, KubeSecrets, ManagedResource, NamespacedName, ObjectApi, ObjectId,
        SecretApi,
    },
};
use futures::StreamExt;
use k8s_openapi::{
    ByteString,
    api::core::v1::{Namespace, Secret},
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::ObjectMeta},
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, PartialObjectMeta, PostParams},
    runtime::{WatchStreamExt, reflector, watcher},
};

use crate::{
    crds::installed,
    support::{
        eventually::{DEADLINE, eventually},
        memory_cluster::{MemoryCluster, MemoryView},
    },
};

const OURS: &str = "dcs.huaweicloud.com/instance";
const THEIRS: &str = "example.com/theirs";

/// One implementation, and a user beside it.
struct Side<O, S, U> {
    objects: O,
    secrets: S,
    user: U,
    namespace: String,
}

/// The actions of a user.
trait User {
    async fn create(&self, object: DcsInstance);
    async fn edit(&self, key: &ObjectId, change: impl Fn(&mut DcsInstance));
    async fn delete(&self, key: &ObjectId);
}

impl User for MemoryCluster {
    async fn create(&self, object: DcsInstance) {
        MemoryCluster::create(self, object);
    }

    async fn edit(&self, key: &ObjectId, change: impl Fn(&mut DcsInstance)) {
        self.change(key, change);
    }

    async fn delete(&self, key: &ObjectId) {
        MemoryCluster::delete(self, key);
    }
}

impl User for Client {
    async fn create(&self, object: DcsInstance) {
        let namespace = object.namespace().unwrap();
        let api: Api<DcsInstance> = Api::namespaced(self.clone(), &namespace);
        api.create(&PostParams::default(), &object).await.unwrap();
    }

    async fn edit(&self, key: &ObjectId, change: impl Fn(&mut DcsInstance)) {
        let api: Api<DcsInstance> = Api::namespaced(self.clone(), &key.namespace);
        let mut object = api.get(&key.name).await.unwrap();
        change(&mut object);
        api.replace(&key.name, &PostParams::default(), &object).await.unwrap();
    }

    async fn delete(&self, key: &ObjectId) {
        let api: Api<DcsInstance> = Api::namespaced(self.clone(), &key.namespace);
        let _ = api.delete(&key.name, &DeleteParams::default()).await.unwrap();
    }
}

fn in_memory() -> Side<MemoryView, MemoryView, MemoryCluster> {
    let cluster = MemoryCluster::new();
    Side { objects: cluster.view(), secrets: cluster.view(), user: cluster, namespace: "shop".to_owned() }
}

/// A namespace of the scenario's own on the real API server, and a watch of it.
async fn real(namespace: &str) -> Side<KubeObjects<DcsInstance>, KubeSecrets, Client> {
    let client = installed().await.client().await;
    let namespace = namespace.replace('_', "-");
    let made = Namespace {
        metadata: ObjectMeta { name: Some(namespace.clone()), ..ObjectMeta::default() },
        ..Namespace::default()
    };
    Api::<Namespace>::all(client.clone()).create(&PostParams::default(), &made).await.unwrap();
    let (store, writer) = reflector::store();
    let api: Api<DcsInstance> = Api::namespaced(client.clone(), &namespace);
    let watch = watcher(api, watcher::Config::default()).default_backoff().reflect(writer);
    tokio::spawn(watch.for_each(|_| std::future::ready(())));
    let objects = KubeObjects::new(client.clone(), store, DEADLINE);
    let (secrets, writer) = reflector::store();
    let api: Api<PartialObjectMeta<Secret>> = Api::namespaced(client.clone(), &namespace);
    let watch = watcher(api, watcher::Config::default()).default_backoff().reflect(writer);
    tokio::spawn(watch.for_each(|_| std::future::ready(())));
    Side { objects, secrets: KubeSecrets::new(client.clone(), secrets, DEADLINE), user: client, namespace }
}

impl<O: ObjectApi<DcsInstance>, S: SecretApi, U: User> Side<O, S, U> {
    fn key(&self) -> ObjectId {
        ObjectId::new(DcsInstance::KIND, &self.namespace, "sessions")
    }

    /// A new object, as the API server has it.
    async fn create(&self, finalizers: &[&str]) -> DcsInstance {
        let mut object = DcsInstance::new("sessions", spec());
        object.metadata.namespace = Some(self.namespace.clone());
        object.metadata.finalizers = Some(finalizers.iter().map(|name| (*name).to_owned()).collect());
        self.user.create(object).await;
        self.get().await.unwrap()
    }

    async fn get(&self) -> Option<DcsInstance> {
        self.objects.get(&self.key()).await.unwrap()
    }

    /// Deletes the object and creates another under the same name.
    async fn recreate(&self, finalizers: &[&str]) -> DcsInstance {
        self.user.delete(&self.key()).await;
        gone(self).await;
        self.create(finalizers).await
    }
}

/// Waits until the object of the side's name is gone.
async fn gone<O: ObjectApi<DcsInstance>, S: SecretApi>(side: &Side<O, S, impl User>) {
    eventually("gone", DEADLINE, || async { side.get().await.is_none().then_some(()) }).await;
}

fn spec() -> DcsInstanceSpec {
    DcsInstanceSpec {
        engine_version: Some("6.0".to_owned()),
        capacity: Some(Quantity("1Gi".to_owned())),
        ..DcsInstanceSpec::default()
    }
}

fn status(id: &str) -> DcsInstanceStatus {
    DcsInstanceStatus {
        observed_generation: Some(1),
        id: Some(id.to_owned()),
        account: Some(CloudAccount { region: Some("here".to_owned()), ..CloudAccount::default() }),
        ..DcsInstanceStatus::default()
    }
}

fn version(object: &DcsInstance) -> String {
    object.resource_version().unwrap()
}

macro_rules! on_both {
    ($($scenario:ident;)*) => {$(
        mod $scenario {
            #[tokio::test]
            async fn in_memory() {
                super::$scenario(super::in_memory()).await;
            }

            #[tokio::test]
            async fn on_the_real_one() {
                super::$scenario(super::real(stringify!($scenario)).await).await;
            }
        }
    )*};
}

on_both! {
    a_status_is_written_whole;
    a_status_that_says_nothing_new_is_no_new_version;
    an_old_version_is_refused;
    what_is_gone_or_made_anew_takes_no_status;
    only_the_user_changes_the_generation;
    finalizers_are_added_once_and_to_the_right_object;
    finalizers_are_removed_from_the_right_object;
    a_deletion_waits_for_the_finalizers;
    the_watch_shows_it_in_the_end;
    objects_are_made_once;
    objects_are_deleted_by_who_has_read_them;
    secrets_are_made_once;
    secrets_are_changed_only_by_who_has_read_them;
}

async fn a_status_is_written_whole<O: ObjectApi<DcsInstance>, S: SecretApi>(side: Side<O, S, impl User>) {
    let object = side.create(&[]).await;
    assert_eq!(object.status.as_ref().unwrap().observed_generation, Some(-1), "the definition's default");
    let written = side.objects.publish_status(&object, &status("one")).await.unwrap();
    assert_eq!(written.status, Some(status("one")));
    // Fields that are no longer applied are removed, whole members and nested ones.
    let less = DcsInstanceStatus {
        observed_generation: Some(1),
        account: Some(CloudAccount { project_id: Some("p".to_owned()), ..CloudAccount::default() }),
        ..DcsInstanceStatus::default()
    };
    let written = side.objects.publish_status(&written, &less).await.unwrap();
    assert_eq!(written.status, Some(less.clone()));
    assert_eq!(side.get().await.unwrap().status, Some(less));
    let least = DcsInstanceStatus { observed_generation: Some(1), ..DcsInstanceStatus::default() };
    let written = side.objects.publish_status(&written, &least).await.unwrap();
    assert_eq!(written.status, Some(least));
    assert_eq!(written.spec, spec());
}

async fn a_status_that_says_nothing_new_is_no_new_version<O: ObjectApi<DcsInstance>, S: SecretApi>(
    side: Side<O, S, impl User>,
) {
    let object = side.create(&[]).await;
    let once = side.objects.publish_status(&object, &status("one")).await.unwrap();
    let again = side.objects.publish_status(&once, &status("one")).await.unwrap();
    assert_eq!(version(&once), version(&again));
    let empty = DcsInstanceStatus { account: Some(CloudAccount::default()), ..status("one") };
    let without = DcsInstanceStatus { account: None, ..status("one") };
    let written = side.objects.publish_status(&again, &empty).await.unwrap();
    assert_eq!(written.status, Some(without), "what is empty is not said");
}

async fn an_old_version_is_refused<O: ObjectApi<DcsInstance>, S: SecretApi>(side: Side<O, S, impl User>) {
    let old = side.create(&[]).await;
    let new = side.objects.publish_status(&old, &status("one")).await.unwrap();
    let refused = side.objects.publish_status(&old, &status("two")).await;
    assert!(matches!(refused, Err(ClusterError::Conflict(_))), "{refused:?}");
    assert_eq!(side.get().await, Some(new));
}

async fn what_is_gone_or_made_anew_takes_no_status<O: ObjectApi<DcsInstance>, S: SecretApi>(
    side: Side<O, S, impl User>,
) {
    let first = side.create(&[]).await;
    let second = side.recreate(&[]).await;
    assert_ne!(first.uid(), second.uid());
    let refused = side.objects.publish_status(&first, &status("one")).await;
    assert!(matches!(refused, Err(ClusterError::Conflict(_))), "{refused:?}");
    assert_eq!(side.get().await, Some(second.clone()));
    side.user.delete(&side.key()).await;
    let refused = side.objects.publish_status(&second, &status("one")).await;
    assert!(matches!(refused, Err(ClusterError::Conflict(_) | ClusterError::Gone)), "{refused:?}");
    assert_eq!(side.get().await, None);
    assert_eq!(side.objects.exists(&side.key()).await, Ok(false));
}

async fn only_the_user_changes_the_generation<O: ObjectApi<DcsInstance>, S: SecretApi>(
    side: Side<O, S, impl User>,
) {
    let object = side.create(&[THEIRS]).await;
    assert_eq!(object.metadata.generation, Some(1));
    let object = side.objects.publish_status(&object, &status("one")).await.unwrap();
    let object = side.objects.add_finalizer(&object, OURS).await.unwrap();
    assert_eq!(object.metadata.generation, Some(1));
    side.user.edit(&side.key(), |object| object.spec.description = Some("x".to_owned())).await;
    let edited = side.get().await.unwrap();
    assert_eq!(edited.metadata.generation, Some(2));
    assert_eq!(edited.status, Some(status("one")), "an edit of the spec leaves the status alone");
    side.user.delete(&side.key()).await;
    assert_eq!(side.get().await.unwrap().metadata.generation, Some(3), "the mark of deletion counts");
}

async fn finalizers_are_added_once_and_to_the_right_object<O: ObjectApi<DcsInstance>, S: SecretApi>(
    side: Side<O, S, impl User>,
) {
    let bare = side.create(&[]).await;
    let with = side.objects.add_finalizer(&bare, OURS).await.unwrap();
    assert_eq!(with.finalizers(), [OURS]);
    let again = side.objects.add_finalizer(&with, OURS).await.unwrap();
    assert_eq!((again.finalizers(), version(&again)), (with.finalizers(), version(&with)));
    let late = side.objects.add_finalizer(&bare, OURS).await.unwrap();
    assert_eq!(late.finalizers(), [OURS], "whoever has not seen it yet gets it too");
    side.user.edit(&side.key(), |object| object.finalizers_mut().push(THEIRS.to_owned())).await;
    let other = side.objects.add_finalizer(&with, "example.com/third").await;
    assert!(matches!(other, Err(ClusterError::Conflict(_))), "{other:?}");
    side.user.delete(&side.key()).await;
    let refused = side.objects.add_finalizer(&side.get().await.unwrap(), "example.com/third").await;
    assert!(matches!(refused, Err(ClusterError::Conflict(_))), "{refused:?}");
    side.user.edit(&side.key(), |object| object.finalizers_mut().clear()).await;
    gone(&side).await;
    assert_eq!(side.objects.add_finalizer(&with, OURS).await.unwrap_err(), ClusterError::Gone);
    assert_eq!(side.get().await, None, "nothing was made");
    let anew = side.create(&[]).await;
    assert_eq!(side.objects.add_finalizer(&with, OURS).await.unwrap_err(), ClusterError::Gone);
    assert_eq!(side.get().await, Some(anew));
}

async fn finalizers_are_removed_from_the_right_object<O: ObjectApi<DcsInstance>, S: SecretApi>(
    side: Side<O, S, impl User>,
) {
    let object = side.create(&[THEIRS, OURS]).await;
    side.objects.remove_finalizer(&object, OURS).await.unwrap();
    let left = side.get().await.unwrap();
    assert_eq!(left.finalizers(), [THEIRS]);
    side.objects.remove_finalizer(&object, OURS).await.unwrap();
    assert_eq!(side.get().await, Some(left.clone()), "it is not there any more");
    side.user
        .edit(&side.key(), |object| *object.finalizers_mut() = vec![OURS.to_owned(), THEIRS.to_owned()])
        .await;
    let refused = side.objects.remove_finalizer(&object, OURS).await;
    assert!(matches!(refused, Err(ClusterError::Conflict(_))), "{refused:?}");
    side.user.edit(&side.key(), |object| object.finalizers_mut().clear()).await;
    let second = side.recreate(&[OURS]).await;
    side.objects.remove_finalizer(&object, OURS).await.unwrap();
    assert_eq!(side.get().await, Some(second.clone()), "one made later is another object");
    side.user.delete(&side.key()).await;
    side.objects.remove_finalizer(&second, OURS).await.unwrap();
    gone(&side).await;
    side.objects.remove_finalizer(&second, OURS).await.unwrap();
}

async fn a_deletion_waits_for_the_finalizers<O: ObjectApi<DcsInstance>, S: SecretApi>(
    side: Side<O, S, impl User>,
) {
    side.create(&[OURS]).await;
    side.user.delete(&side.key()).await;
    let marked = side.get().await.unwrap();
    assert!(marked.metadata.deletion_timestamp.is_some());
    let said = side.objects.publish_status(&marked, &status("one")).await.unwrap();
    assert_eq!(said.status, Some(status("one")), "what is being deleted can still say something");
    side.user.delete(&side.key()).await;
    assert_eq!(version(&side.get().await.unwrap()), version(&said), "a second deletion changes nothing");
    side.objects.remove_finalizer(&said, OURS).await.unwrap();
    gone(&side).await;
}

async fn objects_are_made_once<O: ObjectApi<DcsInstance>, S: SecretApi>(side: Side<O, S, impl User>) {
    let mut object = DcsInstance::new("sessions", spec());
    object.metadata.namespace = Some(side.namespace.clone());
    let (label, value) = ("dcs.huaweicloud.com/schedule", "nightly".to_owned());
    object.labels_mut().insert(label.to_owned(), value.clone());
    let made = side.objects.create(&object).await.unwrap();
    assert_eq!((made.spec.clone(), made.labels().get(label)), (spec(), Some(&value)));
    assert_eq!(made.metadata.generation, Some(1));
    let refused = side.objects.create(&object).await;
    assert!(matches!(refused, Err(ClusterError::Conflict(_))), "{refused:?}");
    assert_eq!(side.get().await, Some(made));
}

async fn objects_are_deleted_by_who_has_read_them<O: ObjectApi<DcsInstance>, S: SecretApi>(
    side: Side<O, S, impl User>,
) {
    let old = side.create(&[OURS]).await;
    let new = side.objects.publish_status(&old, &status("one")).await.unwrap();
    let refused = side.objects.delete(&old).await;
    assert!(matches!(refused, Err(ClusterError::Conflict(_))), "{refused:?}");
    side.objects.delete(&new).await.unwrap();
    let marked = side.get().await.unwrap();
    assert!(marked.metadata.deletion_timestamp.is_some(), "the finalizer keeps it");
    side.objects.delete(&marked).await.unwrap();
    side.objects.remove_finalizer(&marked, OURS).await.unwrap();
    gone(&side).await;
    side.objects.delete(&marked).await.unwrap();
    let another = side.create(&[]).await;
    let refused = side.objects.delete(&new).await;
    assert!(matches!(refused, Err(ClusterError::Conflict(_))), "{refused:?}");
    assert_eq!(side.get().await, Some(another), "one made later is another object");
}

async fn the_watch_shows_it_in_the_end<O: ObjectApi<DcsInstance>, S: SecretApi>(side: Side<O, S, impl User>) {
    assert!(side.objects.cached(&side.key()).is_none());
    let object = side.create(&[]).await;
    let cached = || async { side.objects.cached(&side.key()) };
    let shows = async |expected: &str| {
        let seen = || async { cached().await.filter(|seen| version(seen) == expected) };
        eventually("shown by the watch", DEADLINE, seen).await;
    };
    shows(&version(&object)).await;
    let written = side.objects.publish_status(&object, &status("one")).await.unwrap();
    assert!(version(&written).parse::<u64>().unwrap() > version(&object).parse::<u64>().unwrap());
    shows(&version(&written)).await;
    assert_eq!(side.objects.cached(&side.key()).unwrap().status, Some(status("one")));
    side.user.delete(&side.key()).await;
    eventually("gone from the watch", DEADLINE, || async { cached().await.is_none().then_some(()) }).await;
}

async fn secrets_are_made_once<O: ObjectApi<DcsInstance>, S: SecretApi>(side: Side<O, S, impl User>) {
    let key = NamespacedName::new(&side.namespace, "password");
    assert_eq!(side.secrets.get_secret(&key).await.unwrap(), None);
    let secret = |value: &str| Secret {
        metadata: ObjectMeta {
            name: Some(key.name.clone()),
            namespace: Some(key.namespace.clone()),
            ..ObjectMeta::default()
        },
        data: Some([("password".to_owned(), ByteString(value.as_bytes().to_vec()))].into()),
        ..Secret::default()
    };
    side.secrets.create_secret(&secret("canary-one")).await.unwrap();
    let refused = side.secrets.create_secret(&secret("canary-two")).await.unwrap_err();
    assert!(matches!(&refused, ClusterError::Conflict(_)), "{refused:?}");
    assert!(!format!("{refused:?}").contains("canary"));
    let read = side.secrets.get_secret(&key).await.unwrap().unwrap();
    assert_eq!(read.data, secret("canary-one").data);
}

async fn secrets_are_changed_only_by_who_has_read_them<O: ObjectApi<DcsInstance>, S: SecretApi>(
    side: Side<O, S, impl User>,
) {
    let key = NamespacedName::new(&side.namespace, "binding");
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(key.name.clone()),
            namespace: Some(key.namespace.clone()),
            ..ObjectMeta::default()
        },
        ..Secret::default()
    };
    let blind = side.secrets.replace_secret(&secret).await;
    assert!(blind.is_err(), "what was never read has no version");
    let first = side.secrets.create_secret(&secret).await.unwrap();
    let canary = Some([("password".to_owned(), ByteString(b"canary".to_vec()))].into());
    let second = side.secrets.replace_secret(&Secret { data: canary, ..first.clone() }).await.unwrap();
    assert_ne!(second.resource_version(), first.resource_version());
    let mut held = second.clone();
    held.metadata.finalizers = Some(vec!["dcs.huaweicloud.com/in-use".to_owned()]);
    let held = side.secrets.replace_secret(&held).await.unwrap();
    assert_eq!((held.finalizers().len(), &held.data), (1, &second.data));
    let refused = side.secrets.replace_secret(&second).await.unwrap_err();
    assert!(matches!(&refused, ClusterError::Conflict(_)), "{refused:?}");
    assert!(!format!("{refused:?}").contains("canary"));
    let version = held.resource_version();
    let shown = async || (side.secrets.version(&key) == version).then_some(());
    eventually("the watch shows the version", DEADLINE, shown).await;
    let mut other = held.clone();
    other.metadata.uid = Some("00000000-0000-4000-8000-00000000ffff".to_owned());
    let refused = side.secrets.delete_secret(&other).await.unwrap_err();
    assert!(matches!(&refused, ClusterError::Conflict(_)), "{refused:?}");
    let mut older = held.clone();
    older.metadata.resource_version = Some("1".to_owned());
    let refused = side.secrets.delete_secret(&older).await.unwrap_err();
    assert!(matches!(&refused, ClusterError::Conflict(_)), "{refused:?}");
    side.secrets.delete_secret(&held).await.unwrap();
    let mut leaving = side.secrets.get_secret(&key).await.unwrap().expect("its finalizer keeps it");
    assert!(leaving.metadata.deletion_timestamp.is_some());
    leaving.metadata.finalizers = None;
    side.secrets.replace_secret(&leaving).await.unwrap();
    assert_eq!(side.secrets.get_secret(&key).await.unwrap(), None);
    let refused = side.secrets.replace_secret(&leaving).await.unwrap_err();
    assert!(matches!(&refused, ClusterError::Gone | ClusterError::Conflict(_)), "{refused:?}");
    side.secrets.delete_secret(&leaving).await.expect("that it is gone is no error");
    let gone = async || side.secrets.version(&key).is_none().then_some(());
    eventually("gone from the watch", DEADLINE, gone).await;
}
