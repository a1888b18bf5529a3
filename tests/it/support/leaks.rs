//! Check that no confidential value leaves Secrets.

use std::fs;

use k8s_openapi::{
    ByteString,
    api::{core::v1::Secret, events::v1::Event},
};
use kube::{Api, api::ListParams};

use super::{
    account::assert_no_canary,
    operator::{Operator, SYSTEM},
    tenant::Tenant,
};

/// Keys of confidential values in Secrets.
const CONFIDENTIAL_KEYS: [&str; 6] = ["password", "pending", "uri", "secretKey", "securityToken", "key"];

// === impl Tenant ===

impl Tenant {
    /// Confidential values: passwords, keys, the hash key and the token of the operator, in plain, base64 and hex form.
    async fn confidential_values(&self, operator: &Operator) -> Vec<String> {
        let own: Api<Secret> = Api::namespaced(self.client.clone(), SYSTEM);
        let everywhere = [self.secrets(), own];
        let mut values = vec![operator.token().into_bytes()];
        for secrets in everywhere {
            for secret in secrets.list(&ListParams::default()).await.unwrap() {
                let data = secret.data.unwrap_or_default().into_iter();
                let data = data.filter(|(key, _)| CONFIDENTIAL_KEYS.contains(&key.as_str()));
                values.extend(data.map(|(_, value)| value.0));
            }
        }
        let encodings = |value: &Vec<u8>| {
            let encoded = serde_json::to_value(ByteString(value.clone())).unwrap();
            let plain = String::from_utf8(value.clone()).ok();
            plain.into_iter().chain([encoded.as_str().unwrap().to_owned(), hex::encode(value)])
        };
        values.iter().flat_map(encodings).collect()
    }

    /// Checks that no confidential value appears outside Secrets: in Events, objects, logs, metrics or the journal.
    pub(crate) async fn assert_no_secret_leaks(&self, operator: &Operator) {
        let secrets = self.confidential_values(operator).await;
        assert!(secrets.len() > 3, "there are confidential values");
        let events: Api<Event> = Api::namespaced(self.client.clone(), &self.namespace);
        let events = events.list(&ListParams::default()).await.unwrap().items;
        let objects = self.instances().list(&ListParams::default()).await.unwrap().items;
        let shown = [
            ("events", serde_json::to_string(&events).unwrap()),
            ("objects", serde_json::to_string(&objects).unwrap()),
            ("log", operator.log()),
            // It contains every status write.
            ("audit log", fs::read_to_string(&operator.audit_log).unwrap()),
            ("metrics", operator.get("/metrics").await.1),
            ("journal", self.cloud.journal().to_string()),
        ];
        for (what, text) in shown {
            assert_no_canary(&text);
            for secret in &secrets {
                assert!(!text.contains(secret), "a confidential value is in {what}");
            }
        }
    }
}
