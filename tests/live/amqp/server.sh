# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# RabbitMQ.
packages=(python3-pika)
filter='tcp port 5672'
settings='  - {type: amqp, ports: [5672]}'

fetch() { unpacked rabbitmq rabbitmq-server; }

serve() {
  local program
  program=$(echo "$cache"/live-rabbitmq/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server)
  printf 'loopback_users = none\nlisteners.tcp.1 = 0.0.0.0:5672\n' >rabbitmq.conf
  mkdir db logs
  : >enabled_plugins
  HOME=$PWD RABBITMQ_NODENAME=live@localhost RABBITMQ_MNESIA_BASE=$PWD/db RABBITMQ_LOG_BASE=$PWD/logs RABBITMQ_CONFIG_FILE=$PWD/rabbitmq \
    RABBITMQ_ENABLED_PLUGINS_FILE=$PWD/enabled_plugins RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='+sbwt none' ERL_EPMD_ADDRESS=127.0.0.1 \
    start rabbitmq ip netns exec "$server" "$program"
  wait_for 90 rabbitmq grep -rq 'startup complete' logs rabbitmq.log
}
