// SPDX-License-Identifier: Apache-2.0
//! Tests with the sockets of this very process, and with made-up `/proc` files.

use super::*;
use crate::config::Configuration;
use crate::event::Schema;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::symlink;
use std::time::Instant;

const LOCAL: &str = "127.0.0.1";

fn event(carrier: &'static str, source: (&str, u16), destination: (&str, u16)) -> Event {
    let mut event = Event::new(Arc::new(Schema::new([])));
    event.constant(field::NETWORK_TRANSPORT, carrier);
    event.address(field::SOURCE_IP, source.0.parse().unwrap());
    event.unsigned(field::SOURCE_PORT, source.1.into());
    event.address(field::DESTINATION_IP, destination.0.parse().unwrap());
    event.unsigned(field::DESTINATION_PORT, destination.1.into());
    event
}

fn number(event: &Event, field: Field) -> Option<u64> {
    match event.get(field) {
        Some(Value::Unsigned(number)) => Some(number),
        _ => None,
    }
}

#[test]
fn the_own_process_is_found_by_its_sockets() {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let processes = Processes::start(ProcessSettings::default(), Vec::new());
    let own = Some(u64::from(std::process::id()));

    let mut tcp = event("tcp", ("192.0.2.1", port), (LOCAL, port));
    processes.enrich(&mut tcp, Form::Transaction);
    assert_eq!(number(&tcp, field::DESTINATION_PROCESS_PID), own);
    assert_eq!(number(&tcp, field::PROCESS_PID), own);
    assert_eq!(number(&tcp, field::SOURCE_PROCESS_PID), None, "192.0.2.1 is somebody else's");
    assert!(number(&tcp, field::PROCESS_PARENT_PID).is_some() && number(&tcp, field::PROCESS_PPID).is_none());
    let text = |field| tcp.get(field).and_then(|value| tcp.text_of(value)).map(<[u8]>::to_vec).unwrap_or_default();
    let program = std::env::current_exe().unwrap();
    assert_eq!(text(field::PROCESS_EXECUTABLE), program.as_os_str().as_encoded_bytes());
    assert!(program.file_name().unwrap().as_encoded_bytes().starts_with(&text(field::PROCESS_NAME)));
    let Some(Value::Time(start_ns)) = tcp.get(field::PROCESS_START) else { panic!("no start") };
    let age = jiff::Timestamp::now().as_nanosecond() - i128::from(start_ns);
    assert!((0..3_600_000_000_000).contains(&age), "{age} ns");

    // UDP has ports of its own.
    let mut udp = event("udp", (LOCAL, port), (LOCAL, port));
    processes.enrich(&mut udp, Form::Flow);
    assert!(!udp.has_any(field::PROCESS_PID) || UdpSocket::bind((LOCAL, port)).is_err());
    // A socket that is made later is found soon after somebody asked.
    let socket = UdpSocket::bind((LOCAL, 0)).unwrap();
    let port = socket.local_addr().unwrap().port();
    let begin = Instant::now();
    loop {
        processes.notice(Carrier::Udp, [(LOCAL.parse().unwrap(), port), ("192.0.2.1".parse().unwrap(), 9)]);
        let mut udp = event("udp", (LOCAL, port), ("192.0.2.1", 9));
        processes.enrich(&mut udp, Form::Flow);
        if number(&udp, field::SOURCE_PROCESS_PID) == own {
            assert_eq!(number(&udp, field::PROCESS_PID), own);
            assert!(number(&udp, field::PROCESS_PPID).is_some() && number(&udp, field::PROCESS_PARENT_PID).is_none());
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "it was not read anew");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn names_and_sockets_of_a_made_up_machine() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("stat", "cpu 1\nbtime 1000\n");
    let line = |address: &str, inode: u64| format!("  0: {address} 0:0 0A 0:0 0:0 0 0 0 {inode} 1\n");
    let loopback6 = "00000000000000000000000001000000:0050";
    let mapped = "0000000000000000FFFF00000100007F:0051";
    write("net/tcp", &format!("head\n{}{}nonsense\n", line("0100007F:1F90", 7), line("0100007F:1F91", 0)));
    write("net/tcp6", &format!("head\n{}{}", line(loopback6, 8), line(mapped, 9)));
    let process = |pid: u32, name: &str, arguments: &str, inode: u64| {
        // The numbers behind the name: state, parent, …; the 20th is the start.
        write(&format!("{pid}/stat"), &format!("{pid} ({name}) S 1 {} 250 0\n", "0 ".repeat(17)));
        write(&format!("{pid}/cmdline"), arguments);
        std::fs::create_dir_all(folder.path().join(format!("{pid}/fd"))).unwrap();
        symlink(format!("socket:[{inode}]"), folder.path().join(format!("{pid}/fd/3"))).unwrap();
    };
    process(10, "a) b(", "", 7);
    process(11, "fifteen-letters", "/usr/bin/fifteen-letters-and-more\0-x\0", 8);
    process(12, "python3", "python3\0/srv/shop.py\0", 9);
    write("13/stat", "broken");
    let monitored = vec![Monitored { name: "shop".into(), command_line: "python3 /srv/shop".into() }];
    let table = Refresher::new(folder.path().into(), ProcessSettings { monitored }).read();
    let find = |address: &str, port| table.find(Carrier::Tcp, address.parse().unwrap(), port);
    let first = find(LOCAL, 8080).unwrap();
    assert_eq!((first.name.as_str(), first.pid, first.parent_pid, first.start_ns), ("a) b(", 10, 1, 1_002_500_000_000));
    assert_eq!(find("::1", 80).unwrap().name, "fifteen-letters-and-more");
    assert_eq!(find("::1", 80).unwrap().arguments, ["/usr/bin/fifteen-letters-and-more", "-x"]);
    assert_eq!(find(LOCAL, 81).unwrap().name, "shop");
    assert!(find(LOCAL, 8081).is_none() && find("192.0.2.1", 8080).is_none());
}

#[test]
fn settings_are_packetbeats() {
    let settings = |text: &str| {
        let configuration = Configuration::from_text("test.yml", text).unwrap();
        let packetbeat = configuration.section("packetbeat").unwrap();
        let settings = read(packetbeat.as_ref()).map_err(|error| error.to_string());
        settings.map(|settings| (settings, configuration.unused()))
    };
    assert_eq!(settings("a: 1\n").unwrap().0, None);
    assert_eq!(settings("packetbeat.procs: {monitored: [{process: a}]}\n"), Ok((None, Vec::new())));
    let named = settings("packetbeat.procs: {enabled: true, monitored: [{process: a, cmdline_grep: b}]}\n");
    let monitored = vec![Monitored { name: "a".into(), command_line: "b".into() }];
    assert_eq!(named, Ok((Some(ProcessSettings { monitored }), Vec::new())));
    let refused = settings("packetbeat.procs: {enabled: true, monitored: [{process: a}]}\n").unwrap_err();
    assert!(refused.contains("both process and cmdline_grep"), "{refused}");
}
