# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# MariaDB.
packages=(mariadb-server-core mariadb-client-core python3-pymysql)
filter='tcp port 3306'
settings='  - {type: mysql, ports: [3306]}'

serve() {
  mariadb-install-db --no-defaults --datadir="$PWD/db" --auth-root-authentication-method=normal --skip-test-db --user=root >install.log 2>&1
  cat >setup.sql <<'END'
CREATE DATABASE shop;
CREATE USER 'ann'@'%' IDENTIFIED BY 'secret';
GRANT ALL ON shop.* TO 'ann'@'%';
CREATE TABLE shop.users (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(60), email VARCHAR(80) UNIQUE, notes MEDIUMTEXT);
END
  start mariadb ip netns exec "$server" mariadbd --no-defaults --user=root --datadir="$PWD/db" --socket="$PWD/socket" --pid-file="$PWD/mariadb-own.pid" \
    --bind-address=0.0.0.0 --port=3306 --skip-ssl --skip-name-resolve --innodb-buffer-pool-size=32M --max-allowed-packet=16M --init-file="$PWD/setup.sql"
  wait_port tcp 3306 60 mariadb
}
