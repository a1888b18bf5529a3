//! Uses point downward: a module uses only modules below it, pure modules do no IO, and no modules use each other in a
//! circle.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::Visit;
use walkdir::WalkDir;

/// Every top-level module and the modules that it may use.
const LAYERS: &[(&str, &[&str])] = &[
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
    (
        "controller",
        &["plan", "inventory", "api", "formats", "dcs", "telemetry", "single_flight", "lru", "clock"],
    ),
    ("inventory", &["dcs", "single_flight", "clock"]),
    ("plan", &["api", "formats", "dcs::model", "dcs::error", "inventory::demand"]),
    ("api", &["words"]),
    ("formats", &[]),
    ("simulator", &["dcs::model", "dcs::sign", "dcs::operation", "dcs::error", "dcs::redact", "clock"]),
    ("dcs", &["single_flight", "words", "clock"]),
    ("leader", &["clock"]),
    ("server", &["metrics", "clock"]),
    ("metrics", &[]),
    ("telemetry", &[]),
    ("single_flight", &["lru", "clock"]),
    ("lru", &[]),
    ("words", &[]),
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
/// Parts of these that do none.
const NOT_IO: &[&str] =
    &["kube::CustomResource", "kube::CustomResourceExt", "kube::core", "kube::Resource", "kube::ResourceExt"];
/// The modules that stay pure, except for the named parts.
const PURE: &[(&str, &[&str])] = &[
    ("plan", &[]),
    ("controller", &["controller::kube"]),
    ("inventory", &["inventory::tests"]),
    ("api", &[]),
    ("formats", &[]),
    ("leader::lease_state", &[]),
    ("leader::settings", &[]),
    ("dcs::model", &[]),
    ("dcs::sign", &[]),
    ("dcs::error", &[]),
    ("dcs::response", &[]),
    ("dcs::retry", &[]),
    ("dcs::redact", &[]),
    ("simulator", &["simulator::http", "simulator::persist"]),
];

/// A use of a path: where, and what.
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
    // Tests are free, in a file of their own or at the end of another.
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

/// Collects every path of a file, inside macros too, and resolves `self` and `super`.
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

fn is_within(path: &str, module: &str) -> bool {
    path == module || path.strip_prefix(module).is_some_and(|rest| rest.starts_with("::"))
}

/// The files, as a graph: who uses whom.
#[derive(Default)]
struct Graph {
    modules: BTreeSet<String>,
    /// What each file re-exports: the path behind each name.
    reexports: BTreeMap<String, BTreeMap<String, String>>,
    /// Files that only declare modules and re-export: users of a name use the file that defines it.
    facades: BTreeSet<String>,
    arrows: BTreeSet<Arrow>,
}

// === impl Graph ===

impl Graph {
    fn of<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut graph = Self::default();
        for (module, source) in files {
            let file = syn::parse_file(source).unwrap();
            let mut reexports = BTreeMap::new();
            for item in &file.items {
                let syn::Item::Use(item) = item else { continue };
                if !matches!(item.vis, syn::Visibility::Inherited) {
                    let mut paths = Paths { module, arrows: BTreeSet::new() };
                    paths.tree(&[], &item.tree);
                    let name = |path: &str| path.rsplit("::").next().unwrap().to_owned();
                    reexports.extend(paths.arrows.into_iter().map(|arrow| (name(&arrow.to), arrow.to)));
                }
            }
            let is_facade = |item: &syn::Item| matches!(item, syn::Item::Use(_) | syn::Item::Mod(_));
            if file.items.iter().all(is_facade) {
                graph.facades.insert(module.to_owned());
            }
            graph.modules.insert(module.to_owned());
            graph.reexports.insert(module.to_owned(), reexports);
            graph.arrows.extend(arrows_of(module, source));
        }
        graph
    }

    /// The file that defines what a path names.
    fn definition(&self, path: &str) -> Option<String> {
        let mut path = path.strip_prefix("crate::")?.to_owned();
        for _ in 0..8 {
            let mut module = path.as_str();
            while !self.modules.contains(module) {
                module = module.rsplit_once("::")?.0;
            }
            let rest = path[module.len()..].trim_start_matches("::").to_owned();
            let (name, below) = rest.split_once("::").unwrap_or((&rest, ""));
            let Some(target) = self.reexports[module].get(name).and_then(|to| to.strip_prefix("crate::"))
            else {
                return Some(module.to_owned());
            };
            path = if below.is_empty() { target.to_owned() } else { format!("{target}::{below}") };
        }
        None
    }

    fn uses(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for Arrow { from, to } in self.arrows.iter().filter(|arrow| !self.facades.contains(&arrow.from)) {
            if let Some(target) = self.definition(to).filter(|target| target != from) {
                uses.entry(from.clone()).or_default().insert(target);
            }
        }
        uses
    }

    /// Groups of files that use each other in circles.
    fn circles(&self) -> BTreeSet<Vec<String>> {
        let uses = self.uses();
        let reachable = |from: &String| {
            let (mut found, mut open) = (BTreeSet::new(), vec![from.clone()]);
            while let Some(module) = open.pop() {
                let next = uses.get(&module).into_iter().flatten();
                open.extend(next.filter(|next| found.insert((*next).clone())).cloned());
            }
            found
        };
        let reached: BTreeMap<_, _> = uses.keys().map(|from| (from, reachable(from))).collect();
        let circle = |(from, to): (&&String, &BTreeSet<String>)| {
            let back = |other: &&String| reached.get(other).is_some_and(|back| back.contains(*from));
            let circle: Vec<_> = to.iter().filter(back).cloned().collect();
            (!circle.is_empty()).then_some(circle)
        };
        reached.iter().filter_map(circle).collect()
    }
}

