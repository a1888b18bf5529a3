//! Measures the duration of a full list page and the memory usage of the simulator: `make bench`.
//!
//! Uses the real client and the real process, so the figures match local development.

#![allow(clippy::expect_used, clippy::indexing_slicing, missing_docs)]

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use dcs_operator::{
    clock::SystemClock,
    dcs::{
        AccountConfig, Client, Cloud, Credentials, RetryPolicy,
        model::{Capacity, CreateInstance, InstanceQuery, MAX_PAGE},
    },
};
use secrecy::SecretString;

const PAGES: usize = 30;

/// The simulator process; killed on drop.
struct Simulator {
    child: Child,
    ready: serde_json::Value,
}

impl Simulator {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_dcs-operator"))
            .args([
                "simulate",
                "--addr",
                "127.0.0.1:0",
                "--access-key",
                "bench",
                "--secret-key",
                "bench-secret",
            ])
            .args(["--quota-instances", "100000", "--quota-ram-gb", "1000000"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the simulator starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("a line");
        let ready = serde_json::from_str(&line).expect("a line of JSON");
        Self { child, ready }
    }

    fn ready_field(&self, key: &str) -> String {
        self.ready[key].as_str().expect("a text").to_owned()
    }

    fn client(&self) -> Client {
        let endpoint = self.ready_field("endpoint").parse().expect("a URL");
        let account = AccountConfig {
            region: self.ready_field("region"),
            iam_endpoint: self.ready_field("iamEndpoint").parse().expect("a URL"),
            endpoint,
            project_id: Some(self.ready_field("projectId")),
            credentials: Credentials::AccessKey {
                id: "bench".to_owned(),
                secret: SecretString::from("bench-secret"),
                security_token: None,
            },
            ca_bundle: None,
        };
        Client::new(account, RetryPolicy::default(), Arc::new(SystemClock::default()), 1).expect("a client")
    }

    /// Resident memory in MiB, where /proc is available.
    fn resident(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib / 1024)
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn request(number: usize, zone: &str) -> CreateInstance {
    CreateInstance {
        name: format!("bench-{number:05}"),
        engine: "Redis".to_owned(),
        engine_version: "6.0".to_owned(),
        capacity: Capacity::from_mib(128),
        spec_code: "redis.single.xu1.tiny.128".to_owned(),
        az_codes: vec![zone.to_owned()],
        vpc_id: "0a1b2c3d-0000-4000-8000-000000000001".to_owned(),
        subnet_id: "0a1b2c3d-0000-4000-8000-000000000002".to_owned(),
        password: Some(SecretString::from("SimHarness-Passw0rd")),
        ..CreateInstance::default()
    }
}

/// Minimum, median and maximum duration of a page of 1,000.
async fn pages(client: &Client) -> [Duration; 3] {
    let mut times = Vec::new();
    for _ in 0..PAGES {
        let query = InstanceQuery { limit: Some(MAX_PAGE), ..InstanceQuery::default() };
        let begun = Instant::now();
        let page = client.list_instances(&query).await.expect("a page");
        times.push(begun.elapsed());
        assert_eq!(page.instances.len(), MAX_PAGE as usize);
    }
    times.sort();
    [times[0], times[PAGES / 2], times[PAGES - 1]]
}

#[tokio::main]
async fn main() {
    let simulator = Simulator::start();
    let client = simulator.client();
    let zones = client.list_availability_zones().await.expect("zones").available_zones;
    let zone = zones.into_iter().find(|zone| zone.resource_availability == Some(true)).expect("a zone").code;
    println!("| instances | page of 1,000: min | median | max | memory (RSS) | creation |");
    println!("|---|---|---|---|---|---|");
    let mut made = 0;
    for count in [1_000, 10_000] {
        let begun = Instant::now();
        let more = count - made;
        for number in made..count {
            client.create_instance(&request(number, &zone)).await.expect("created");
        }
        made = count;
        let each = begun.elapsed() / u32::try_from(more).expect("a small number");
        let [min, median, max] =
            pages(&client).await.map(|time| format!("{:.1} ms", time.as_secs_f64() * 1e3));
        let memory = simulator.resident().map_or("unknown".to_owned(), |mib| format!("{mib} MiB"));
        println!("| {count} | {min} | {median} | {max} | {memory} | {:.2} ms |", each.as_secs_f64() * 1e3);
    }
}
