//! The documentation matches the code: generated pages, links, and every reason that is documented.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use dcs_operator::{
    api::{ConditionType, Reason},
    cli::docs::pages,
};
use syn::{
    Expr, ExprPath, Token,
    punctuated::Punctuated,
    visit::{self, Visit},
};
use walkdir::WalkDir;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(below: &str, extension: &str) -> Vec<PathBuf> {
    let entries = WalkDir::new(root().join(below)).sort_by_file_name().into_iter();
    let paths = entries.map(|entry| entry.unwrap().into_path());
    paths.filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

/// README.md and every page of docs/, by path from the root.
fn documents() -> BTreeMap<PathBuf, String> {
    let paths = files("docs", "md").into_iter().chain([root().join("README.md")]);
    let relative = |path: &Path| path.strip_prefix(root()).unwrap().to_owned();
    paths.map(|path| (relative(&path), fs::read_to_string(&path).unwrap())).collect()
}

// === generated pages ===

#[test]
fn generated_pages_match_the_code() {
    for page in pages().unwrap() {
        let path = root().join("docs").join(&page.file);
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == page.content, "docs/{} is out of date: run `make generate`", page.file);
    }
    let generated: BTreeSet<_> =
        pages().unwrap().into_iter().map(|page| root().join("docs").join(page.file)).collect();
    for path in files("docs/reference", "md") {
        assert!(generated.contains(&path), "{} is not generated any more: remove it", path.display());
    }
}

#[test]
fn the_command_writes_the_pages() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["docs", "--dir", folder.path().to_str().unwrap()];
    let output = Command::new(env!("CARGO_BIN_EXE_dcs-operator")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    for page in pages().unwrap() {
        assert_eq!(fs::read_to_string(folder.path().join(page.file)).unwrap(), page.content);
    }
}

// === links ===

/// The targets of inline links, outside of code blocks.
fn links(text: &str) -> Vec<String> {
    let mut in_code = false;
    let lines = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        in_code ^= fence;
        !fence && !in_code
    });
    let targets = |line: &str| {
        let rest = line.split("](").skip(1);
        rest.filter_map(|rest| rest.split_once(')')).map(|(target, _)| target.to_owned()).collect::<Vec<_>>()
    };
    lines.flat_map(targets).collect()
}

/// The anchors that GitHub makes of headings, and those written by hand.
fn anchors(text: &str) -> BTreeSet<String> {
    let slug = |heading: &str| {
        let kept = heading.trim().to_lowercase();
        let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect::<String>()
    };
    let headings =
        text.lines().filter(|line| line.starts_with('#')).map(|line| slug(line.trim_start_matches('#')));
    let ids =
        text.split("<a id=\"").skip(1).filter_map(|rest| rest.split_once('"')).map(|(id, _)| id.to_owned());
    headings.chain(ids).collect()
}

#[test]
fn links_lead_somewhere() {
    let mut checked = 0;
    for (path, text) in documents() {
        for link in links(&text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link.as_str(), ""));
            let own = root().join(&path);
            let target = if file.is_empty() { own } else { own.parent().unwrap().join(file) };
            assert!(target.exists(), "{}: {link} does not exist", path.display());
            if !anchor.is_empty() {
                let text = fs::read_to_string(&target).unwrap();
                assert!(anchors(&text).contains(anchor), "{}: {link} has no such anchor", path.display());
            }
            checked += 1;
        }
    }
    assert!(checked > 10, "{checked} links");
}

#[test]
fn links_and_anchors_are_found() {
    let text = "# A `kubectl get` page\n[a](b.md) and [c](d#e)\n```\n[not](this)\n```\n<a id=\"x\"></a>";
    assert_eq!(links(text), ["b.md", "d#e"]);
    assert_eq!(anchors(text), BTreeSet::from(["a-kubectl-get-page".to_owned(), "x".to_owned()]));
}

// === manifests ===

/// Kinds of manifests that no definition in crds/ is about.
const OTHER_KINDS: &[&str] = &["Secret", "DcsBackupSchedule"];

/// The YAML documents in the code blocks of a page.
fn manifests(text: &str) -> Vec<serde_json::Value> {
    let blocks = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split_once("```"));
    let documents = blocks.flat_map(|(block, _)| block.split("---\n").map(str::to_owned).collect::<Vec<_>>());
    let parsed = documents.filter_map(|document| serde_saphyr::from_str::<serde_json::Value>(&document).ok());
    parsed.filter(|document| document.get("kind").is_some()).collect()
}

/// Whether a value has only members that the schema knows. `path` leads to the first that it does not know.
fn unknown_member(value: &serde_json::Value, schema: &serde_json::Value, path: &str) -> Option<String> {
    let members = value.as_object()?;
    let properties = schema.get("properties")?;
    members.iter().find_map(|(name, member)| {
        let path = format!("{path}.{name}");
        match properties.get(name) {
            Some(schema) => unknown_member(member, schema, &path),
            None => Some(path),
        }
    })
}

