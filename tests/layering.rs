// SPDX-License-Identifier: Apache-2.0
//! The shape of the source: which part uses which, where unsafe code stands, the files of protocols and outputs, lengths, licence.
//!
//! Limit: paths are read from the text, line by line, without comments; a path made by a macro is not seen.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use support::project;

/// What each folder of `src/` may use of the others. Tests beside the code may use what they like.
const LAYERS: &[(&str, &[&str])] = &[
    ("arch", &[]),
    ("wire", &[]),
    ("event", &[]),
    ("stream", &[]),
    ("config", &[]),
    ("flow", &["arch", "wire", "event"]),
    ("processors", &["config", "event", "flow", "wire"]),
    ("protocols", &["config", "event", "flow", "stream", "wire"]),
    ("capture", &["flow", "wire"]),
    ("telemetry", &["config"]),
    ("outputs", &["config", "event", "processors", "telemetry"]),
    ("pipeline", ALL_BUT_RUN),
    ("web", ALL_BUT_RUN),
    ("anomaly", &["config", "event"]),
    ("bench", BENCH),
    ("preflight", &["cli"]),
    ("cli", &["config", "telemetry"]),
];

const ALL_BUT_RUN: &[&str] = &[
    "anomaly",
    "arch",
    "capture",
    "config",
    "event",
    "flow",
    "outputs",
    "processors",
    "protocols",
    "stream",
    "telemetry",
    "wire",
];

/// The harness measures workers from outside; `run` starts them for it.
const BENCH: &[&str] = &["capture", "cli", "config", "event", "outputs", "pipeline", "protocols", "wire"];

const MAXIMUM_LINES: usize = 800;

#[test]
fn imports_point_one_way() {
    let mut strays = Vec::new();
    for (path, text) in sources("src") {
        let module = module_of(&path);
        let Some((layer, allowed)) = LAYERS.iter().find(|(layer, _)| *layer == module[0]) else { continue };
        if is_test(&path) {
            continue;
        }
        for used in used_paths(&module, &text) {
            let folder = used[0].as_str();
            let is_folder = project().join("src").join(folder).is_dir();
            if is_folder && folder != *layer && !allowed.contains(&folder) {
                strays.push(format!("{} uses {}", path.display(), used.join("::")));
            }
        }
    }
    assert!(strays.is_empty(), "imports that design.md does not allow:\n{}", strays.join("\n"));
}

#[test]
fn every_folder_has_its_layer() {
    for folder in folders("src") {
        let known = folder == "run" || LAYERS.iter().any(|(layer, _)| *layer == folder);
        assert!(known, "src/{folder} is not in the table of this test: what may it use?");
    }
}

#[test]
fn protocols_do_not_know_each_other() {
    independent("protocols");
}

#[test]
fn outputs_do_not_know_each_other() {
    independent("outputs");
}

#[test]
fn protocol_folders_have_the_same_files() {
    for folder in parts("protocols") {
        for file in ["mod.rs", "config.rs", "event.rs", "parser.rs", "fields.yml"] {
            let path = project().join("src/protocols").join(&folder).join(file);
            assert!(path.is_file(), "src/protocols/{folder} has no {file}");
        }
        let has_tests = ["tests.rs", "tests/mod.rs"]
            .iter()
            .any(|file| project().join("src/protocols").join(&folder).join(file).is_file());
        assert!(has_tests, "src/protocols/{folder} has no tests");
    }
}

#[test]
fn output_folders_have_the_same_files() {
    for folder in parts("outputs") {
        let has = |file: &str| project().join("src/outputs").join(&folder).join(file).is_file();
        assert!(has("tests.rs") || has("tests/mod.rs"), "src/outputs/{folder} has no tests");
        // A folder with settings of its own is a sink's.
        if has("config.rs") {
            assert!(has("sink.rs"), "src/outputs/{folder} has no sink.rs");
        }
    }
}

#[test]
fn unsafe_code_stands_where_it_may() {
    for (path, text) in sources("src").into_iter().chain(sources("tests")).chain(sources("dpdk-config")) {
        let place = path.to_string_lossy();
        let may = ["src/capture/", "src/arch/", "dpdk-config/dpdk-sys/"].iter().any(|may| place.starts_with(may));
        // A test that counts what is allocated is an allocator.
        if may || ["tests/allocations.rs", "tests/soak.rs"].contains(&&*place) {
            continue;
        }
        for (number, line) in code_lines(&text) {
            let stray = words(line).any(|word| word == "unsafe");
            assert!(!stray, "{place}:{number}: unsafe code: {line}");
        }
    }
}

#[test]
fn files_are_not_too_long() {
    let long: Vec<String> = sources("src")
        .into_iter()
        .filter(|(path, _)| !is_test(path))
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > MAXIMUM_LINES)
        .map(|(path, lines)| format!("{}: {lines} lines", path.display()))
        .collect();
    assert!(long.is_empty(), "files of more than {MAXIMUM_LINES} lines:\n{}", long.join("\n"));
}

#[test]
fn every_file_names_its_licence() {
    let folders = ["src", "tests", "dpdk-config"];
    let without: Vec<String> = folders
        .into_iter()
        .flat_map(sources)
        .filter(|(_, text)| text.lines().next() != Some("// SPDX-License-Identifier: Apache-2.0"))
        .map(|(path, _)| path.display().to_string())
        .collect();
    assert!(without.is_empty(), "the first line is not the licence's: {without:?}");
}

