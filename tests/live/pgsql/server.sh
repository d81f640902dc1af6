# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# PostgreSQL. The server refuses to run as root, so it runs as nobody.
packages=(python3-psycopg python3-psycopg2)
filter='tcp port 5432'
settings='  - {type: pgsql, ports: [5432]}'

fetch() {
  local version
  version=$(apt-cache depends postgresql | sed -n 's/.*Depends: \(postgresql-[0-9]*\)$/\1/p')
  [ -n "$version" ] || skip "apt offers no PostgreSQL here"
  unpacked postgresql "$version"
}

serve() {
  local programs run=(setpriv --reuid=nobody --regid=nogroup --clear-groups env LC_ALL=C)
  programs=$(dirname "$cache"/live-postgresql/usr/lib/postgresql/*/bin/postgres)
  # the folder of the project may be closed to others
  cp -r "$cache/live-postgresql/usr" program
  programs=$PWD/program/${programs#"$cache"/live-postgresql/usr/}
  mkdir data socket
  chown nobody data socket
  "${run[@]}" "$programs/initdb" -D "$PWD/data" -U postgres -A trust -E UTF8 --locale=C >initdb.log 2>&1
  echo 'host all all all trust' >>data/pg_hba.conf
  start postgres ip netns exec "$server" "${run[@]}" "$programs/postgres" -D "$PWD/data" -k "$PWD/socket" -c listen_addresses='*' -c ssl=off -c shared_buffers=32MB
  wait_port tcp 5432 30 postgres
}
