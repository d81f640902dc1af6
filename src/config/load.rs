// SPDX-License-Identifier: Apache-2.0
//! From the command line to a [`Configuration`]: which files, in which order, with which rights, and the four paths.
//!
//! Precedence as in Beats: built-in defaults, files in the order of `-c`, `-E`, and the `--path.*` flags. A relative
//! `-c` is relative to `path.config`. References are looked for among the settings, in the keystore, in the environment.

use super::error::ConfigError;
use super::expand::{self, Environment, Lookup};
use super::keystore::Keystore;
use super::tree::{Node, Origin, Value};
use super::unused::UsedKeys;
use super::yaml::{self, MAXIMUM_FILE_BYTES};
use super::{Configuration, overrides};
use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What is read when no `-c` is given: the first that is there.
pub const DEFAULT_FILES: [&str; 2] = ["wirebeat.yml", "packetbeat.yml"];

/// Whether the owner and the rights of configuration files are checked (`--strict.perms`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PermissionCheck {
    #[default]
    Strict,
    Off,
}

/// What the command line says about the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// `-c`, in order. Empty: one of [`DEFAULT_FILES`].
    pub files: Vec<PathBuf>,
    /// `-E`, in order.
    pub overrides: Vec<String>,
    /// `--path.home`, `--path.config`, `--path.data` and `--path.logs`.
    pub path_flags: PathFlags,
    pub permissions: PermissionCheck,
}

/// The `--path.*` flags that were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathFlags {
    pub home: Option<String>,
    pub config: Option<String>,
    pub data: Option<String>,
    pub logs: Option<String>,
}

/// The directories that relative names in settings are relative to (`path.*`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paths {
    pub home: PathBuf,
    pub config: PathBuf,
    pub data: PathBuf,
    pub logs: PathBuf,
}

/// Reads, merges and expands the configuration.
pub fn load(sources: &Sources, environment: Environment<'_>) -> Result<Configuration, ConfigError> {
    let directory = configuration_directory(sources, environment)?;
    let mut written = path_defaults();
    let mut warnings = Vec::new();
    for (shown_name, file) in files(sources, &directory)? {
        let text = read(&shown_name, &file, sources.permissions)?;
        let document = yaml::parse(&shown_name, &text)?;
        warnings.extend(document.warnings);
        written.merge(document.root);
    }
    apply_command_line(&mut written, sources)?;
    let keystore = Keystore::open(&keystore_path(&written, environment)?, sources.permissions)?;
    finish(written, warnings, environment, keystore)
}

/// A configuration from text instead of files, for tests and for `-E` alone.
pub fn from_text(name: &str, text: &str, environment: Environment<'_>) -> Result<Configuration, ConfigError> {
    let mut written = path_defaults();
    let document = yaml::parse(name, text.as_bytes())?;
    written.merge(document.root);
    finish(written, document.warnings, environment, Keystore::default())
}

fn finish(
    written: Node,
    warnings: Vec<String>,
    environment: Environment<'_>,
    keystore: Keystore,
) -> Result<Configuration, ConfigError> {
    let expanded = expand::expand(&written, &Lookup { keystore: &keystore, environment });
    let mut configuration =
        Configuration { written, expanded, used: UsedKeys::default(), warnings, paths: Paths::default(), keystore };
    configuration.paths = paths(&configuration)?;
    // It was read before there was a configuration.
    configuration.root().string("keystore.path")?;
    Ok(configuration)
}

/// `keystore.path`, else Packetbeat's own name in `path.data`. Secrets cannot say where they are.
fn keystore_path(written: &Node, environment: Environment<'_>) -> Result<PathBuf, ConfigError> {
    match early_text(written, "keystore.path", environment)?.filter(|path| !path.is_empty()) {
        Some(path) => Ok(PathBuf::from(path)),
        None => {
            let data = early_text(written, "path.data", environment)?.unwrap_or_default();
            Ok(Path::new(&data).join("packetbeat.keystore"))
        }
    }
}

/// Beats sets these before it reads files, so that `${path.data}` works everywhere.
fn path_defaults() -> Node {
    let origin = Origin::named("built-in default");
    let text = |text: &str| Node::new(Value::String(text.to_owned()), origin.clone());
    let home = std::env::current_exe().ok().and_then(|program| program.parent().map(Path::to_path_buf));
    let home = home.unwrap_or_else(|| PathBuf::from("."));
    let paths = vec![
        // A directory may hold a dollar sign, which would be read as a reference.
        ("home".to_owned(), text(&home.to_string_lossy().replace('$', "$$"))),
        ("config".to_owned(), text("${path.home}")),
        ("data".to_owned(), text("${path.home}/data")),
        ("logs".to_owned(), text("${path.home}/logs")),
    ];
    let paths = Node::new(Value::Map(paths), origin.clone());
    Node::new(Value::Map(vec![("path".to_owned(), paths)]), origin.clone())
}