/// Fails when a folder below this one uses another.
fn independent(parent: &str) {
    let folders: BTreeSet<String> = parts(parent).into_iter().collect();
    for (path, text) in sources(&format!("src/{parent}")) {
        let module = module_of(&path);
        let Some(own) = module.get(1).filter(|folder| folders.contains(*folder)) else { continue };
        for used in used_paths(&module, &text) {
            let stray = used.len() > 1 && used[0] == parent && used[1] != *own && folders.contains(&used[1]);
            assert!(!stray, "{} uses {}", path.display(), used.join("::"));
        }
    }
}

/// Paths from the crate's root that a file names: `crate::a::b`, groups of `use`, and chains of `super`.
fn used_paths(module: &[String], text: &str) -> Vec<Vec<String>> {
    let code: String = code_lines(text).map(|(_, line)| format!("{line}\n")).collect();
    let mut found = Vec::new();
    for (start, _) in code.match_indices("crate::").filter(|(start, _)| !preceded_by_word(&code, *start)) {
        expand(&code[start + "crate::".len()..], &mut Vec::new(), &mut found);
    }
    for (start, _) in code.match_indices("super::").filter(|(start, _)| !preceded_by_word(&code, *start)) {
        let mut rest = &code[start..];
        let mut base = module.to_vec();
        while let Some(after) = rest.strip_prefix("super::") {
            base.pop();
            rest = after;
        }
        expand(rest, &mut base, &mut found);
    }
    // A path to the crate's root, or inside `mod tests { … }`, says nothing.
    found.retain(|path| !path.is_empty());
    found
}

/// Whether the match is the end of a longer path or word (`pub(crate)`, `super::super::`, `$crate::`).
fn preceded_by_word(code: &str, start: usize) -> bool {
    code[..start].chars().next_back().is_some_and(|before| before.is_alphanumeric() || "_:$".contains(before))
}

/// Reads one path or group and adds every full path.
fn expand(text: &str, base: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    let depth = base.len();
    let mut rest = text.trim_start();
    loop {
        if let Some(group) = rest.strip_prefix('{') {
            let mut level = 1;
            let mut item = String::new();
            for letter in group.chars() {
                match letter {
                    '{' => level += 1,
                    '}' => level -= 1,
                    _ => {}
                }
                if level == 0 || level == 1 && letter == ',' {
                    if !item.trim().is_empty() {
                        expand(&item, base, found);
                    }
                    item.clear();
                    if level == 0 {
                        break;
                    }
                } else {
                    item.push(letter);
                }
            }
            break;
        }
        let word: String = rest.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
        if !word.is_empty() && word != "self" {
            base.push(word.clone());
        }
        rest = &rest[word.len()..];
        match rest.strip_prefix("::") {
            Some(after) if !word.is_empty() => rest = after,
            _ => {
                found.push(base.clone());
                break;
            }
        }
    }
    base.truncate(depth);
}

/// Lines without comments and outside `#[cfg(test)] mod … { }` in the same file, with their numbers.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(number, line)| (number + 1, line.split("//").next().unwrap_or_default()))
        .filter(|(_, line)| !line.trim().is_empty())
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    let outside_text = line.split('"').step_by(2);
    outside_text.flat_map(|part| part.split(|letter: char| !letter.is_alphanumeric() && letter != '_'))
}

/// `src/flow/key.rs` is flow::key; `src/flow/mod.rs` is flow.
fn module_of(path: &Path) -> Vec<String> {
    let inside = path.strip_prefix("src").unwrap_or(path).with_extension("");
    let mut parts: Vec<String> = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    parts
}

/// Tests beside the code, and what only they use: modules that their parent declares under `#[cfg(test)]`.
fn is_test(path: &Path) -> bool {
    let module = module_of(path);
    let mut above = path.parent().unwrap_or(Path::new("")).to_path_buf();
    let mut child = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    if child == "mod" {
        child = module.last().cloned().unwrap_or_default();
        above.pop();
    }
    let parents = [above.join("mod.rs"), above.with_extension("rs"), above.join("lib.rs")];
    let declared_for_tests = parents.iter().any(|parent| {
        let Ok(text) = std::fs::read_to_string(project().join(parent)) else { return false };
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        lines.windows(2).any(|pair| {
            pair[0] == "#[cfg(test)]"
                && [format!("mod {child};"), format!("pub mod {child};")].iter().any(|m| pair[1] == m)
        })
    });
    declared_for_tests || module.iter().any(|part| part == "tests")
}

/// Every Rust file below a folder, by its path from the project.
fn sources(folder: &str) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(project().join(&folder)).expect("a folder of the project") {
            let name = entry.expect("a folder can be read").file_name();
            let path = folder.join(&name);
            if project().join(&path).is_dir() {
                if name != "target" && name != "node_modules" {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(project().join(&path)).expect("a source is text");
                found.insert(path, text);
            }
        }
    }
    assert!(!found.is_empty(), "{folder} has no sources");
    found
}

/// The protocols or the outputs: folders with a `mod.rs`. Other folders belong to the file of their name beside them.
fn parts(parent: &str) -> Vec<String> {
    let mut parts = folders(&format!("src/{parent}"));
    parts.retain(|part| project().join("src").join(parent).join(part).join("mod.rs").is_file());
    assert!(!parts.is_empty(), "src/{parent} has no parts");
    parts
}

/// Names of the folders in a folder, those of tests left out.
fn folders(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(project().join(folder)).expect("a folder of the project");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("a folder can be read"))
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name != "tests")
        .collect();
    names.sort();
    names
}
