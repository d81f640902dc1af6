# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the live tests share: two hosts joined by a veth, or by a bad wire, and runs of the program beside the server.
# A protocol is tests/live/NAME/server.sh, which sets
#   packages   Debian packages that bring no service
#   settings   its section of packetbeat.protocols
#   filter     what tcpdump records
# and defines `serve` (starts the server in $server, at $server_address) and, where needed, `fetch` (before that, outside);
# and tests/live/NAME/client.py, the client, with `work` and `describe`: see client.py here.

server_address=10.77.0.1 client_address=10.77.0.2
export SERVER=$server_address CLIENT=$client_address
python=/usr/bin/python3
packages=() settings='' filter=''

at_server() { ip netns exec "$server" "$@"; }
at_client() { ip netns exec "$client" "$@"; }

skip() {
  echo "$*"
  exit 77
}

# need_packages PACKAGE…: as install_packages, but what the distribution does not offer is a reason to skip.
need_packages() {
  local package
  for package in "$@"; do
    has_package "$package" || apt_has "$package" || skip "needs the package $package, which apt does not offer here"
  done
  install_packages "$@"
}

# unpacked NAME PACKAGE…: the files of packages that would install a service, in $cache/live-NAME; only the libraries
# that they need are installed.
unpacked() {
  local name=$1 folder=$cache/live-$1
  shift
  need_packages dpkg
  cached "live-$name" unpack "$@" || exit 1
  mapfile -t libraries <"$folder/libraries"
  need_packages "${libraries[@]}"
}

unpack() {
  apt_has "$1"
  apt-get -q download "$@" || return 1
  local file name
  for file in *.deb; do
    dpkg -x "$file" . || return 1
    dpkg-deb -f "$file" Pre-Depends Depends
  done | sed 's/^[A-Za-z-]*: //' | tr ',' '\n' | sed 's/|.*//; s/(.*//; s/:any//; s/ //g' | grep -E '^(lib|erlang-|zlib)' | sort -u >libraries
  for name in "$@"; do sed -i "/^$name\$/d" libraries; done
  rm -f -- *.deb
}

