// SPDX-License-Identifier: Apache-2.0
//! What the program refuses: one sentence on stderr that begins with `Exiting: `, status 1, nothing half-written.
//!
//! Limit: refusals that need a NIC are not here. Without root the cases that give rights up run as the calling user.

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use support::program::{Outcome, Program};
use support::project;

const FILE_OUTPUT: &str = "output.file: {path: out, filename: events}\n";

/// One refusal.
struct Refusal {
    name: &'static str,
    /// All settings but the output, which is a file unless they name one.
    settings: &'static str,
    arguments: &'static [&'static str],
    /// Words of the sentence: what was found, and where.
    says: &'static [&'static str],
}

const REFUSALS: &[Refusal] = &[
    Refusal {
        name: "YAML that does not parse",
        settings: "packetbeat:\n  protocols: [\n  flows: }\n",
        arguments: RECORDED,
        says: &["wirebeat.yml:3", "YAML"],
    },
    Refusal {
        name: "a text for a number",
        settings: "packetbeat.protocols:\n- type: http\n  ports: [web]\n",
        arguments: RECORDED,
        says: &["wirebeat.yml", ":3", "packetbeat.protocols", "ports", "web"],
    },
    Refusal {
        name: "a number out of range",
        settings: "packetbeat.protocols:\n- type: http\n  ports: [70000]\n",
        arguments: RECORDED,
        says: &["wirebeat.yml", "ports", "70000"],
    },
    Refusal {
        name: "a list for a map",
        settings: "packetbeat.flows: [1, 2]\n",
        arguments: RECORDED,
        says: &["wirebeat.yml", "packetbeat.flows"],
    },
    Refusal {
        name: "a duration without a unit",
        settings: "packetbeat.flows.timeout: soon\n",
        arguments: RECORDED,
        says: &["wirebeat.yml", "packetbeat.flows.timeout", "soon"],
    },
    Refusal {
        name: "a port with two owners",
        settings: "packetbeat.protocols:\n- {type: http, ports: [3306]}\n- {type: mysql, ports: [3306]}\n",
        arguments: RECORDED,
        says: &["duplicate port (3306) exists in http and mysql protocols"],
    },
    Refusal {
        name: "a variable that is not there",
        settings: "packetbeat.flows.timeout: ${WIREBEAT_NOT_THERE}\n",
        arguments: RECORDED,
        says: &["wirebeat.yml", "WIREBEAT_NOT_THERE"],
    },
    Refusal {
        name: "an output that nobody knows",
        settings: "output.carrier_pigeon: {hosts: [loft]}\n",
        arguments: RECORDED,
        says: &["carrier_pigeon"],
    },
    Refusal {
        name: "two outputs",
        settings: "output.console: {}\noutput.file: {path: out}\n",
        arguments: RECORDED,
        says: &["console", "file"],
    },
    Refusal {
        name: "no output",
        settings: "output: {}\n",
        arguments: RECORDED,
        says: &["no output is enabled", "output.elasticsearch.hosts"],
    },
    Refusal {
        name: "a file that is not there",
        settings: "",
        arguments: &["-I", "absent.pcap"],
        says: &["absent.pcap"],
    },
    Refusal { name: "a folder", settings: "", arguments: &["-I", "folder"], says: &["folder", "directory"] },
    Refusal {
        name: "a file of another kind",
        settings: "",
        arguments: &["-I", "notes.txt"],
        says: &["notes.txt", "unknown file format"],
    },
    Refusal { name: "an empty file", settings: "", arguments: &["-I", "zero.pcap"], says: &["zero.pcap"] },
    Refusal { name: "half a file header", settings: "", arguments: &["-I", "half.pcap"], says: &["half.pcap"] },
    Refusal {
        name: "a link type that is not read",
        settings: "",
        arguments: &["-I", "link.pcap"],
        says: &["link.pcap", "link type"],
    },
    Refusal {
        name: "a kernel interface that is not there",
        settings: "packetbeat.interfaces.device: nosuch9\n",
        arguments: &[],
        says: &["nosuch9"],
    },
    Refusal {
        name: "a kernel interface that is not there, through DPDK",
        settings: "packetbeat.interfaces.device: \"net_af_packet0,iface=nosuch9\"\n",
        arguments: &[],
        says: &["net_af_packet0,iface=nosuch9"],
    },
    Refusal {
        name: "a NIC that is not there",
        settings: "packetbeat.interfaces.device: \"0000:ff:1f.7\"\n",
        arguments: &[],
        says: &["0000:ff:1f.7"],
    },
    Refusal {
        name: "a driver that nobody knows",
        settings: "packetbeat.interfaces: {type: dpdk, device: net_dream0}\n",
        arguments: &[],
        says: &["net_dream0"],
    },
    Refusal {
        name: "a capture for the pcap driver that is not there",
        settings: "packetbeat.interfaces.device: \"net_pcap0,rx_pcap=absent.pcap\"\n",
        arguments: &[],
        says: &["absent.pcap"],
    },
    Refusal {
        name: "a filter that does not compile",
        settings: "packetbeat.interfaces: {device: net_null0, bpf_filter: \"tcp prot 80\"}\n",
        arguments: &[],
        says: &["bpf_filter", "tcp prot 80"],
    },
    Refusal {
        name: "a filter that does not compile, for a kernel interface",
        settings: "packetbeat.interfaces: {type: af_packet, device: lo, bpf_filter: \"tcp prot 80\"}\n",
        arguments: &[],
        says: &["bpf_filter", "tcp prot 80"],
    },
    Refusal {
        name: "a filter that does not compile, for a file",
        settings: "packetbeat.interfaces: {bpf_filter: \"tcp prot 80\"}\nwirebeat.filter_files: true\n",
        arguments: RECORDED,
        says: &["wirebeat.yml:1", "bpf_filter", "syntax error"],
    },
    Refusal {
        name: "a fanout group of another backend",
        settings: "packetbeat.interfaces: {type: pcap, device: lo, fanout_group: 7}\n",
        arguments: &[],
        says: &["fanout_group is only valid with af_packet type"],
    },
    Refusal {
        name: "the same device twice",
        settings: "packetbeat.interfaces:\n- {device: eth0, snaplen: 100}\n- {device: eth0, snaplen: 200}\n",
        arguments: &[],
        says: &["duplicated device configurations: eth0"],
    },
    Refusal {
        name: "a source of a kind that nobody knows",
        settings: "packetbeat.interfaces: {type: telepathy, device: eth0}\n",
        arguments: &[],
        says: &["type", "telepathy"],
    },
    Refusal {
        name: "more packet buffers than memory",
        settings: "packetbeat.interfaces.device: net_null0\nwirebeat.dpdk: {mbufs: 300000, memory_mb: 64}\n",
        arguments: &[],
        says: &["300000", "64 MB", "wirebeat.dpdk.mbufs"],
    },
    Refusal {
        name: "an argument that EAL does not take",
        settings: "packetbeat.interfaces.device: net_null0\nwirebeat.dpdk.eal_arguments: [\"--no-such-argument\"]\n",
        arguments: &[],
        says: &["DPDK"],
    },
    Refusal { name: "a flag that nobody knows", settings: "", arguments: &["--colour"], says: &["--colour"] },
    Refusal { name: "a command that nobody knows", settings: "", arguments: &["dance"], says: &["dance"] },
];

