# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the services share. Each tests/services/NAME/run does `up DIR …` and `down DIR`: everything that a running service
# writes is under DIR; programs come from the package registries once and stay in WIREBEAT_CACHE (target/services).
# A service listens in the network namespace of its caller, so `ip netns exec NS tests/services/NAME/run up DIR` moves it.

services=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${WIREBEAT_CACHE:-$(cd "$services/../.." && pwd)/target/services}

# cached NAME COMMAND…: runs COMMAND in a new folder that becomes $cache/NAME, unless that is there already; a registry that
# stumbles is asked six times. A lock and a rename: two tests that start at once fetch once, and a broken download leaves
# nothing behind. COMMAND joins its steps with &&, since the shell does not stop at an error inside a condition.
cached() {
  local name=$1 fresh pause
  shift
  mkdir -p "$cache"
  (
    flock 9
    [ -d "$cache/$name" ] && exit
    for pause in 5 15 30 60 60 0; do
      fresh=$(mktemp -d "$cache/.$name.XXXXXX")
      (cd "$fresh" && "$@") >"$cache/$name.log" 2>&1 && chmod 755 "$fresh" && mv "$fresh" "$cache/$name" && exit
      rm -rf "$fresh"
      sleep "$pause"
    done
    echo "$name could not be fetched; from $cache/$name.log:" >&2
    grep -m 5 . "$cache/$name.log" >&2
    exit 1
  ) 9>"$cache/lock"
}

# fetch_jars POM: all that the POM names, into the current folder; Maven's own store is in the cache, not in the user's home.
fetch_jars() {
  mvn -q -B -U -f "$1" -Dmaven.repo.local="$cache/maven" \
    org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies -DoutputDirectory="$PWD" -DincludeScope=runtime
}

# start NAME COMMAND…: in the background, in the current folder, output to NAME.log, process id in NAME.pid.
start() {
  local name=$1
  shift
  "$@" >"$name.log" 2>&1 </dev/null 9>&- &
  echo $! >"$name.pid"
}

# wait_for SECONDS NAME COMMAND…: until COMMAND succeeds; fails when the time is over or the process NAME has ended.
wait_for() {
  local tries=$(($1 * 10)) name=$2
  shift 2
  while [ "$tries" -gt 0 ]; do
    "$@" >/dev/null 2>&1 && return
    kill -0 "$(cat "$name.pid")" 2>/dev/null || break
    sleep 0.1
    tries=$((tries - 1))
  done
  echo "$name did not get ready; the end of $PWD/$name.log:" >&2
  tail -n 10 "$name.log" >&2
  return 1
}

# stop DIR NAME: ends the process that `start` made, politely first. A process id that by now belongs to
# something else is left alone: ours all run in DIR or below.
stop() {
  local pid tries=200
  [ -s "$1/$2.pid" ] || return 0
  pid=$(cat "$1/$2.pid")
  rm "$1/$2.pid"
  [[ $(readlink "/proc/$pid/cwd")/ == "$(readlink -f "$1")"/* ]] || return 0
  kill "$pid" 2>/dev/null || return 0
  while kill -0 "$pid" 2>/dev/null; do
    [ "$tries" -gt 0 ] || kill -KILL "$pid" 2>/dev/null || return 0
    sleep 0.1
    tries=$((tries - 1))
  done
}

# make_certificates: in tls/ of the current folder, an authority (ca.pem), a server's certificate for localhost, and a client's;
# each with its key, and both in one file with the ending pem.
make_certificates() {
  [ -s tls/client.pem ] && return
  mkdir -p tls
  (
    cd tls || exit
    openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 3650 -subj "/CN=wirebeat test CA"
    for name in server client; do
      openssl req -newkey rsa:2048 -nodes -keyout $name.key -out $name.csr -subj "/CN=localhost"
      printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\n' >extensions
      openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 -extfile extensions -out $name.crt
      cat $name.key $name.crt >$name.pem
    done
  ) 2>tls/openssl.log
}
