// SPDX-License-Identifier: Apache-2.0
//! `wirebeat keystore create|add|list|remove`, with Packetbeat's words.
//!
//! Limit: without `--stdin` a secret is only asked for on a terminal, where it is not shown.

use std::fmt::Write as _;
use std::io::{BufRead, IsTerminal, Read, Write};
use std::os::fd::AsFd;

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use crate::cli::{KeystoreCommand, Overwriting, SecretSource};
use crate::config::Keystore;

/// Does what was asked; answers what is printed.
pub fn execute(command: &KeystoreCommand, keystore: &Keystore) -> Result<String, String> {
    let stdin = std::io::stdin();
    let hidden = || hidden_line(&stdin);
    execute_with(command, keystore.clone(), &mut stdin.lock(), hidden)
}

/// `input` answers questions and is `--stdin`; `hidden` reads a secret from a terminal.
fn execute_with(
    command: &KeystoreCommand,
    mut keystore: Keystore,
    input: &mut dyn BufRead,
    hidden: impl Fn() -> Result<Vec<u8>, String>,
) -> Result<String, String> {
    let save = |keystore: &Keystore| keystore.save().map_err(|error| error.to_string());
    match command {
        KeystoreCommand::Create { overwriting } => {
            let asks = keystore.is_written() && *overwriting == Overwriting::Asked;
            if asks && !confirmed("A keystore already exists, Overwrite? [Y/n]: ", true, input) {
                return Ok("Exiting without creating keystore.\n".to_string());
            }
            save(&Keystore::at(keystore.path()))?;
            Ok("Created packetbeat keystore\n".to_string())
        }
        KeystoreCommand::Add { names, source, overwriting } => {
            let name = match names.as_slice() {
                [] => return Err("failed to create the secret: no key provided".to_string()),
                [name] => name.trim(),
                _ => {
                    return Err(format!(
                        "could not create secret for: {}, you can only provide one key per invocation",
                        names.join(" ")
                    ));
                }
            };
            let mut said = String::new();
            if !keystore.is_written() {
                let question = "The keystore does not exist. Do you want to create it? [y/N]: ";
                if *overwriting == Overwriting::Asked && !confirmed(question, false, input) {
                    return Err("exiting without creating keystore".to_string());
                }
                said.push_str("Created keystore\n");
            }
            if keystore.get(name).is_some() && *overwriting == Overwriting::Asked {
                if *source == SecretSource::Stdin {
                    return Err(format!(
                        "the settings {name} already exist in the keystore use `--force` to replace it"
                    ));
                }
                if !confirmed(&format!("Setting {name} already exists, Overwrite? [y/N]: "), false, input) {
                    return Ok("Exiting without modifying keystore.\n".to_string());
                }
            }
            let secret = match source {
                SecretSource::Stdin => all_of(input)?,
                SecretSource::Terminal => {
                    ask(&format!("Enter value for {name}: "));
                    hidden()?
                }
            };
            keystore.insert(name, secret);
            save(&keystore)?;
            said.push_str("Successfully updated the keystore\n");
            Ok(said)
        }
        KeystoreCommand::Remove { names } if names.is_empty() => {
            Err("you must supply at least one key to remove".to_string())
        }
        KeystoreCommand::Remove { .. } if !keystore.is_written() => {
            Err("the keystore doesn't exist. Use the 'create' command to create one".to_string())
        }
        KeystoreCommand::Remove { names } => {
            let mut said = String::new();
            for name in names.iter().map(|name| name.trim()) {
                if !keystore.remove(name) {
                    print!("{said}");
                    return Err(format!("could not find key '{name}' in the keystore"));
                }
                save(&keystore)?;
                // Writing to a string cannot fail.
                let _ = writeln!(said, "successfully removed key: {name}");
            }
            Ok(said)
        }
        KeystoreCommand::List => Ok(keystore.names().map(|name| format!("{name}\n")).collect()),
    }
}

/// Asks a question whose answer is yes or no; an empty line is the default, no line at all is no.
fn confirmed(question: &str, default: bool, input: &mut dyn BufRead) -> bool {
    ask(question);
    let mut line = String::new();
    match Read::take(input, LONGEST_ANSWER_BYTES).read_line(&mut line) {
        Ok(1..) => match line.trim() {
            "" => default,
            answer => matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes"),
        },
        _ => false,
    }
}

const LONGEST_ANSWER_BYTES: u64 = 1024;
const LONGEST_SECRET_BYTES: u64 = 1 << 20;

fn ask(question: &str) {
    print!("{question}");
    let _ = std::io::stdout().flush();
}

/// All of standard input, without the line break that `echo` adds.
fn all_of(input: &mut dyn BufRead) -> Result<Vec<u8>, String> {
    let mut secret = Vec::new();
    let read = Read::take(input, LONGEST_SECRET_BYTES + 1).read_to_end(&mut secret);
    read.map_err(|error| format!("could not read input from stdin: {error}"))?;
    if secret.len() as u64 > LONGEST_SECRET_BYTES {
        return Err(format!("the secret is longer than {LONGEST_SECRET_BYTES} bytes"));
    }
    Ok(without_line_break(secret))
}

