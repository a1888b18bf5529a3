//! HTTP clients shared by accounts. A client holds the trusted certificates (about 2.7 MiB) and the connections, so
//! accounts with the same trust share one.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use aws_lc_rs::digest;

use super::{
    account::{AccountConfig, InvalidAccount},
    transport::{HttpTransport, bypasses_proxy},
};
use crate::clock::Clock;

/// HTTP clients by what they trust.
#[derive(Debug)]
pub struct HttpClients {
    clock: Arc<dyn Clock>,
    clients: Mutex<HashMap<Trust, Arc<HttpTransport>>>,
}

/// What distinguishes one client from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Trust {
    /// SHA-256 of the account's CA bundle.
    ca_bundle: Option<Vec<u8>>,
    /// Loopback endpoints are not called through a proxy.
    bypasses_proxy: bool,
}

// === impl HttpClients ===

impl HttpClients {
    /// No clients yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, clients: Mutex::default() }
    }

    /// The client for `account`. A new one replaces those that no account uses any more.
    ///
    /// # Errors
    /// [`InvalidAccount`] if the certificates cannot be read or the HTTP client cannot be built.
    pub fn get(&self, account: &AccountConfig) -> Result<Arc<HttpTransport>, InvalidAccount> {
        let hash = |pem: &String| digest::digest(&digest::SHA256, pem.as_bytes()).as_ref().to_vec();
        let trust = Trust {
            ca_bundle: account.ca_bundle.as_ref().map(hash),
            bypasses_proxy: bypasses_proxy(account),
        };
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&trust) {
            return Ok(Arc::clone(client));
        }
        let client = Arc::new(HttpTransport::new(account, Arc::clone(&self.clock))?);
        clients.retain(|_, client| Arc::strong_count(client) > 1);
        clients.insert(trust, Arc::clone(&client));
        Ok(client)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;
    use crate::{clock::SystemClock, dcs::Credentials};

    fn account(endpoint: &str, ca_bundle: Option<String>) -> AccountConfig {
        AccountConfig {
            region: "cn-north-4".to_owned(),
            endpoint: endpoint.parse().unwrap(),
            iam_endpoint: endpoint.parse().unwrap(),
            project_id: None,
            credentials: Credentials::AccessKey {
                id: "id".to_owned(),
                secret: SecretString::from("secret"),
                security_token: None,
            },
            ca_bundle,
        }
    }

    #[tokio::test]
    async fn accounts_with_the_same_trust_share_a_client() {
        let clients = HttpClients::new(Arc::new(SystemClock::default()));
        let get = |endpoint: &str| clients.get(&account(endpoint, None)).unwrap();
        let (one, other) = (get("https://dcs.example.com"), get("https://dcs.example.org"));
        assert!(Arc::ptr_eq(&one, &other));
        let loopback = get("http://127.0.0.1:1");
        assert!(!Arc::ptr_eq(&one, &loopback));
        drop((one, other));
        assert_eq!(clients.clients.lock().unwrap().len(), 2);
        drop(loopback);
        assert!(clients.get(&account("https://dcs.example.com", Some("none".to_owned()))).is_err());
    }
}
