// SPDX-License-Identifier: Apache-2.0
//! Turns the field definitions (`src/event/fields.yml` and `src/protocols/*/fields.yml`) into the field table of
//! `src/event/field.rs`, the index template and the field documentation: a field is declared in one place.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use saphyr::{LoadableYamlNode, Yaml};

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let mut sources = vec![PathBuf::from("src/event/fields.yml")];
    println!("cargo:rerun-if-changed=src/event/fields.yml");
    println!("cargo:rerun-if-changed=src/protocols");
    let mut folders: Vec<PathBuf> = match fs::read_dir("src/protocols") {
        Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
        Err(_) => Vec::new(),
    };
    folders.sort();
    sources.extend(folders.into_iter().map(|folder| folder.join("fields.yml")).filter(|file| file.exists()));

    let mut declarations = Vec::new();
    for source in &sources {
        println!("cargo:rerun-if-changed={}", source.display());
        declarations.extend(read(source));
    }
    let tree = Tree::build(&declarations);
    fs::write(out.join("fields.rs"), tree.rust()).expect("the build folder is writable");
    fs::write(out.join("properties.json"), mapping(&declarations)).expect("the build folder is writable");
    fs::write(out.join("fields.md"), documentation(&declarations)).expect("the build folder is writable");
}

/// One entry of a `fields.yml`.
struct Declaration {
    /// Dotted name; with `literal` the whole name is one key at the root of the event.
    name: String,
    kind: String,
    description: String,
    literal: bool,
    alias: Option<String>,
}

fn read(file: &Path) -> Vec<Declaration> {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let documents = Yaml::load_from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let list =
        documents.first().and_then(Yaml::as_sequence).unwrap_or_else(|| panic!("{}: expected a list", file.display()));
    list.iter()
        .map(|entry| {
            let text = |key: &str| entry.as_mapping_get(key).and_then(Yaml::as_str).map(str::to_string);
            let name = text("name").unwrap_or_else(|| panic!("{}: an entry has no name", file.display()));
            Declaration {
                kind: text("type").unwrap_or_else(|| panic!("{}: {name} has no type", file.display())),
                description: text("description").unwrap_or_default(),
                literal: entry.as_mapping_get("literal").and_then(Yaml::as_bool).unwrap_or(false),
                alias: text("alias"),
                name,
            }
        })
        .collect()
}

/// Kinds whose value is one free-form value: declarations below them only concern the mapping.
fn is_free_form(kind: &str) -> bool {
    matches!(kind, "object" | "nested" | "flattened")
}

#[derive(Default)]
struct Branch {
    children: Vec<(String, Branch)>,
    leaf: bool,
}

struct Tree {
    root: Branch,
}

impl Tree {
    fn build(declarations: &[Declaration]) -> Tree {
        let free_form: Vec<String> =
            declarations.iter().filter(|d| is_free_form(&d.kind)).map(|d| format!("{}.", d.name)).collect();
        let mut root = Branch::default();
        for declaration in declarations {
            if declaration.alias.is_some()
                || free_form.iter().any(|prefix| declaration.name.starts_with(prefix.as_str()))
            {
                continue;
            }
            let parts: Vec<&str> =
                if declaration.literal { vec![&declaration.name] } else { declaration.name.split('.').collect() };
            let mut branch = &mut root;
            for part in parts {
                let position = branch.children.iter().position(|(name, _)| name == part).unwrap_or_else(|| {
                    branch.children.push((part.to_string(), Branch::default()));
                    branch.children.len() - 1
                });
                branch = &mut branch.children[position].1;
            }
            assert!(!branch.leaf, "field {} is declared twice", declaration.name);
            branch.leaf = true;
        }
        Tree { root }
    }

    fn rust(&self) -> String {
        let mut nodes = String::new();
        let mut constants = String::new();
        let mut count = 0u16;
        walk(&self.root, &mut Vec::new(), None, &mut count, &mut nodes, &mut constants);
        format!(
            "/// Every declared field and object, in the order of the nested tree.\n\
             pub static NODES: [StaticNode; {count}] = [\n{nodes}];\n{constants}"
        )
    }
}

fn walk(
    branch: &Branch,
    path: &mut Vec<String>,
    parent: Option<u16>,
    count: &mut u16,
    nodes: &mut String,
    constants: &mut String,
) {
    for (name, child) in &branch.children {
        let id = *count;
        *count += 1;
        path.push(name.clone());
        let full = path.join(".");
        let parent_text = parent.map_or("None".to_string(), |parent| format!("Some({parent})"));
        writeln!(nodes, "    StaticNode {{ key: {name:?}, parent: {parent_text} }},").expect("strings grow");
        let mut constant: String =
            full.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
        // A literal key and a nested field may have the same name; the second says what it is.
        if constants.contains(&format!("pub const {constant}: ")) {
            constant.push_str(if name.contains('.') { "_LITERAL" } else { "_NESTED" });
        }
        writeln!(constants, "/// `{full}`\npub const {constant}: Field = Field({id});").expect("strings grow");
        walk(child, path, Some(id), count, nodes, constants);
        path.pop();
    }
}

/// The `properties` of the index template (Elasticsearch mapping).
fn mapping(declarations: &[Declaration]) -> String {
    #[derive(Default)]
    struct Mapping {
        own: Option<String>,
        children: BTreeMap<String, Mapping>,
    }
    fn write(mapping: &Mapping, out: &mut String) {
        let mut first = true;
        out.push('{');
        if let Some(own) = &mapping.own {
            out.push_str(own);
            first = false;
        }
        if !mapping.children.is_empty() {
            if !first {
                out.push(',');
            }
            out.push_str("\"properties\":{");
            for (index, (name, child)) in mapping.children.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write!(out, "{name:?}:").expect("strings grow");
                write(child, out);
            }
            out.push('}');
        }
        out.push('}');
    }
    let mut root = Mapping::default();
    for declaration in declarations {
        let name = declaration.name.as_str();
        if name.starts_with("@metadata") {
            continue;
        }
        let mut mapping = &mut root;
        for part in name.split('.') {
            mapping = mapping.children.entry(part.to_string()).or_default();
        }
        mapping.own = match (&declaration.alias, declaration.kind.as_str()) {
            (Some(target), _) => Some(format!("\"type\":\"alias\",\"path\":{target:?}")),
            (None, "keyword") => Some("\"type\":\"keyword\",\"ignore_above\":1024".to_string()),
            (None, "object") => Some("\"type\":\"object\"".to_string()),
            (None, "text") => Some("\"type\":\"text\"".to_string()),
            (None, kind @ ("long" | "boolean" | "ip" | "date" | "double")) => Some(format!("\"type\":{kind:?}")),
            (None, kind) => panic!("{name}: type {kind:?} has no mapping"),
        };
    }
    let mut out = String::new();
    write(&root, &mut out);
    out
}

fn documentation(declarations: &[Declaration]) -> String {
    let mut out = String::from(
        "# Fields\n\nMade by `build.rs` from the `fields.yml` files; `wirebeat export fields` prints it.\n\n| field | type | meaning |\n|---|---|---|\n",
    );
    let mut sorted: Vec<&Declaration> = declarations.iter().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    for declaration in sorted {
        let kind = match &declaration.alias {
            Some(target) => format!("alias of `{target}`"),
            None => declaration.kind.clone(),
        };
        writeln!(out, "| `{}` | {kind} | {} |", declaration.name, declaration.description.replace('|', "\\|").trim())
            .expect("strings grow");
    }
    out
}
