//! The topics of an account. A topic is one list of the cloud with a poll schedule of its own; it is polled while a
//! subscriber demands it. A new topic takes a line in [`topics!`], an `impl Topic`, and an arm in
//! [`Demand::interval`](super::demand::Demand).

use std::{future::Future, time::Duration};

use super::{
    schedule::Schedule,
    snapshot::{Item, Lists},
};
use crate::dcs::{
    Cloud, Error, Listing, list_all,
    model::{InstanceFacts, InstanceQuery, InstanceStatus},
};

/// One complete or incomplete reading of a topic, with all pages.
#[derive(Debug)]
pub(super) struct Pages<T> {
    pub(super) items: Vec<T>,
    /// Whether as many items arrived as the service announced.
    pub(super) complete: bool,
    /// Number of calls.
    pub(super) count: u32,
}

/// What is kept of a topic.
#[derive(Debug)]
pub(super) struct TopicState<T> {
    pub(super) schedule: Schedule,
    pub(super) lists: Lists<T>,
}

/// A list that can be polled.
pub(super) trait Topic {
    type Item: Item + Clone + Send + Sync;
    const ID: TopicId;

    /// The topic's state within those of its account.
    fn state(topics: &mut Topics) -> &mut TopicState<Self::Item>;

    /// Reads all pages.
    fn read(cloud: &impl Cloud) -> impl Future<Output = Result<Pages<Self::Item>, Error>> + Send;
}

/// Polls topics of any item type.
pub(super) trait TopicPoller {
    /// Reads and records a topic; `false` if it could not be read at all. `prepaid` if the first call is granted.
    fn poll<T: Topic>(&self, prepaid: bool) -> impl Future<Output = bool> + Send;
}

/// Declares the topics in the order in which they are polled, with the fields that hold their lists.
macro_rules! topics {
    ($($(#[$doc:meta])* $topic:ident, $field:ident: $item:ty;)*) => {
        /// Names a topic.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum TopicId {
            $($(#[$doc])* $topic,)*
        }

        $($(#[$doc])* #[derive(Debug)] pub(super) enum $topic {})*

        /// The states of an account's topics.
        #[derive(Debug, Default)]
        pub(super) struct Topics {
            $($field: TopicState<$item>,)*
        }

        /// The lists of an account. Cheap to clone.
        #[derive(Debug, Clone)]
        pub struct AccountSnapshot {
            $($(#[$doc])* pub $field: Lists<$item>,)*
            /// Monotonic time when the account was joined; nothing was observed before.
            pub joined: Duration,
        }

        impl TopicId {
            /// All topics, in the order in which they are polled.
            pub(super) const ALL: &[Self] = &[$(Self::$topic,)*];

            /// Has `poller` poll this topic.
            pub(super) async fn poll<P: TopicPoller + Sync>(self, poller: &P, prepaid: bool) -> bool {
                match self {
                    $(Self::$topic => poller.poll::<$topic>(prepaid).await,)*
                }
            }
        }

        impl Topics {
            pub(super) fn schedule(&self, topic: TopicId) -> &Schedule {
                match topic {
                    $(TopicId::$topic => &self.$field.schedule,)*
                }
            }

            pub(super) fn schedule_mut(&mut self, topic: TopicId) -> &mut Schedule {
                match topic {
                    $(TopicId::$topic => &mut self.$field.schedule,)*
                }
            }

            /// Drops lists and schedule of a topic.
            pub(super) fn reset(&mut self, topic: TopicId) {
                match topic {
                    $(TopicId::$topic => self.$field = TopicState::default(),)*
                }
            }

            pub(super) fn snapshot(&self, joined: Duration) -> AccountSnapshot {
                AccountSnapshot { $($field: self.$field.lists.clone(),)* joined }
            }
        }

    };
}

topics! {
    /// All instances but the failed creations.
    Instances, instances: InstanceFacts;
    /// Instances in status CREATEFAILED.
    FailedCreations, failed_creations: InstanceFacts;
}

// === impl Topics ===

impl Topics {
    pub(super) fn instances(&self) -> &Lists<InstanceFacts> {
        &self.instances.lists
    }
}

// === impl TopicState ===

impl<T> Default for TopicState<T> {
    fn default() -> Self {
        Self { schedule: Schedule::default(), lists: Lists::default() }
    }
}

// === impl Pages ===

impl<T> From<Listing<T>> for Pages<T> {
    fn from(listing: Listing<T>) -> Self {
        let Listing { instances, complete, pages } = listing;
        Self { items: instances, complete, count: pages }
    }
}

// === impl InstanceFacts ===

impl Item for InstanceFacts {
    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tags()
    }
}

// === impl Instances ===

impl Topic for Instances {
    type Item = InstanceFacts;
    const ID: TopicId = TopicId::Instances;

    fn state(topics: &mut Topics) -> &mut TopicState<InstanceFacts> {
        &mut topics.instances
    }

    async fn read(cloud: &impl Cloud) -> Result<Pages<InstanceFacts>, Error> {
        list_all(cloud, InstanceQuery::default()).await.map(Pages::from)
    }
}

// === impl FailedCreations ===

impl Topic for FailedCreations {
    type Item = InstanceFacts;
    const ID: TopicId = TopicId::FailedCreations;

    fn state(topics: &mut Topics) -> &mut TopicState<InstanceFacts> {
        &mut topics.failed_creations
    }

    async fn read(cloud: &impl Cloud) -> Result<Pages<InstanceFacts>, Error> {
        let status = Some(InstanceStatus::CreateFailed);
        list_all(cloud, InstanceQuery { status, ..InstanceQuery::default() }).await.map(Pages::from)
    }
}
