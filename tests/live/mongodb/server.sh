# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# mongo-java-server, a server of MongoDB's protocol that lives in memory, from Maven Central.
packages=(default-jre-headless maven python3-pymongo)
filter='tcp port 27017'
settings='  - {type: mongodb, ports: [27017]}'

fetch() { cached live-mongodb fetch_jars "$live/mongodb/pom.xml" || exit 1; }

serve() {
  start mongodb ip netns exec "$server" java -Xmx256m -cp "$cache/live-mongodb/*" "$live/mongodb/Server.java" 27017
  wait_port tcp 27017 60 mongodb
}