#[test]
fn manifests_in_documents_have_only_fields_that_exist() {
    let mut schemas = BTreeMap::new();
    for path in files("crds", "yaml") {
        let text = fs::read_to_string(path).unwrap();
        let definition: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        let kind = definition["spec"]["names"]["kind"].as_str().unwrap().to_owned();
        schemas.insert(kind, definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone());
    }
    let mut checked = 0;
    for (path, text) in documents() {
        for manifest in manifests(&text) {
            let kind = manifest["kind"].as_str().unwrap();
            let Some(schema) = schemas.get(kind) else {
                assert!(OTHER_KINDS.contains(&kind), "{}: kind {kind}", path.display());
                continue;
            };
            let spec = &schema["properties"]["spec"];
            let unknown = unknown_member(&manifest["spec"], spec, "spec");
            assert_eq!(unknown, None, "{}: {kind} {}", path.display(), manifest["metadata"]["name"]);
            checked += 1;
        }
    }
    assert!(checked > 8, "{checked} manifests");
}

// === reasons ===

/// Collects the reasons that code constructs: `Reason::X` as a value, neither in a pattern nor only compared with.
#[derive(Default)]
struct Constructed {
    reasons: BTreeSet<String>,
}

fn reason_of(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Path(path) => reason_in(path),
        Expr::Reference(reference) => reason_of(&reference.expr),
        Expr::MethodCall(call) => reason_of(&call.receiver),
        _ => None,
    }
}

fn reason_in(path: &ExprPath) -> Option<String> {
    let segments: Vec<_> = path.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    match segments.as_slice() {
        [.., type_, variant] if type_ == "Reason" => Some(variant.clone()),
        _ => None,
    }
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    })
}

impl<'ast> Visit<'ast> for Constructed {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if !is_test(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_pat(&mut self, _: &'ast syn::Pat) {}

    fn visit_expr_path(&mut self, path: &'ast ExprPath) {
        self.reasons.extend(reason_in(path));
    }

    fn visit_expr_binary(&mut self, binary: &'ast syn::ExprBinary) {
        let compares = matches!(binary.op, syn::BinOp::Eq(_) | syn::BinOp::Ne(_));
        for side in [&binary.left, &binary.right] {
            if !(compares && reason_of(side).is_some()) {
                self.visit_expr(side);
            }
        }
    }

    /// A list of nothing but reasons is one to look up in.
    fn visit_expr_array(&mut self, array: &'ast syn::ExprArray) {
        if !array.elems.iter().all(|element| reason_of(element).is_some()) {
            visit::visit_expr_array(self, array);
        }
    }

    fn visit_macro(&mut self, invocation: &'ast syn::Macro) {
        if invocation.path.is_ident("matches") {
            return;
        }
        if let Ok(values) = invocation.parse_body_with(Punctuated::<Expr, Token![,]>::parse_terminated) {
            for value in &values {
                let mut within = Constructed::default();
                within.visit_expr(value);
                self.reasons.extend(within.reasons);
            }
        }
    }
}

fn constructed_in(source: &str) -> BTreeSet<String> {
    let mut found = Constructed::default();
    found.visit_file(&syn::parse_file(source).unwrap());
    found.reasons
}

/// In the code, apart from the declaration, the documentation and tests.
fn constructed() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for path in files("src", "rs") {
        let relative = path.strip_prefix(root()).unwrap();
        let is_code = !relative.starts_with("src/api/reasons.rs")
            && !relative.starts_with("src/cli/docs")
            && !relative.iter().any(|part| part == "tests" || part == "tests.rs");
        if is_code {
            found.extend(constructed_in(&fs::read_to_string(&path).unwrap()));
        }
    }
    found
}

#[test]
fn every_reason_is_constructed_somewhere() {
    let constructed = constructed();
    let unused: Vec<_> = Reason::ALL.iter().filter(|reason| !constructed.contains(reason.as_str())).collect();
    assert!(unused.is_empty(), "no code constructs {unused:?}: remove them, they come back with their kind");
}

#[test]
fn documents_name_only_reasons_that_exist() {
    let definitions =
        files("crds", "yaml").into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap()));
    let mut named = 0;
    for (path, text) in documents().into_iter().chain(definitions) {
        let words: Vec<_> = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '/').collect();
        for word in words {
            let Some((type_, reason)) = word.split_once('/') else { continue };
            let status = ["True", "False", "Unknown"].contains(&type_);
            if status || ConditionType::ALL.iter().any(|known| known.as_str() == type_) {
                assert!(Reason::from_word(reason).is_some(), "{}: {word}", path.display());
                named += 1;
            }
        }
    }
    assert!(named > 5, "{named} reasons are named");
}

#[test]
fn only_constructed_reasons_count() {
    let constructed = [
        "fn f() -> Reason { Reason::A }",
        "fn f() { blocked(o, api::Reason::A, text) }",
        "const T: &[(&str, Reason)] = &[(\"DCS.1\", Reason::A)];",
        "fn f(c: Class) -> Reason { match c { Class::X => Reason::A } }",
        "fn f() { vec![Reason::A] }",
    ];
    for source in constructed {
        assert_eq!(constructed_in(source), BTreeSet::from(["A".to_owned()]), "{source}");
    }
    for source in [
        "fn f(r: Reason) { match r { Reason::A => {} } }",
        "fn f(r: Reason) -> bool { r == Reason::A }",
        "fn f(r: &str) -> bool { r != Reason::A.as_str() }",
        "fn f(r: Reason) -> bool { matches!(r, Reason::A | Reason::B) }",
        "fn f(r: Reason) -> bool { [Reason::A, Reason::B].contains(&r) }",
        "fn f(r: Reason) { if let Reason::A = r {} }",
        "#[cfg(test)] mod tests { fn f() -> Reason { Reason::A } }",
        "fn f() -> Other { Other::A }",
    ] {
        assert_eq!(constructed_in(source), BTreeSet::new(), "{source}");
    }
}