const RECORDED: &[&str] = &["-t", "-I", "dns.pcap"];

#[test]
fn refusals() {
    let mut wrong = Vec::new();
    for refusal in REFUSALS {
        let program = program(refusal.settings).arguments(refusal.arguments);
        let outcome = program.run(output_for(refusal.settings));
        wrong.extend(complaints(refusal.name, &outcome, refusal.says));
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), REFUSALS.len(), wrong.join("\n"));
}

#[test]
fn no_huge_pages_although_asked_for() {
    let pages = std::fs::read_to_string("/proc/meminfo").expect("Linux has /proc/meminfo");
    let none = pages.lines().any(|line| line.starts_with("HugePages_Total") && line.ends_with(" 0"));
    if !none {
        println!("skipped: this machine has huge pages");
        return;
    }
    let settings =
        "packetbeat.interfaces.device: net_null0\nwirebeat.dpdk.eal_arguments: [\"--in-memory\", \"--huge-unlink\"]\n";
    let outcome = program(settings).run(FILE_OUTPUT);
    check("no huge pages", &outcome, &["--in-memory", "huge pages", "vm.nr_hugepages"]);
}

#[test]
fn no_permission_for_an_interface() {
    for (name, interface, says) in [
        ("DPDK", "{device: \"net_af_packet0,iface=lo\"}", &["net_af_packet0,iface=lo"][..]),
        ("a packet socket", "{type: af_packet, device: lo}", &["lo", "CAP_NET_RAW"]),
        ("libpcap", "{type: pcap, device: lo}", &["lo", "ermission"]),
    ] {
        let settings = format!("packetbeat.interfaces: {interface}\n");
        let outcome = without_rights(program(&settings)).run(FILE_OUTPUT);
        check(&format!("no permission for {name}"), &outcome, says);
    }
}

