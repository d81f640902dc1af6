# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# Apache Thrift: a server and a client generated from users.thrift.
packages=(thrift-compiler python3-thrift)
filter='tcp port 9090'
settings='  - {type: thrift, ports: [9090], transport_type: framed}'

serve() {
  thrift --gen py -out "$PWD" "$live/thrift/users.thrift"
  export PYTHONPATH=$PWD
  start thrift ip netns exec "$server" $python "$live/thrift/server.py" 9090
  wait_port tcp 9090 20 thrift
}
