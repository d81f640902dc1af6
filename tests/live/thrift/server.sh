# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# Apache Thrift: a server and a client generated from users.thrift, one port a transport and protocol.
packages=(thrift-compiler python3-thrift)
filter='tcp portrange 9090-9091'
settings='  - {type: thrift, ports: [9090], transport_type: framed}
  - {type: thrift, ports: [9091], transport_type: socket}'

serve() {
  thrift --gen py -out "$PWD" "$live/thrift/users.thrift"
  export PYTHONPATH=$PWD
  start framed ip netns exec "$server" $python "$live/thrift/server.py" framed 9090
  start unframed ip netns exec "$server" $python "$live/thrift/server.py" unframed 9091
  wait_port tcp 9090 20 framed
  wait_port tcp 9091 20 unframed
}
