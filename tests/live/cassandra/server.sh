# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# Apache Cassandra, its jar and what it needs from Maven Central, without the scripts that start it.
packages=(default-jre-headless maven python3-cassandra)
filter='tcp port 9042'
settings='  - {type: cassandra, ports: [9042]}'

fetch() { cached live-cassandra fetch_jars "$live/cassandra/pom.xml" || exit 1; }

serve() {
  local open='' package
  cat >cassandra.yaml <<END
cluster_name: live
num_tokens: 1
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
data_file_directories: [$PWD/data]
commitlog_directory: $PWD/commitlog
saved_caches_directory: $PWD/saved
hints_directory: $PWD/hints
cdc_raw_directory: $PWD/cdc
commitlog_sync: periodic
commitlog_sync_period: 10s
endpoint_snitch: SimpleSnitch
seed_provider: [{class_name: org.apache.cassandra.locator.SimpleSeedProvider, parameters: [{seeds: $server_address}]}]
listen_address: $server_address
rpc_address: $server_address
start_native_transport: true
native_transport_port: 9042
END
  for package in java.io java.lang java.lang.module java.lang.reflect java.net java.nio java.util java.util.concurrent java.util.concurrent.atomic java.util.regex \
    jdk.internal.loader jdk.internal.math jdk.internal.misc jdk.internal.perf jdk.internal.ref jdk.internal.reflect jdk.internal.util.jar sun.nio.ch; do
    open+=" --add-exports java.base/$package=ALL-UNNAMED --add-opens java.base/$package=ALL-UNNAMED"
  done
  for package in java.management.rmi/javax.management.remote.rmi java.rmi/sun.rmi.registry java.rmi/sun.rmi.server java.rmi/sun.rmi.transport java.rmi/sun.rmi.transport.tcp \
    java.sql/java.sql java.management/com.sun.jmx.remote.security jdk.management/com.sun.management.internal jdk.naming.rmi/com.sun.jndi.rmi.registry; do
    open+=" --add-exports $package=ALL-UNNAMED --add-opens $package=ALL-UNNAMED"
  done
  # shellcheck disable=SC2086
  start cassandra ip netns exec "$server" java -Xms256m -Xmx768m $open -javaagent:"$(echo "$cache"/live-cassandra/jamm-*.jar)" -Dcassandra.config="file://$PWD/cassandra.yaml" \
    -Dcassandra.storagedir="$PWD" -Dcassandra-foreground=yes -Dcassandra.skip_wait_for_gossip_to_settle=0 -Dcassandra.ring_delay_ms=500 -Djdk.attach.allowAttachSelf=true \
    -cp "$cache/live-cassandra/*" org.apache.cassandra.service.CassandraDaemon
  wait_port tcp 9042 150 cassandra
}