fn apply_command_line(root: &mut Node, sources: &Sources) -> Result<(), ConfigError> {
    for argument in &sources.overrides {
        overrides::apply(root, argument)?;
    }
    let PathFlags { home, config, data, logs } = &sources.path_flags;
    for (name, value) in [("home", home), ("config", config), ("data", data), ("logs", logs)] {
        if let Some(value) = value.as_ref().filter(|value| !value.is_empty()) {
            let node = Node::new(Value::String(value.clone()), Origin::named(&format!("--path.{name}")));
            root.set(&format!("path.{name}"), node)?;
        }
    }
    Ok(())
}

/// `path.config` before any file is read: only the command line can change it.
fn configuration_directory(sources: &Sources, environment: Environment<'_>) -> Result<PathBuf, ConfigError> {
    let mut root = path_defaults();
    apply_command_line(&mut root, sources)?;
    let directory = early_text(&root, "path.config", environment)?;
    Ok(PathBuf::from(directory.unwrap_or_else(|| ".".to_owned())))
}

/// A path that is needed before there is a configuration.
fn early_text(root: &Node, key: &str, environment: Environment<'_>) -> Result<Option<String>, ConfigError> {
    let lookup = Lookup { keystore: &Keystore::default(), environment };
    let Some(node) = expand::expand_at(root, key, &lookup).filter(|node| node.value != Value::Null) else {
        return Ok(None);
    };
    match (&node.value, node.scalar_text()) {
        (_, Some(path)) => Ok(Some(path)),
        (Value::Unresolved(error), _) => Err(ConfigError::clone(error)),
        _ => Err(ConfigError::at(&node.origin, key, format!("found {}, expected a path", node.found()))),
    }
}

/// The files to read: the name for messages, and the path.
fn files(sources: &Sources, directory: &Path) -> Result<Vec<(String, PathBuf)>, ConfigError> {
    if !sources.files.is_empty() {
        let named = sources.files.iter().map(|file| (file.to_string_lossy().into_owned(), directory.join(file)));
        return Ok(named.collect());
    }
    for name in DEFAULT_FILES {
        let file = directory.join(name);
        if file.exists() {
            return Ok(vec![(name.to_owned(), file)]);
        }
    }
    let [first, second] = DEFAULT_FILES;
    Err(ConfigError::new(format!(
        "error loading config file: neither {first} nor {second} is in {}; name a file with -c or a directory with --path.config",
        directory.display()
    )))
}

fn read(name: &str, path: &Path, check: PermissionCheck) -> Result<Vec<u8>, ConfigError> {
    let refuse = |problem: String| ConfigError::new(format!("error loading config file: {problem}"));
    let failed = |error: std::io::Error| refuse(format!("{}: {}", path.display(), io_phrase(&error)));
    // The rights are those of the opened file, so that nobody can exchange it between check and reading.
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.is_dir() {
        return Err(refuse(format!("{} is a directory, expected a file", path.display())));
    }
    if check == PermissionCheck::Strict {
        check_permissions(name, path, &metadata).map_err(refuse)?;
    }
    let mut text = Vec::new();
    // One byte more than is accepted, so that the parser sees that it is too much.
    let limit = MAXIMUM_FILE_BYTES as u64 + 1;
    file.take(limit).read_to_end(&mut text).map_err(failed)?;
    Ok(text)
}

/// The owner must be root or the running user, and nobody else may write (Beats, `--strict.perms`).
fn check_permissions(name: &str, path: &Path, metadata: &Metadata) -> Result<(), String> {
    let file_name = Path::new(name).file_name().unwrap_or(OsStr::new(name)).to_string_lossy();
    let running_user = std::fs::metadata("/proc/self").map(|own| own.uid()).unwrap_or(0);
    if metadata.uid() != 0 && metadata.uid() != running_user {
        return Err(format!(
            "config file (\"{file_name}\") must be owned by the user identifier (uid={running_user}) or root"
        ));
    }
    let mode = metadata.permissions().mode();
    if mode & 0o022 != 0 {
        return Err(format!(
            "config file (\"{file_name}\") can only be writable by the owner but the permissions are \"{}\" (to fix the permissions use: 'chmod go-w {}')",
            mode_text(mode),
            path.display()
        ));
    }
    Ok(())
}

/// Rights as `ls` and Go print them: `-rw-r--r--`.
fn mode_text(mode: u32) -> String {
    let letters = "rwxrwxrwx".chars().enumerate();
    let rights = letters.map(|(index, letter)| if mode & (0o400 >> index) == 0 { '-' } else { letter });
    std::iter::once('-').chain(rights).collect()
}

fn io_phrase(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

fn paths(configuration: &Configuration) -> Result<Paths, ConfigError> {
    let section = configuration.root();
    let read = |key: &str| section.string(key).map(|text| PathBuf::from(text.unwrap_or_default()));
    Ok(Paths {
        home: read("path.home")?,
        config: read("path.config")?,
        data: read("path.data")?,
        logs: read("path.logs")?,
    })
}
