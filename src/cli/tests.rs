// SPDX-License-Identifier: Apache-2.0
//! Tests of commands, flags in every place and form, and refusals.

use super::*;
use crate::telemetry::log::RunEnvironment;

fn parsed(line: &str) -> Result<Invocation, Exit> {
    parse(std::iter::once("wirebeat").chain(line.split_whitespace()).map(OsString::from))
}

fn run(line: &str) -> (RunOptions, Invocation) {
    let invocation = parsed(line).unwrap();
    let Command::Run(options) = &invocation.command else { panic!("{line}: {invocation:?}") };
    (options.clone(), invocation.clone())
}

fn refused(line: &str) -> String {
    let exit = parsed(line).unwrap_err();
    assert_eq!((exit.status, exit.stdout.as_str()), (1, ""), "{line}");
    let last = exit.stderr.lines().last().unwrap_or_default();
    last.strip_prefix("Exiting: ").unwrap_or_else(|| panic!("{line}: {:?}", exit.stderr)).to_owned()
}

#[test]
fn the_line_of_the_conformance_cases() {
    let line = "-e -c packetbeat.yml -I http.pcap -t --strict.perms=false --path.home /h -E output.file.path=/o -E output.file.filename=events";
    let (options, invocation) = run(line);
    assert_eq!(options.file, Some("http.pcap".into()));
    assert_eq!(options.pace, Pace::TopSpeed);
    assert_eq!(options.loops, 1);
    assert_eq!(invocation.sources.files, [PathBuf::from("packetbeat.yml")]);
    assert_eq!(invocation.sources.overrides, ["output.file.path=/o", "output.file.filename=events"]);
    assert_eq!(invocation.sources.permissions, PermissionCheck::Off);
    assert_eq!(invocation.sources.path_flags.home.as_deref(), Some("/h"));
    assert!(invocation.log.to_stderr);
}

#[test]
fn flags_may_stand_before_and_after_the_command() {
    let expected = run("run -E a=1 -I f -E b=2 -e");
    for line in ["-E a=1 run -I f -E b=2 -e", "-E a=1 -I f -E b=2 -e", "-e -E a=1 -I f run -E b=2"] {
        assert_eq!(run(line), expected, "{line}");
    }
    let test = parsed("-c x.yml test -e config -E a=1").unwrap();
    assert_eq!(test.command, Command::TestConfig);
    assert_eq!((test.sources.files.len(), test.sources.overrides.len(), test.log.to_stderr), (1, 1, true));
}

#[test]
fn forms_of_flags() {
    for line in ["-I f", "-If", "-I=f", "--I f", "--I=f"] {
        assert_eq!(run(line).0.file, Some("f".into()), "{line}");
    }
    let (options, invocation) = run("-etN -l 3 --t=true");
    assert!(invocation.log.to_stderr);
    assert_eq!((options.pace, options.publishing, options.loops), (Pace::TopSpeed, Publishing::Off, 3));
    assert_eq!(run("-teI f").0.file, Some("f".into()));
    assert_eq!(run("-E =x -E -y").1.sources.overrides, ["=x", "-y"]);
    assert_eq!(run("-l 0").0.loops, 0);
    assert_eq!(run("-t=false").0.pace, Pace::AsRecorded);
    assert_eq!(run("-t -t=false -t").0.pace, Pace::TopSpeed);
    assert_eq!(run("-O").0.pace, Pace::OneAtATime);
    assert_eq!(run("--dump p --cpuprofile c --memprofile m --httpprof :1").0.dump_prefix, Some("p".into()));
    assert_eq!(run("--strict.perms").1.sources.permissions, PermissionCheck::Strict);
    assert_eq!(run("").1.sources.permissions, PermissionCheck::Strict);
    let (_, invocation) = run("-d a,*,b -v --environment container");
    assert_eq!(invocation.log.selectors, ["a", "*", "b"]);
    assert!(invocation.log.verbose);
    assert_eq!(invocation.log.environment, RunEnvironment::Container);
    // As with Packetbeat, -dump is -d with the selector "ump".
    assert_eq!(run("-dump").1.log.selectors, ["ump"]);
}

