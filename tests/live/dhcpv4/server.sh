# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# dnsmasq as the DHCP server, BusyBox's client.
packages=(dnsmasq-base udhcpc)
filter='port 67 or port 68'
settings='  - {type: dhcpv4, ports: [67, 68]}'

serve() {
  start dnsmasq ip netns exec "$server" dnsmasq -k --port=0 --interface=eth0 --bind-interfaces --dhcp-range=10.77.0.100,10.77.0.200,2m --dhcp-leasefile="$PWD/leases" \
    --dhcp-authoritative --conf-file=/dev/null --user=root --no-ping --log-dhcp --pid-file="$PWD/dnsmasq-own.pid"
  wait_port udp 67 20 dnsmasq
}
