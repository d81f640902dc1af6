// SPDX-License-Identifier: Apache-2.0
//! Runs the program with a configuration of its own in a folder of its own.

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use tempfile::TempDir;

/// A run that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// How a run is started.
pub struct Program {
    home: TempDir,
    configuration: String,
    arguments: Vec<String>,
    wrapper: Vec<String>,
    /// Where the program runs; None: where the test runs.
    directory: Option<PathBuf>,
    /// The program.
    executable: PathBuf,
    /// Who owns the folder and the configuration; None: who runs the test.
    owner: Option<u32>,
}

/// What a run left.
pub struct Outcome {
    /// None: it was ended by a signal, or by the time limit.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub events: Vec<Json>,
    /// Whether the run had to be ended.
    pub hung: bool,
    /// Files that the run made in its folder.
    pub left: Vec<PathBuf>,
}

impl Program {
    /// A run with this configuration, the output aside.
    pub fn new(configuration: &str) -> Program {
        Program {
            home: tempfile::Builder::new().prefix("wirebeat-test").tempdir().expect("a temporary folder can be made"),
            configuration: configuration.to_string(),
            arguments: Vec::new(),
            wrapper: Vec::new(),
            directory: None,
            executable: PathBuf::from(env!("CARGO_BIN_EXE_wirebeat")),
            owner: None,
        }
    }

    pub fn argument(mut self, argument: impl AsRef<Path>) -> Program {
        self.arguments.push(argument.as_ref().to_string_lossy().into_owned());
        self
    }

    pub fn arguments(mut self, arguments: &[&str]) -> Program {
        self.arguments.extend(arguments.iter().map(|argument| argument.to_string()));
        self
    }

    /// A command in front of the program.
    pub fn through(mut self, wrapper: &[&str]) -> Program {
        self.wrapper = wrapper.iter().map(|word| word.to_string()).collect();
        self
    }

    /// A copy of the program, which another user may execute.
    pub fn executing(mut self, copy: &Path) -> Program {
        self.executable = copy.to_path_buf();
        self
    }

    /// Runs inside its own folder.
    pub fn inside(mut self) -> Program {
        self.directory = Some(self.home.path().to_path_buf());
        self
    }

    /// The folder and the configuration belong to this user.
    pub fn owned_by(mut self, user: u32) -> Program {
        self.owner = Some(user);
        self
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn output(&self) -> PathBuf {
        self.home.path().join("out")
    }

    /// Runs with the events going into files of the folder.
    pub fn run_into_file(self) -> Outcome {
        let output = format!(
            "output.file:\n  path: {}\n  filename: events\n  rotate_every_kb: 10000000\n",
            self.output().display()
        );
        self.run(&output)
    }

    /// Runs with these output settings.
    pub fn run(self, output: &str) -> Outcome {
        let file = self.home.path().join("wirebeat.yml");
        std::fs::write(&file, format!("{}{output}", self.configuration)).expect("the temporary folder is writable");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("a mode can be set");
        self.start(&file)
    }

    /// Runs with a configuration file that the caller wrote.
    pub fn start(&self, configuration: &Path) -> Outcome {
        let words = self.wrapper.iter().cloned().chain([self.executable.to_string_lossy().into_owned()]);
        let words: Vec<String> = words.collect();
        let path = |name: &str| self.home.path().join(name);
        let create = |name: &str| File::create(path(name)).expect("the temporary folder is writable");
        let before = files_below(self.home.path());
        let (stdout, stderr) = (create("stdout"), create("stderr"));
        if let Some(owner) = self.owner {
            for path in [self.home.path(), configuration] {
                std::os::unix::fs::chown(path, Some(owner), None).expect("root gives files away");
            }
        }
        let mut child = Command::new(&words[0])
            .args(&words[1..])
            .args(&self.arguments)
            .arg("-c")
            .arg(configuration)
            .arg("--path.home")
            .arg(self.home.path())
            .current_dir(self.directory.as_deref().unwrap_or(Path::new(".")))
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", words[0]));
        let begin = Instant::now();
        let mut hung = false;
        let status = loop {
            match child.try_wait().expect("a child can be waited for") {
                Some(status) => break status,
                None if begin.elapsed() > LIMIT && !hung => {
                    hung = true;
                    child.kill().expect("an own child can be ended");
                }
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        let read = |name: &str| String::from_utf8_lossy(&std::fs::read(path(name)).expect("it was made")).into_owned();
        Outcome {
            code: status.code(),
            stdout: read("stdout"),
            stderr: read("stderr"),
            events: events_of(&self.output()),
            hung,
            left: files_below(self.home.path())
                .into_iter()
                .filter(|path| !before.contains(path) && *path != Path::new("stdout") && *path != Path::new("stderr"))
                .collect(),
        }
    }
}

impl Outcome {
    /// Checks what every good run has: status 0 and balances that hold.
    pub fn assert_good(&self, what: &str) {
        assert!(!self.hung, "{what}: it did not end in {LIMIT:?}\n{}", self.stderr);
        assert_eq!(self.code, Some(0), "{what}: {}", self.stderr);
        assert!(!self.stderr.contains("a balance does not hold"), "{what}: {}", self.stderr);
        assert!(self.stderr.contains(" received, "), "{what}: no balances in the log: {}", self.stderr);
    }

    /// Packets that each worker analysed, from the last line of the log.
    pub fn analysed_by_workers(&self) -> Vec<u64> {
        let line = self.stderr.lines().rev().find_map(|line| line.split_once("workers: [")).map(|(_, rest)| rest);
        let list = line.and_then(|rest| rest.split_once(']')).map(|(list, _)| list);
        let list = list.unwrap_or_else(|| panic!("no workers in the log: {}", self.stderr));
        list.split(", ").map(|number| number.parse().expect("a number of packets")).collect()
    }
}

fn events_of(folder: &Path) -> Vec<Json> {
    let mut events = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return events };
    for entry in entries {
        let text = std::fs::read(entry.expect("a folder can be read").path()).expect("the file was made by this user");
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            events
                .push(serde_json::from_slice(line).unwrap_or_else(|error| {
                    panic!("an event is not JSON: {error}: {}", String::from_utf8_lossy(line))
                }));
        }
    }
    events
}

/// Files below a folder, by their path in it.
fn files_below(top: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![top.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of the test") {
            let path = entry.expect("a folder can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(top).expect("it is below").to_path_buf());
            }
        }
    }
    found
}
