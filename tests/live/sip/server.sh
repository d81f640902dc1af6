# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# SIPp as the called side, over UDP and TCP.
packages=(sip-tester)
filter='port 5060'
settings='  - {type: sip, ports: [5060]}'

serve() {
  start called ip netns exec "$server" sipp -sn uas -i "$server_address" -p 5060 -t u1 -nostdin -default_behaviors all,-abortunexp
  start called-tcp ip netns exec "$server" sipp -sn uas -i "$server_address" -p 5060 -t t1 -nostdin -default_behaviors all,-abortunexp
  wait_port udp 5060 20 called
  wait_port tcp 5060 20 called-tcp
}