#[test]
fn a_capture_that_may_not_be_read() {
    let program = program("").arguments(&["-t", "-I", "secret.pcap"]);
    let secret = program.home().join("secret.pcap");
    std::fs::copy(recorded(), &secret).expect("a recorded capture can be copied");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o0)).expect("a mode can be set");
    let outcome = without_rights(program).run(FILE_OUTPUT);
    check("an unreadable capture", &outcome, &["secret.pcap", "ermission denied"]);
}

#[test]
fn a_configuration_that_may_not_be_read() {
    let program = without_rights(program(""));
    let file = program.home().join("secret.yml");
    std::fs::write(&file, FILE_OUTPUT).expect("the temporary folder is writable");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o0)).expect("a mode can be set");
    check("an unreadable configuration", &program.start(&file), &["secret.yml", "ermission denied"]);
}

#[test]
fn a_configuration_that_others_may_write() {
    let program = program("");
    let file = program.home().join("open.yml");
    std::fs::write(&file, FILE_OUTPUT).expect("the temporary folder is writable");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).expect("a mode can be set");
    check("a configuration that others may write", &program.start(&file), &["open.yml", "writable"]);
}

#[test]
fn an_output_folder_that_cannot_be_made() {
    let program = without_rights(program("")).arguments(RECORDED);
    let outcome = program.run("output.file: {path: /proc/nowhere/out}\n");
    check("an output folder that cannot be made", &outcome, &["/proc/nowhere/out"]);
}