# watch_protocol NAME WORK: runs one protocol in all modes; results are lines of WORK/results. Exit status as of a case.
watch_protocol() {
  local name=$1
  work=$2 server=wb-live-$$-s client=wb-live-$$-c wire=wb-live-$$-w results=$2/results
  : >"$results"
  cd "$work"
  # shellcheck disable=SC1090
  source "$live/$name/server.sh"
  [ ${#packages[@]} = 0 ] || need_packages "${packages[@]}"
  [ "$(type -t fetch)" != function ] || fetch
  trap end_hosts EXIT
  make_hosts
  serve || exit 1
  observe "$name" dpdk dpdk
  record_start
  observe "$name" kernel kernel
  record_stop
  $python "$live/check.py" thin wire.pcap slow.pcap thin.pcap thin.removed
  replay "$name" file "$work/slow.pcap"
  judge "$name" file compare "$name" kernel.truth file.events
  replay "$name" thinned "$work/thin.pcap"
  judge "$name" thinned thinned "$name" file.events thinned.events thin.removed
  impair
  observe "$name" impaired dpdk
  ! grep -q '^failed' "$results"
}

# observe NAME RUN dpdk|kernel: the client does its work while the program watches; the truth and the events are compared.
observe() {
  local name=$1 run=$2 status=0
  watch_start "$run" "$3" || { echo "failed $run: the program did not start" >>"$results"; return 0; }
  at_client timeout 60 "$python" "$live/client.py" "$name" "$run.truth" >"client-$run.log" 2>&1 || status=$?
  [ "$status" = 0 ] || { echo "failed $run: the client ended with $status" >>"$results"; tail -n 20 "client-$run.log"; }
  sleep "${linger:-1}"
  watch_stop "$run" || { echo "failed $run: the program ended badly" >>"$results"; return 0; }
  [ "$status" != 0 ] || judge "$name" "$run" compare "$name" "$run.truth" "$run.events"
}

# judge NAME RUN COMMAND ARGUMENT…: one check of check.py's; its last line goes into the results.
judge() {
  local run=$2 said status=passed
  shift 2
  said=$($python "$live/check.py" "$@") || status=failed
  echo "== $run: $said"
  echo "$status $run: $(tail -n 1 <<<"$said")" >>"$results"
}

watch_start() {
  local run=$1 device='{device: eth0, type: af_packet}'
  [ "$2" = kernel ] || device='{device: "net_af_packet0,iface=eth0,blocksz=65536,framesz=2048,framecnt=32768"}'
  configure "$run" "packetbeat.interfaces: $device"
  cp "$WIREBEAT" "$work/wirebeat"
  start "wirebeat-$run" ip netns exec "$server" "$work/wirebeat" -e --strict.perms=false -c "$work/$run.yml" --path.home "$work/home-$run"
  wait_for 30 "wirebeat-$run" grep -q 'capturing on' "wirebeat-$run.log"
}

watch_stop() {
  local pid status=0
  pid=$(cat "wirebeat-$1.pid")
  kill -INT "$pid" || true
  wait "$pid" || status=$?
  rm "wirebeat-$1.pid"
  grep -o 'packets: [^"]*' "wirebeat-$1.log" || true
  cat "$work/out-$1"/* >"$1.events" 2>/dev/null || true
  [ "$status" = 0 ] && ! grep '"log.level":"error"' "wirebeat-$1.log"
}

# replay NAME RUN FILE: the same from a file.
replay() {
  configure "$2" ''
  "$WIREBEAT" -e --strict.perms=false -c "$work/$2.yml" --path.home "$work/home-$2" -t -I "$3" >"wirebeat-$2.log" 2>&1 ||
    { tail -n 5 "wirebeat-$2.log"; echo "failed $2: the program ended badly" >>"$results"; }
  grep -o 'packets: [^"]*' "wirebeat-$2.log" || true
  cat "$work/out-$2"/* >"$2.events" 2>/dev/null || true
}

configure() {
  cat >"$1.yml" <<END
$2
wirebeat.workers: 2
packetbeat.flows.enabled: false
packetbeat.protocols:
$settings
output.file: {path: "$work/out-$1", filename: events, rotate_every_kb: 1000000}
END
}

make_hosts() {
  ip netns add "$server"
  ip netns add "$client"
  ip -n "$server" link add eth0 type veth peer name eth0 netns "$client"
  configure_hosts
}

# A capture must see frames as they are on a wire: no checksum left to do, no super-frames.
configure_hosts() {
  local namespace host=1
  for namespace in "$server" "$client"; do
    ip netns exec "$namespace" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
    ip netns exec "$namespace" ethtool -K eth0 tx off rx off tso off gso off gro off >/dev/null
    ip -n "$namespace" link set lo up
    ip -n "$namespace" link set eth0 address "02:77:00:00:00:0$host" mtu 1500 up
    ip -n "$namespace" addr add "10.77.0.$host/24" dev eth0
    host=2
  done
  [ -z "${more_address:-}" ] || ip -n "$server" addr add "$more_address/24" dev eth0
}

# The same two hosts with the bad wire between them; the servers stay up.
impair() {
  ip netns add "$wire"
  ip -n "$server" link del eth0
  ip -n "$server" link add eth0 type veth peer name left netns "$wire"
  ip -n "$client" link add eth0 type veth peer name right netns "$wire"
  configure_hosts
  local end
  for end in left right; do
    ip netns exec "$wire" sysctl -qw "net.ipv6.conf.$end.disable_ipv6=1"
    ip netns exec "$wire" ethtool -K "$end" tx off rx off tso off gso off gro off >/dev/null
    ip -n "$wire" link set "$end" promisc on mtu 1500 up
  done
  start impair ip netns exec "$wire" "$python" "$live/impair.py" left right
  # until a connection is refused: nothing listens on port 1
  wait_for 20 impair sh -c "ip netns exec $client $python -c 'import socket; socket.create_connection((\"$server_address\", 1), 1)' 2>&1 | grep -q refused"
}

record_start() {
  start tcpdump ip netns exec "$server" tcpdump -i eth0 -s 0 -U --immediate-mode -B 16384 -n -Z root -w "$work/wire.pcap" "$filter"
  wait_for 15 tcpdump grep -q 'listening on' tcpdump.log
}

record_stop() {
  local pid
  pid=$(cat tcpdump.pid)
  sleep 0.3
  kill -INT "$pid"
  wait "$pid" || true
  rm tcpdump.pid
}

# wait_port tcp|udp PORT SECONDS NAME: until something listens there.
wait_port() {
  local kind=$1
  wait_for "$3" "$4" listens "${kind:0:1}" "$2"
}
listens() { at_server ss -Hln"$1" "sport = :$2" | grep -q .; }

end_hosts() {
  local namespace pids
  for namespace in "$server" "$client" "$wire"; do
    [ -e "/run/netns/$namespace" ] || continue
    pids=$(ip netns pids "$namespace")
    # shellcheck disable=SC2086
    [ -z "$pids" ] || kill $pids 2>/dev/null || true
    for _ in {1..50}; do
      [ -n "$(ip netns pids "$namespace")" ] || break
      sleep 0.1
    done
    pids=$(ip netns pids "$namespace")
    # shellcheck disable=SC2086
    [ -z "$pids" ] || kill -KILL $pids 2>/dev/null || true
    ip netns del "$namespace"
  done
}
