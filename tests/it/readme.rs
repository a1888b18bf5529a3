//! What the README lists is what there is.

use dcs_operator::api::Reason;

/// The reasons that ask somebody to do something, as a table.
fn reasons() -> String {
    let idle = |remedy: &str| {
        remedy.starts_with("Nothing") || remedy.starts_with("Wait.") || remedy.starts_with("Wait:")
    };
    let rows = Reason::ALL.iter().filter(|reason| !idle(reason.remedy()));
    let row = |reason: &Reason| format!("| {reason} | {} | {} |\n", reason.meaning(), reason.remedy());
    let head = "| Reason | What it means | What to do |\n|---|---|---|\n";
    format!("<!-- reasons -->\n{head}{}<!-- /reasons -->", rows.map(row).collect::<String>())
}

#[test]
fn it_lists_every_reason_that_asks_for_something() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let expected = reasons();
    assert!(readme.contains(&expected), "put this into the README:\n{expected}");
}