#[test]
fn a_server_that_is_not_there_is_waited_for() {
    // Two requests to stop, the first while it waits: no file is given up before.
    let stop = "\"$@\" & program=$!; sleep 2; kill -TERM $program; sleep 1; kill -TERM $program; wait $program";
    let program = program("").arguments(&["-e"]).arguments(RECORDED).through(&["sh", "-c", stop, "sh"]);
    let outcome = program.run("output.elasticsearch.hosts: [\"127.0.0.1:9\"]\n");
    assert!(!outcome.hung, "it does not end: {}", outcome.stderr);
    let warning = outcome.stderr.lines().find(|line| line.contains("127.0.0.1:9") && !line.contains("\"info\""));
    assert!(warning.is_some(), "it does not say for what it waits: {}", outcome.stderr);
    assert!(!outcome.stderr.contains("a balance does not hold"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains(", 0 acknowledged, "), "nothing was acknowledged: {}", outcome.stderr);
}

#[test]
fn a_capture_that_ends_in_the_middle_keeps_its_events() {
    let whole = std::fs::read(recorded()).expect("a recorded capture");
    for cut in [1, 7, 17, 100] {
        let program = program("").arguments(&["-e", "-t", "-I", "cut.pcap"]);
        std::fs::write(program.home().join("cut.pcap"), &whole[..whole.len() - cut]).expect("the folder is writable");
        let outcome = program.run_into_file();
        assert_eq!(outcome.code, Some(1), "{cut} bytes cut off: {}", outcome.stderr);
        assert!(sentences(&outcome).iter().any(|line| line.starts_with("Exiting: ") && line.contains("cut.pcap")));
        assert!(outcome.events.len() > 5, "what came before is published: {}", outcome.events.len());
        assert!(!outcome.stderr.contains("a balance does not hold"), "{}", outcome.stderr);
    }
}

fn recorded() -> PathBuf {
    project().join("tests/recorded/dns/types.pcap")
}

/// A run in a folder with the files that the cases name.
fn program(settings: &str) -> Program {
    let protocols = if settings.contains("packetbeat.protocols") {
        ""
    } else {
        "packetbeat.protocols: [{type: dns, ports: [53]}]\n"
    };
    let settings =
        if settings.contains("  protocols: [") { settings.to_string() } else { format!("{settings}{protocols}") };
    let program = Program::new(&settings).inside();
    let whole = std::fs::read(recorded()).expect("a recorded capture");
    let mut other_link = whole.clone();
    other_link[20..24].copy_from_slice(&147_u32.to_le_bytes());
    let files: [(&str, &[u8]); 5] = [
        ("dns.pcap", &whole),
        ("notes.txt", b"These are notes, and long enough to be taken for a header of something."),
        ("zero.pcap", b""),
        ("half.pcap", &whole[..13]),
        ("link.pcap", &other_link),
    ];
    for (name, bytes) in files {
        std::fs::write(program.home().join(name), bytes).expect("the temporary folder is writable");
    }
    std::fs::create_dir(program.home().join("folder")).expect("the temporary folder is writable");
    program
}

fn output_for(settings: &str) -> &'static str {
    if settings.contains("output") { "" } else { FILE_OUTPUT }
}

/// Nobody instead of root; the folder becomes nobody's too.
fn without_rights(program: Program) -> Program {
    let own = std::fs::metadata("/proc/self").map(|data| std::os::unix::fs::MetadataExt::uid(&data));
    if own.expect("Linux has /proc") != 0 {
        return program;
    }
    program
        .through(&["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"])
        .owned_by(65_534)
}

fn check(name: &str, outcome: &Outcome, says: &[&str]) {
    let wrong = complaints(name, outcome, says);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn complaints(name: &str, outcome: &Outcome, says: &[&str]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut complain =
        |what: String| wrong.push(format!("{name}: {what}\n    {}", outcome.stderr.trim().replace('\n', "\n    ")));
    if outcome.code != Some(1) {
        complain(format!("ended with {:?}{}", outcome.code, if outcome.hung { ", after the time limit" } else { "" }));
        return wrong;
    }
    let lines = sentences(outcome);
    let [sentence] = lines.as_slice() else {
        complain(format!("{} lines on stderr instead of one", lines.len()));
        return wrong;
    };
    if !sentence.starts_with("Exiting: ") {
        complain("the sentence does not begin with Exiting:".to_string());
    }
    for word in says {
        if !sentence.contains(word) {
            complain(format!("does not say {word:?}"));
        }
    }
    // EAL prints its usage itself.
    if !outcome.stdout.is_empty() && !outcome.stdout.trim_start().starts_with("Usage: wirebeat [options]") {
        complain(format!("wrote to stdout: {}", outcome.stdout));
    }
    let left: Vec<_> = outcome.left.iter().filter(|path| !path.starts_with("logs")).collect();
    if !left.is_empty() {
        complain(format!("left behind: {left:?}"));
    }
    wrong
}

/// Lines of stderr, but for those of the log (JSON) and of DPDK: `EAL: …`, `vdev_probe(): …`, and getopt's in EAL.
fn sentences(outcome: &Outcome) -> Vec<&str> {
    let of_dpdk = |line: &str| {
        line.split_once(':').is_some_and(|(part, rest)| {
            let is_component = part.chars().all(|letter| letter.is_ascii_uppercase() || "_.".contains(letter));
            is_component || part.ends_with("()") || part == "wirebeat" && rest.starts_with(" unrecognized option")
        })
    };
    outcome.stderr.lines().filter(|line| !line.starts_with('{') && !line.is_empty() && !of_dpdk(line)).collect()
}
