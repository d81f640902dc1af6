# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# dnsmasq, as a server of names that it knows itself.
packages=(dnsmasq-base python3-dnspython)
filter='port 53'
settings='  - {type: dns, ports: [53]}'

serve() {
  local many=() number
  for number in {1..60}; do many+=(--txt-record="many.rec.test,text number $number of many, long enough for an answer over TCP"); done
  start dnsmasq ip netns exec "$server" dnsmasq -k --conf-file=/dev/null --no-resolv --no-hosts --user=root --pid-file="$PWD/dnsmasq-own.pid" \
    --local=/rec.test/ --host-record=www.rec.test,192.0.2.1 --host-record=six.rec.test,192.0.2.6,2001:db8::6 --cname=alias.rec.test,www.rec.test \
    --mx-host=rec.test,mail.rec.test,10 --txt-record=txt.rec.test,hello --srv-host=_sip._udp.rec.test,www.rec.test,5060 --ptr-record=1.2.0.192.in-addr.arpa,www.rec.test "${many[@]}"
  wait_port udp 53 20 dnsmasq
}
