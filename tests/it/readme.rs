//! The README is a short front page, and the runbook lists every reason that asks for an action.

use dcs_operator::api::Reason;

fn read(file: &str) -> String {
    std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

#[test]
fn it_fits_on_a_few_screens() {
    let lines = read("README.md").lines().count();
    assert!(lines <= 120, "README.md has {lines} lines: move something to docs/");
}

#[test]
fn the_runbook_lists_every_reason_that_asks_for_something() {
    let idle = |remedy: &str| {
        remedy.starts_with("Nothing") || remedy.starts_with("Wait.") || remedy.starts_with("Wait:")
    };
    let page = read("docs/conditions.md");
    let (_, needed) = page.split_once("### Reasons that may need action").unwrap();
    let (needed, rest) = needed.split_once("### Reasons that need no action").unwrap();
    for reason in Reason::ALL {
        let (section, other) = if idle(reason.remedy()) { (rest, needed) } else { (needed, rest) };
        let name = format!("</a>{reason} | ");
        let row = section
            .lines()
            .find(|line| line.contains(&name))
            .unwrap_or_else(|| panic!("{reason} is missing"));
        let end = format!(
            " | {} | {} |",
            reason.meaning().replace('*', "\\*"),
            reason.remedy().replace('*', "\\*")
        );
        assert!(row.ends_with(&end), "put this into docs/conditions.md: {end}");
        assert!(!other.contains(&name), "{reason} is in both tables");
    }
}