fn without_line_break(mut text: Vec<u8>) -> Vec<u8> {
    for end in [b'\n', b'\r'] {
        text.pop_if(|last| *last == end);
    }
    text
}

/// A line from the terminal, which does not show it.
fn hidden_line(stdin: &std::io::Stdin) -> Result<Vec<u8>, String> {
    if !stdin.is_terminal() {
        return Err("could not read value from the input: it is no terminal, use --stdin".to_string());
    }
    let failed = |error: rustix::io::Errno| format!("could not read value from the input: {error}");
    let before = tcgetattr(stdin.as_fd()).map_err(failed)?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(stdin.as_fd(), OptionalActions::Now, &silent).map_err(failed)?;
    let mut line = Vec::new();
    // The caller holds the lock of standard input, so the descriptor is read.
    let read = rustix::io::dup(stdin.as_fd()).map_err(failed).and_then(|descriptor| {
        let mut terminal = std::io::BufReader::new(std::fs::File::from(descriptor));
        terminal.read_until(b'\n', &mut line).map_err(|error| format!("could not read value from the input: {error}"))
    });
    let restored = tcsetattr(stdin.as_fd(), OptionalActions::Now, &before).map_err(failed);
    println!();
    read.and(restored)?;
    Ok(without_line_break(line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PermissionCheck;

    fn run(keystore: &Keystore, command: &KeystoreCommand, input: &str) -> Result<String, String> {
        let keystore = Keystore::open(keystore.path(), PermissionCheck::Strict).unwrap();
        execute_with(command, keystore, &mut input.as_bytes(), || Ok(b"typed".to_vec()))
    }

    fn add(name: &str, source: SecretSource, overwriting: Overwriting) -> KeystoreCommand {
        KeystoreCommand::Add { names: vec![name.to_string()], source, overwriting }
    }

    #[test]
    fn the_life_of_a_secret() {
        let folder = tempfile::tempdir().unwrap();
        let keystore = Keystore::at(&folder.path().join("packetbeat.keystore"));
        let secret = |name: &str| Keystore::open(keystore.path(), PermissionCheck::Strict).unwrap().get(name);
        let remove =
            |names: &[&str]| KeystoreCommand::Remove { names: names.iter().map(|name| name.to_string()).collect() };
        let (stdin, terminal) = (SecretSource::Stdin, SecretSource::Terminal);
        let (asked, forced) = (Overwriting::Asked, Overwriting::Forced);

        assert_eq!(run(&keystore, &KeystoreCommand::List, ""), Ok(String::new()));
        let absent = run(&keystore, &remove(&["A"]), "");
        assert_eq!(absent, Err("the keystore doesn't exist. Use the 'create' command to create one".to_string()));
        assert_eq!(
            run(&keystore, &add("A", terminal, asked), "n\n"),
            Err("exiting without creating keystore".to_string())
        );
        let created = run(&keystore, &add("A", terminal, asked), "y\n");
        assert_eq!(created, Ok("Created keystore\nSuccessfully updated the keystore\n".to_string()));
        assert_eq!(secret("A").as_deref(), Some("typed"));
        assert!(run(&keystore, &add("A", stdin, asked), "x").is_err_and(|error| error.contains("--force")));
        assert_eq!(
            run(&keystore, &add("A", terminal, asked), "\n"),
            Ok("Exiting without modifying keystore.\n".to_string())
        );
        assert_eq!(
            run(&keystore, &add("A", stdin, forced), "piped\n"),
            Ok("Successfully updated the keystore\n".to_string())
        );
        assert_eq!(secret("A").as_deref(), Some("piped"));
        run(&keystore, &add(" B ", stdin, asked), "two\nlines").unwrap();
        assert_eq!(secret("B").as_deref(), Some("two\nlines"));
        assert_eq!(run(&keystore, &KeystoreCommand::List, ""), Ok("A\nB\n".to_string()));
        assert_eq!(run(&keystore, &remove(&[]), ""), Err("you must supply at least one key to remove".to_string()));
        assert_eq!(run(&keystore, &remove(&["C"]), ""), Err("could not find key 'C' in the keystore".to_string()));
        assert_eq!(run(&keystore, &remove(&["A"]), ""), Ok("successfully removed key: A\n".to_string()));
        assert_eq!(secret("A"), None);

        let create = |overwriting| KeystoreCommand::Create { overwriting };
        let kept = Ok("Exiting without creating keystore.\n".to_string());
        assert_eq!(run(&keystore, &create(asked), "n\n"), kept);
        assert_eq!(run(&keystore, &create(asked), ""), kept, "nobody answers");
        assert_eq!(secret("B").as_deref(), Some("two\nlines"));
        assert_eq!(run(&keystore, &create(asked), "\n"), Ok("Created packetbeat keystore\n".to_string()));
        assert_eq!(secret("B"), None);
        assert_eq!(run(&keystore, &create(forced), ""), Ok("Created packetbeat keystore\n".to_string()));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }
}
