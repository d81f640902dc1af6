# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# OpenSSL: one port for all versions, one for TLS 1.2 with a session cache and no tickets.
packages=(openssl)
filter='tcp port 443 or tcp port 995'
settings='  - {type: tls, ports: [443, 995]}'

serve() {
  openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out certificate.pem -days 30 -subj '/CN=www.rec.test' -addext 'subjectAltName=DNS:www.rec.test,DNS:other.test' >openssl.log 2>&1
  start both ip netns exec "$server" openssl s_server -www -quiet -port 443 -cert certificate.pem -key key.pem -alpn h2,http/1.1
  start old ip netns exec "$server" openssl s_server -www -quiet -port 995 -cert certificate.pem -key key.pem -tls1_2 -no_ticket
  wait_port tcp 443 20 both
  wait_port tcp 995 20 old
}
