// SPDX-License-Identifier: Apache-2.0
//! The program's DHCPv4 events against the logs of clients and servers.

mod recorded_support;

use recorded_support::{Recorded, run};

const PROTOCOLS: &str = "- type: dhcpv4\n";

#[test]
fn every_message_is_an_event_of_its_type() {
    for theme in ["dhclient", "messages", "udhcpc"] {
        let Recorded { events, operations } = run("dhcpv4", theme, PROTOCOLS);
        assert_eq!(events.len(), operations.len(), "{theme}");
        for (operation, event) in operations.iter().zip(&events) {
            let context = format!("{theme}: {operation}\n{event:#}");
            let dhcp = &event["dhcpv4"];
            assert_eq!(dhcp["option"]["message_type"], operation["op"], "{context}");
            let code = if operation["side"] == "client" { "bootrequest" } else { "bootreply" };
            assert_eq!(dhcp["op_code"], code, "{context}");
            if let Some(id) = operation["xid"].as_u64() {
                assert_eq!(dhcp["transaction_id"], format!("0x{id:08x}"), "{context}");
            }
            if let Some(file) = operation["file"].as_str() {
                assert_eq!(dhcp["boot_file_name"].as_str().unwrap_or_default(), file, "{context}");
            }
            if let Some(address) = operation["your_address"].as_str() {
                assert_eq!(dhcp["assigned_ip"].as_str().unwrap_or("0.0.0.0"), address, "{context}");
            }
            assert_eq!(event["status"], "OK", "{context}");
        }
    }
}
