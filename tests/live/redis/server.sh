# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# Redis.
packages=(python3-redis redis-tools)
filter='tcp port 6379'
settings='  - {type: redis, ports: [6379]}'

# the server's program comes with the tools, where it checks dump files under another name
serve() {
  printf 'bind *\nprotected-mode no\nsave ""\ndir %s\n' "$PWD" >redis.conf
  ln -sf /usr/bin/redis-check-rdb redis-server
  start redis ip netns exec "$server" "$PWD/redis-server" "$PWD/redis.conf"
  wait_port tcp 6379 20 redis
}
