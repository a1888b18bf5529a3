//! The layering of the modules: a module uses only the modules listed for it, and a pure module does no IO.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::Visit;
use walkdir::WalkDir;

/// Every top-level module and the modules that it may use.
const ROOMS: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    (
        "cli",
        &[
            "controller",
            "plan",
            "inventory",
            "api",
            "formats",
            "simulator",
            "dcs",
            "leader",
            "server",
            "metrics",
            "telemetry",
            "clock",
        ],
    ),
    ("controller", &["plan", "inventory", "api", "formats", "dcs", "telemetry", "clock"]),
    ("inventory", &["dcs", "clock"]),
    ("plan", &["api", "formats", "inventory::demand", "dcs::model", "dcs::error"]),
    ("api", &[]),
    ("formats", &[]),
    ("simulator", &["dcs::model", "dcs::sign", "dcs::operation", "dcs::error", "dcs::redact", "clock"]),
    ("dcs", &["clock"]),
    ("leader", &["clock"]),
    ("server", &["metrics", "clock"]),
    ("metrics", &[]),
    ("telemetry", &[]),
    ("clock", &[]),
];

/// Paths that do IO or read a clock.
const IO: &[&str] = &[
    "axum",
    "hyper",
    "kube",
    "reqwest",
    "tokio",
    "std::fs",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::UdpSocket",
    "std::process",
    "std::time::Instant",
    "std::time::SystemTime",
    "Instant::now",
    "SystemTime::now",
    "Utc::now",
    "chrono::Utc::now",
    "crate::clock::SystemClock",
];
/// Exceptions: paths below those of `IO` that do no IO.
const NOT_IO: &[&str] =
    &["kube::CustomResource", "kube::CustomResourceExt", "kube::core", "kube::Resource", "kube::ResourceExt"];
/// The pure modules, each with the submodules that may do IO.
const PURE: &[(&str, &[&str])] = &[
    ("plan", &[]),
    ("controller", &["controller::kube"]),
    ("inventory", &["inventory::tests"]),
    ("api", &[]),
    ("formats", &[]),
    ("leader::term", &[]),
    ("leader::settings", &[]),
    ("dcs::model", &[]),
    ("dcs::sign", &[]),
    ("dcs::error", &[]),
    ("dcs::answer", &[]),
    ("dcs::retry", &[]),
    ("dcs::redact", &[]),
    ("simulator", &["simulator::http", "simulator::persist"]),
];

/// A use of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Arrow {
    /// The module that contains the use, such as `dcs::model::lenient`.
    from: String,
    /// The path, from the root of this crate or of another one, such as `crate::clock::Clock`.
    to: String,
}

fn sources() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = WalkDir::new(&root).sort_by_file_name().into_iter().map(|entry| entry.unwrap().into_path());
    // The rules do not apply to tests, neither in separate files nor in modules.
    let is_code = |path: &PathBuf| {
        path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs")
    };
    files.filter(is_code).collect()
}

/// `src/dcs/model/mod.rs` is `dcs::model`.
fn module_of(path: &Path) -> String {
    let relative =
        path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap().with_extension("");
    let mut parts: Vec<_> = relative.iter().map(|part| part.to_str().unwrap()).collect();
    if matches!(parts.last(), Some(&"mod" | &"lib")) {
        parts.pop();
    }
    parts.join("::")
}

/// Collects every path of a file, including those in macros, and resolves `self` and `super`.
struct Paths<'a> {
    module: &'a str,
    arrows: BTreeSet<Arrow>,
}

impl Paths<'_> {
    fn add(&mut self, segments: &[String]) {
        let mut base: Vec<&str> = self.module.split("::").filter(|part| !part.is_empty()).collect();
        let mut rest = segments;
        let absolute = match rest.first().map(String::as_str) {
            Some("crate" | "dcs_operator") => {
                rest = &rest[1..];
                base.clear();
                true
            }
            Some("self") => {
                rest = &rest[1..];
                true
            }
            Some("super") => {
                while rest.first().is_some_and(|segment| segment == "super") {
                    rest = &rest[1..];
                    base.pop();
                }
                true
            }
            _ => false,
        };
        let names = rest.iter().map(String::as_str);
        let to = if absolute {
            std::iter::once("crate").chain(base).chain(names).collect::<Vec<_>>().join("::")
        } else {
            names.collect::<Vec<_>>().join("::")
        };
        self.arrows.insert(Arrow { from: self.module.to_owned(), to });
    }

    fn tree(&mut self, prefix: &[String], tree: &syn::UseTree) {
        let with = |name: &syn::Ident| prefix.iter().cloned().chain([name.to_string()]).collect::<Vec<_>>();
        match tree {
            syn::UseTree::Path(path) => self.tree(&with(&path.ident), &path.tree),
            syn::UseTree::Name(name) => self.add(&with(&name.ident)),
            syn::UseTree::Rename(rename) => self.add(&with(&rename.ident)),
            syn::UseTree::Glob(_) => self.add(prefix),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(prefix, tree)),
        }
    }

    /// A macro contains only tokens: each sequence of names joined by `::` counts as a path.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(name) if path.is_empty() || colons == 2 => {
                    path.push(name.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' && !path.is_empty() => colons += 1,
                other => {
                    self.end(&mut path);
                    colons = 0;
                    match other {
                        TokenTree::Ident(name) => path.push(name.to_string()),
                        TokenTree::Group(group) => self.tokens(group.stream()),
                        TokenTree::Punct(_) | TokenTree::Literal(_) => {}
                    }
                }
            }
        }
        self.end(&mut path);
    }

    fn end(&mut self, path: &mut Vec<String>) {
        if path.len() > 1 {
            self.add(path);
        }
        path.clear();
    }
}

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        let is_test = |attribute: &syn::Attribute| {
            attribute.path().is_ident("cfg")
                && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
        };
        if !module.attrs.iter().any(is_test) {
            syn::visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1 {
            self.add(&segments);
        }
        syn::visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, invocation: &'ast syn::Macro) {
        self.tokens(invocation.tokens.clone());
        syn::visit::visit_macro(self, invocation);
    }
}

