# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# memcached, over TCP and UDP.
packages=(python3-pymemcache)
filter='port 11211'
settings='  - {type: memcache, ports: [11211]}'

fetch() { unpacked memcached memcached; }

serve() {
  start memcached ip netns exec "$server" "$cache/live-memcached/usr/bin/memcached" -u root -p 11211 -U 11211 -m 32 -I 2m
  wait_port tcp 11211 20 memcached
}
