# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# nginx.
filter='tcp port 80'
settings='  - {type: http, ports: [80]}'

fetch() { unpacked nginx nginx; }

serve() {
  mkdir -p files logs
  head -c 200000 /dev/zero | tr '\0' x >files/large.txt
  seq 20000 >files/numbers.txt
  echo hello >files/index.html
  cat >nginx.conf <<END
daemon off; user root; worker_processes 1; pid $PWD/nginx.pid0; error_log $PWD/logs/error.log;
events { worker_connections 200; }
http {
  access_log off; default_type text/plain; gzip on; gzip_types text/plain; gzip_min_length 100; gzip_comp_level 1;
  client_body_temp_path $PWD/logs; proxy_temp_path $PWD/logs; fastcgi_temp_path $PWD/logs; uwsgi_temp_path $PWD/logs; scgi_temp_path $PWD/logs;
  server {
    listen 80; root $PWD/files;
    location /teapot { return 418; }
    location /moved { return 301 /index.html; }
    location /nothing { return 204; }
    location /broken { return 500 "broken"; }
    location /take { client_max_body_size 100k; proxy_pass http://127.0.0.1:81; }
  }
  server { listen 127.0.0.1:81; location / { return 201 "taken"; } }
}
END
  start nginx ip netns exec "$server" "$cache/live-nginx/usr/sbin/nginx" -p "$PWD" -c "$PWD/nginx.conf" -e "$PWD/logs/error.log"
  wait_port tcp 80 20 nginx
}