#[test]
fn commands() {
    for (line, command) in [
        ("devices", Command::Devices),
        ("test config", Command::TestConfig),
        ("test output -e", Command::TestOutput),
        ("export config", Command::ExportConfig),
        (
            "export template --es.version 8.0.0 --noilm --dir d",
            Command::ExportTemplate(TemplateOptions {
                elasticsearch_version: Some("8.0.0".into()),
                directory: Some("d".into()),
            }),
        ),
        ("export index-pattern --es.version 9.0.0", Command::ExportIndexPattern),
        ("export ilm-policy --dir d", Command::ExportLifecyclePolicy(Some("d".into()))),
        ("setup", Command::Setup),
        ("setup --index-management --enable-all-filesets -e", Command::Setup),
        ("keystore create", Command::Keystore(KeystoreCommand::Create { overwriting: Overwriting::Asked })),
        (
            "-e keystore add KEY --stdin --force",
            Command::Keystore(KeystoreCommand::Add {
                names: vec!["KEY".into()],
                source: SecretSource::Stdin,
                overwriting: Overwriting::Forced,
            }),
        ),
        ("keystore remove A B", Command::Keystore(KeystoreCommand::Remove { names: vec!["A".into(), "B".into()] })),
        ("keystore list", Command::Keystore(KeystoreCommand::List)),
    ] {
        assert_eq!(parsed(line).unwrap().command, command, "{line}");
    }
}

#[test]
fn texts_that_end_the_program_well() {
    for (line, part) in [
        ("version", "wirebeat version 0.1.0 ("),
        ("version -e", "compatible with packetbeat 9.6.0 ["),
        ("-h", "Usage: wirebeat"),
        ("-e --help", "Usage: wirebeat"),
        ("help", "Usage: wirebeat"),
        ("help run", "--httpprof"),
        ("run -h", "--httpprof"),
        ("test", "Usage: wirebeat test"),
        ("export index-template", "Usage: wirebeat export"),
        ("keystore", "Usage: wirebeat keystore"),
        ("completion bash", "complete"),
        ("completion zsh", "#compdef wirebeat"),
    ] {
        let exit = parsed(line).unwrap_err();
        assert_eq!((exit.status, exit.stderr.as_str()), (0, ""), "{line}");
        assert!(exit.stdout.contains(part), "{line}: {}", exit.stdout);
    }
    assert_eq!(version().lines().count(), 1);
    assert!(version().ends_with("(FIPS-distribution: false)\n"));
}

#[test]
fn refusals() {
    for (line, expected) in [
        ("--version", "unknown flag: --version; the command is `wirebeat version`"),
        ("--nothing", "unknown flag: --nothing"),
        ("run -x", "unknown shorthand flag: -x"),
        ("-E", "a value is required for '-E <"),
        ("-I", "a value is required for '-I"),
        ("devices -I f", "unknown shorthand flag: -I"),
        ("capture", "unknown command \"capture\" for \"wirebeat\""),
        ("-l x", "invalid value 'x' for '-l <"),
        ("-l -1", "invalid value '-1' for '-l"),
        ("-e=perhaps", "invalid value 'perhaps'"),
        ("--strict.perms=perhaps", "invalid value 'perhaps'"),
        ("--environment moon", "invalid value 'moon'"),
        ("run more words", "unknown argument: more"),
        ("completion fish", "invalid value 'fish'"),
        ("setup --dashboards", "the command `setup --dashboards` of Packetbeat is not in Wirebeat 0.1.0; "),
        ("setup --index-management --pipelines", "the command `setup --pipelines` of Packetbeat is not in Wirebeat"),
        ("keystore create KEY", "unknown argument: KEY"),
        ("export dashboard --id 1", "the command `export dashboard` of Packetbeat"),
    ] {
        let message = refused(line);
        assert!(message.starts_with(expected), "{line}: {message}");
    }
}

#[test]
fn odd_arguments_never_panic() {
    let mut random = fastrand::Rng::with_seed(3);
    let words = [
        "run",
        "test",
        "config",
        "export",
        "help",
        "-",
        "--",
        "---",
        "-e",
        "-eI",
        "-I",
        "-E",
        "a=b",
        "--path.home",
        "--strict.perms",
        "=",
        "-=",
        "--=",
        "-é",
        "é",
        "",
        "-t=",
        "--t=x",
        "version",
        "-h",
        "keystore",
        "add",
    ];
    for _ in 0..3_000 {
        let length = random.usize(0..6);
        let mut line: Vec<OsString> = vec!["wirebeat".into()];
        line.extend((0..length).map(|_| OsString::from(*random.choice(&words).unwrap())));
        if random.u8(0..8) == 0 {
            line.push(std::os::unix::ffi::OsStringExt::from_vec(b"-E\xff\xfe".to_vec()));
        }
        match parse(line.clone().into_iter()) {
            Ok(_) => {}
            Err(exit) if exit.status == 0 => assert!(!exit.stdout.is_empty(), "{line:?}"),
            Err(exit) => assert!(exit.stderr.starts_with("Exiting: "), "{line:?}: {exit:?}"),
        }
    }
}