fn circles() -> BTreeSet<Vec<String>> {
    let files: Vec<_> =
        sources().iter().map(|path| (module_of(path), fs::read_to_string(path).unwrap())).collect();
    let is_code = |(module, _): &&(String, String)| {
        !module.is_empty() && module.split("::").all(|part| part != "tests")
    };
    Graph::of(files.iter().filter(is_code).map(|(module, source)| (module.as_str(), source.as_str())))
        .circles()
}

/// Uses that no list allows.
fn forbidden(arrows: &BTreeSet<Arrow>) -> Vec<String> {
    let layers: BTreeMap<_, _> = LAYERS.iter().copied().collect();
    let mut found = Vec::new();
    for Arrow { from, to } in arrows {
        if matches!(to.as_str(), "crate" | "dcs_operator") {
            found.push(format!("{from} takes the whole crate, by a glob or under another name"));
        }
        let Some(target) = to.strip_prefix("crate::") else { continue };
        let layer = from.split("::").next().unwrap();
        let Some(allowed) = layers.get(layer) else {
            found.push(format!("{from} is in no list"));
            continue;
        };
        let target_layer = target.split("::").next().unwrap();
        let known = layers.contains_key(target_layer);
        if known && target_layer != layer && !allowed.iter().any(|allowed| is_within(target, allowed)) {
            found.push(format!("{from} uses {target}"));
        }
    }
    found
}

/// Uses of IO by pure modules.
fn impure(arrows: &BTreeSet<Arrow>) -> Vec<String> {
    let pure = |from: &str| {
        let within = |module: &&str| is_within(from, module);
        PURE.iter().any(|(module, impure)| within(module) && !impure.iter().any(within))
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
fn no_modules_use_each_other_in_a_circle() {
    assert_eq!(circles(), BTreeSet::new());
}

#[test]
fn a_circle_is_found_through_reexports() {
    let facade = "mod one; mod two; pub use self::{one::One, two::Two};";
    let files = |two| [("a", facade), ("a::one", "use super::Two; pub struct One;"), ("a::two", two)];
    let both = vec!["a::one".to_owned(), "a::two".to_owned()];
    for two in ["use crate::a::One; pub struct Two;", "pub struct Two(super::one::One);"] {
        assert_eq!(Graph::of(files(two)).circles(), [both.clone()].into(), "{two}");
    }
    assert_eq!(Graph::of(files("pub struct Two;")).circles(), BTreeSet::new());
    let parent = [
        ("a", "mod one; pub use self::one::One; pub struct Own;"),
        ("a::one", "use super::Own; pub struct One;"),
    ];
    assert_eq!(Graph::of(parent).circles().len(), 1, "a parent with items of its own is no facade");
}

#[test]
fn pure_modules_do_no_io() {
    assert_eq!(impure(&arrows()), Vec::<String>::new());
}

#[test]
fn every_layer_is_listed() {
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    for line in lib.lines().filter_map(|line| line.strip_prefix("pub mod ")) {
        let name = line.trim_end_matches(';');
        assert!(LAYERS.iter().any(|(layer, _)| *layer == name), "{name} is in no list");
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