fn arrows_of(module: &str, source: &str) -> BTreeSet<Arrow> {
    let mut paths = Paths { module, arrows: BTreeSet::new() };
    paths.visit_file(&syn::parse_file(source).unwrap());
    paths.arrows
}

fn arrows() -> BTreeSet<Arrow> {
    let sources = sources();
    assert!(sources.len() > 20, "the sources are found");
    let arrows = |path: &PathBuf| arrows_of(&module_of(path), &fs::read_to_string(path).unwrap());
    sources.iter().filter(|path| !path.ends_with("src/lib.rs")).flat_map(arrows).collect()
}

fn is_within(path: &str, room: &str) -> bool {
    path == room || path.strip_prefix(room).is_some_and(|rest| rest.starts_with("::"))
}

/// Uses that no list allows.
fn forbidden(arrows: &BTreeSet<Arrow>) -> Vec<String> {
    let rooms: BTreeMap<_, _> = ROOMS.iter().copied().collect();
    let mut found = Vec::new();
    for Arrow { from, to } in arrows {
        if matches!(to.as_str(), "crate" | "dcs_operator") {
            found.push(format!("{from} takes the whole crate, by a glob or under another name"));
        }
        let Some(target) = to.strip_prefix("crate::") else { continue };
        let room = from.split("::").next().unwrap();
        let Some(allowed) = rooms.get(room) else {
            found.push(format!("{from} is in no room"));
            continue;
        };
        let target_room = target.split("::").next().unwrap();
        let known = rooms.contains_key(target_room);
        if known && target_room != room && !allowed.iter().any(|allowed| is_within(target, allowed)) {
            found.push(format!("{from} uses {target}"));
        }
    }
    found
}

/// Uses of IO by pure modules.
fn impure(arrows: &BTreeSet<Arrow>) -> Vec<String> {
    let pure = |from: &str| {
        let within = |room: &&str| is_within(from, room);
        PURE.iter().any(|(room, impure)| within(room) && !impure.iter().any(within))
    };
    let within = |to: &str, names: &[&str]| names.iter().any(|name| is_within(to, name));
    let io = |to: &str| within(to, IO) && !within(to, NOT_IO);
    arrows
        .iter()
        .filter(|a| pure(&a.from) && io(&a.to))
        .map(|a| format!("{} uses {}", a.from, a.to))
        .collect()
}

#[test]
fn arrows_of_use_point_downward() {
    assert_eq!(forbidden(&arrows()), Vec::<String>::new());
}

#[test]
fn pure_rooms_do_no_io() {
    assert_eq!(impure(&arrows()), Vec::<String>::new());
}

#[test]
fn every_room_is_listed() {
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    for line in lib.lines().filter_map(|line| line.strip_prefix("pub mod ")) {
        let name = line.trim_end_matches(';');
        assert!(ROOMS.iter().any(|(room, _)| *room == name), "{name} is in no list");
    }
}

#[test]
fn an_arrow_upward_is_found_however_it_is_written() {
    for source in [
        "use crate::cli::Cli;",
        "use crate::{clock::Clock, cli};",
        "use super::super::cli::run as go;",
        "pub use crate::cli::*;",
        "fn f() { crate::cli::main(); }",
        "fn f(cli: &crate::cli::Cli) {}",
        "fn f() { println!(\"{}\", crate::cli::main()); }",
        "type A = Vec<crate::cli::Cli>;",
        "use crate::*;",
        "use crate as root;",
    ] {
        assert_eq!(forbidden(&arrows_of("dcs::retry", source)).len(), 1, "{source}");
    }
    for source in [
        "use tokio::time;",
        "fn f() { tokio::spawn(async {}); }",
        "fn f() { join!(tokio::time::sleep(d)) }",
        "fn f() { Utc::now(); }",
        "use std::{fs, time::Duration};",
        "use crate::clock::SystemClock;",
    ] {
        assert_eq!(impure(&arrows_of("dcs::retry", source)).len(), 1, "{source}");
    }
    for source in
        ["use kube::Client;", "use kube::{Api, CustomResource};", "fn f() { kube::runtime::watcher(); }"]
    {
        assert_eq!(impure(&arrows_of("api::instance", source)).len(), 1, "{source}");
    }
    assert_eq!(impure(&arrows_of("api::instance", "use kube::{CustomResource, core::Rule};")), [""; 0]);
    let allowed =
        arrows_of("dcs::retry", "use crate::clock::Clock; #[cfg(test)] mod tests { use crate::cli; }");
    assert_eq!((forbidden(&allowed), impure(&allowed)), (vec![], vec![]));
}
