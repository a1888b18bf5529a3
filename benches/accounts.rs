//! How much memory a further account needs: `cargo bench --bench accounts`.
//!
//! Every account has a client and a subscription in the inventory, as in the operator. No call is made. The second row
//! has an HTTP client per account, to show what sharing saves.

#![allow(clippy::expect_used, missing_docs)]

use std::{fs, sync::Arc};

use dcs_operator::{
    clock::{Clock, SystemClock},
    dcs::{AccountConfig, Client, Credentials, HttpClients, RetryPolicy},
    inventory::{AccountKey, Demand, Inventory, InventorySettings, Subscriber, Subscription},
};
use secrecy::SecretString;

/// Further accounts with a shared HTTP client, and with one each.
const ACCOUNTS: u64 = 150;
const UNSHARED_ACCOUNTS: u64 = 20;

/// An object, each in a namespace of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Object(String);

impl Subscriber for Object {
    fn tenant(&self) -> &str {
        &self.0
    }
}

fn account(number: u64) -> AccountConfig {
    let url =
        |service: &str| format!("https://{service}.cn-north-4.myhuaweicloud.com").parse().expect("a URL");
    AccountConfig {
        region: "cn-north-4".to_owned(),
        endpoint: url("dcs"),
        iam_endpoint: url("iam"),
        project_id: Some(format!("{number:032x}")),
        credentials: Credentials::AccessKey {
            id: format!("bench-{number:015}"),
            secret: SecretString::from(format!("bench-secret-{number:027}")),
            security_token: None,
        },
        ca_bundle: None,
    }
}

/// Resident memory of this process in KiB, where the system reports it.
fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Joins accounts, and prints memory with one and with all of them.
fn measure(label: &str, accounts: u64, connect: impl Fn(&AccountConfig) -> Client, clock: &Arc<dyn Clock>) {
    let inventory = Inventory::new(InventorySettings::default(), Arc::clone(clock));
    let join = |number: u64| {
        let account = account(number);
        let key = AccountKey {
            endpoint: account.endpoint.to_string(),
            project_id: account.project_id.clone().unwrap_or_default(),
            credentials: format!("{number:064x}"),
        };
        inventory.join(&key, || connect(&account));
        let subscription = Subscription {
            ids: vec![format!("instance-{number:027}")],
            tags: vec![("dcs-operator-uid".to_owned(), format!("{number:036}"))],
            demand: Demand::CHANGES,
        };
        inventory.subscribe(Object(number.to_string()), &key, subscription);
    };
    join(0);
    let first = resident();
    (1..=accounts).for_each(join);
    let last = resident();
    let cell = |kib: Option<u64>| kib.map_or("unknown".to_owned(), |kib| format!("{kib} KiB"));
    let each = first.zip(last).map(|(first, last)| last.saturating_sub(first) / accounts);
    println!("| {label} | {} | {} | {} | {} |", accounts, cell(first), cell(last), cell(each));
}

#[tokio::main]
async fn main() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let http = HttpClients::new(Arc::clone(&clock));
    let over = |transport, account: &AccountConfig| {
        Client::over(transport, account.clone(), RetryPolicy::default(), Arc::clone(&clock), 1)
    };
    println!("| HTTP client | further accounts | RSS with 1 account | RSS with all | each further account |");
    println!("|---|---|---|---|---|");
    measure("shared", ACCOUNTS, |account| over(http.get(account).expect("a client"), account), &clock);
    let own = |account: &AccountConfig| {
        Client::new(account.clone(), RetryPolicy::default(), Arc::clone(&clock), 1).expect("a client")
    };
    measure("one per account", UNSHARED_ACCOUNTS, own, &clock);
}
