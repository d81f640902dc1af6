// SPDX-License-Identifier: Apache-2.0
//! The names of all settings that Packetbeat 9.6.0 knows, for warnings about unknown and unbuilt ones.
//!
//! Names only: types, defaults and effects belong to the module that reads a setting. `*` stands for one part of a
//! name, `**` for all that follows. List positions are left out (`output.kafka.topics.topic`), protocols stand by
//! their type (`packetbeat.protocols.dns.ports`), processors by their name (`processors.add_fields.target`).
//! Source: Packetbeat's reference configuration and documentation; see `docs/` for what Wirebeat builds of it.

/// Every known name, in no order.
pub fn names() -> Vec<String> {
    let mut names = Vec::new();
    for (prefix, keys) in SETTINGS {
        for key in keys.split_whitespace() {
            names.push(super::tree::join(prefix, key));
        }
    }
    for (prefixes, keys) in SHARED {
        for prefix in prefixes.split_whitespace() {
            for key in keys.split_whitespace() {
                names.push(super::tree::join(prefix, key));
            }
        }
    }
    for (processor, keys) in PROCESSORS {
        for key in keys.split_whitespace().chain(["when.**", "tag"]) {
            names.push(format!("processors.{processor}.{key}"));
        }
    }
    names
}

const SETTINGS: &[(&str, &str)] = &[
    (
        "",
        "name tags fields.** fields_under_root max_procs gc_percent timestamp.precision features.fqdn.enabled \
         seccomp.** cloud.id cloud.auth keystore.path migration.6_to_7.enabled management.** config.** \
         path.home path.config path.data path.logs processors.if.** processors.then.** processors.else.**",
    ),
    ("packetbeat", "ignore_outgoing shutdown_timeout overwrite_pipelines publish_timeout npcap.never_install id"),
    (
        "packetbeat.interfaces",
        "device poll_default_route metrics_interval type file with_vlans bpf_filter snaplen buffer_size_mb \
         auto_promisc_mode internal_networks fanout_group",
    ),
    (
        "packetbeat.flows",
        "enabled timeout period enable_delta_flow_reports fields.** fields_under_root tags keep_null index \
         processors",
    ),
    (
        "packetbeat.protocols.*",
        "type enabled ports send_request send_response transaction_timeout fields.** fields_under_root tags \
         processors keep_null index interface.device",
    ),
    ("packetbeat.protocols.amqp", "max_body_length parse_headers parse_arguments hide_connection_information"),
    ("packetbeat.protocols.cassandra", "send_request_header send_response_header compressor ignored_ops"),
    ("packetbeat.protocols.dns", "include_authorities include_additionals"),
    (
        "packetbeat.protocols.http",
        "hide_keywords redact_authorization redact_headers send_headers send_all_headers split_cookie \
         real_ip_header include_body_for include_request_body_for include_response_body_for decode_body \
         max_message_size",
    ),
    ("packetbeat.protocols.memcache", "parseunknown maxvalues maxbytespervalue udptransactiontimeout"),
    ("packetbeat.protocols.mongodb", "max_docs max_doc_length"),
    ("packetbeat.protocols.mysql", "max_rows max_row_length statement_timeout"),
    ("packetbeat.protocols.pgsql", "max_rows max_row_length"),
    ("packetbeat.protocols.redis", "queue_max_bytes queue_max_messages"),
    ("packetbeat.protocols.sip", "parse_authorization parse_body keep_original transport_protocol"),
    (
        "packetbeat.protocols.thrift",
        "transport_type protocol_type idl_files string_max_size collection_max_size capture_reply \
         obfuscate_strings drop_after_n_struct_fields",
    ),
    ("packetbeat.protocols.tls", "send_certificates include_raw_certificates include_detailed_fields fingerprints"),
    ("packetbeat.procs", "enabled monitored.process monitored.cmdline_grep max_proc_read_freq refresh_pids_freq"),
    (
        "instrumentation",
        "enabled environment hosts api_key secret_token profiling.cpu.enabled profiling.cpu.interval \
         profiling.heap.enabled profiling.heap.interval",
    ),
    (
        "output.elasticsearch",
        "hosts protocol path parameters.** headers.** username password api_key preset loadbalance \
         compression_level escape_html max_retries timeout idle_connection_timeout index indices.index \
         indices.mappings.** indices.default indices.when.** pipeline pipelines.pipeline pipelines.mappings.** \
         pipelines.default pipelines.when.** proxy_url proxy_disable proxy_headers.** allow_older_versions \
         non_indexable_policy.drop.** non_indexable_policy.dead_letter_index.index ilm.**",
    ),
    (
        "output.logstash",
        "hosts loadbalance pipelining slow_start compression_level timeout max_retries ttl escape_html index \
         proxy_url proxy_use_local_resolver",
    ),
    (
        "output.kafka",
        "hosts topic topics.topic topics.mappings.** topics.default topics.when.** key partition.hash.hash \
         partition.hash.random partition.hash.reachable_only partition.random.group_events \
         partition.random.reachable_only partition.round_robin.group_events partition.round_robin.reachable_only \
         version metadata.retry.max metadata.retry.backoff metadata.refresh_frequency metadata.full max_retries \
         bulk_flush_frequency timeout broker_timeout channel_buffer_size keep_alive compression \
         compression_level max_message_bytes required_acks client_id username password sasl.mechanism \
         headers.key headers.value headers.when.** enable_krb5_fast",
    ),
    (
        "output.redis",
        "hosts key keys.key keys.mappings.** keys.default keys.when.** index username password db datatype \
         loadbalance timeout max_retries proxy_url proxy_use_local_resolver",
    ),
    ("output.file", "path filename rotate_every_kb number_of_files permissions rotate_on_startup"),
    ("output.console", "pretty"),
    (
        "setup.dashboards",
        "enabled directory url file beat kibana_index index always_kibana snapshot snapshot_url \
         retry.enabled retry.interval retry.maximum",
    ),
    (
        "setup.template",
        "enabled type name pattern fields append_fields overwrite order priority json.enabled json.path json.name \
         json.data_stream settings.index.** settings._source.**",
    ),
    ("setup.ilm", "enabled policy_name policy_file check_exists overwrite rollover_alias pattern"),
    ("setup.dsl", "enabled data_stream_pattern policy_file check_exists overwrite"),
    ("setup.kibana", "host protocol username password api_key service_token path space.id headers.** timeout"),
    ("setup.pipelines", "enabled"),
    ("logging", "level selectors to_stderr to_syslog to_eventlog to_files json ecs"),
    ("logging.metrics", "enabled period namespaces"),
    (
        "http",
        "enabled host port timeout named_pipe.user named_pipe.security_descriptor pprof.enabled \
         pprof.block_profile_rate pprof.mem_profile_rate pprof.mutex_profile_rate",
    ),
    ("monitoring", "enabled cluster_uuid cloud.id cloud.auth"),
    (
        "monitoring.elasticsearch",
        "hosts protocol path parameters.** headers.** username password api_key compression_level max_retries \
         timeout metrics.period state.period bulk_max_size proxy_url",
    ),
];

/// Groups of settings that several sections have.
const SHARED: &[(&str, &str)] = &[
    (
        "output.elasticsearch output.logstash output.kafka output.redis output.file output.console output.discard",
        "enabled worker workers bulk_max_size backoff.init backoff.max",
    ),
    (
        "queue output.elasticsearch.queue output.logstash.queue output.kafka.queue output.redis.queue \
         output.file.queue output.console.queue output.discard.queue",
        "mem.events mem.flush.min_events mem.flush.timeout disk.max_size disk.path disk.segment_size \
         disk.read_ahead disk.write_ahead disk.retry_interval disk.max_retry_interval",
    ),
    (
        "output.elasticsearch output.logstash output.kafka output.redis setup.kibana monitoring.elasticsearch \
         processors.add_docker_metadata processors.add_cloud_metadata",
        "ssl.enabled ssl.verification_mode ssl.supported_protocols ssl.certificate_authorities ssl.certificate \
         ssl.key ssl.key_passphrase ssl.key_passphrase_path ssl.cipher_suites ssl.curve_types ssl.renegotiation \
         ssl.ca_sha256 ssl.ca_trusted_fingerprint ssl.restart_on_cert_change.enabled \
         ssl.restart_on_cert_change.period",
    ),
    (
        "output.elasticsearch output.kafka monitoring.elasticsearch setup.kibana",
        "kerberos.enabled kerberos.auth_type kerberos.keytab kerberos.config_path kerberos.service_name \
         kerberos.username kerberos.password kerberos.realm",
    ),
    ("monitoring.elasticsearch", "backoff.init backoff.max"),
    (
        "output.kafka output.redis output.file output.console",
        "codec.json.pretty codec.json.escape_html codec.json.local_time codec.format.string",
    ),
    (
        "logging.files logging.event_data.files",
        "path name rotateeverybytes keepfiles permissions interval rotateonstartup",
    ),
    ("logging.event_data", "to_stderr to_syslog to_files"),
];

/// The processors of Packetbeat with their options; each also has `when` and `tag`.
const PROCESSORS: &[(&str, &str)] = &[
    ("add_cloud_metadata", "timeout providers overwrite"),
    (
        "add_docker_metadata",
        "host match_fields match_pids match_source match_short_id match_source_index cleanup_timeout labels.dedot \
         hostfs skip_older",
    ),
    (
        "add_kubernetes_metadata",
        "host node scope namespace add_resource_metadata.** kube_config use_kubeadm kube_client_options.** \
         cleanup_timeout sync_period default_indexers.enabled default_matchers.enabled indexers.** matchers.** \
         labels.dedot annotations.dedot include_labels exclude_labels include_annotations \
         wait_for_metadata wait_for_metadata_timeout",
    ),
    (
        "add_cloudfoundry_metadata",
        "api_address doppler_address uaa_address rlp_address client_id client_secret cache_duration \
         cache_retry_delay ssl.**",
    ),
    ("add_nomad_metadata", "address namespace region secret_id refresh_interval cleanup_timeout scope node"),
    ("add_fields", "target fields.**"),
    ("add_labels", "labels.**"),
    ("add_tags", "tags target"),
    ("add_id", "target_field type"),
    ("add_locale", "format"),
    ("add_host_metadata", "netinfo.enabled cache.ttl geo.** replace_fields"),
    ("add_observer_metadata", "netinfo.enabled cache.ttl geo.**"),
    (
        "add_process_metadata",
        "match_pids target include_fields ignore_missing overwrite_keys restricted_fields host_path \
         cgroup_prefixes cgroup_regex cgroup_cache_expire_time",
    ),
    ("add_network_direction", "source destination target internal_networks"),
    ("add_formatted_index", "index"),
    ("add_agent_metadata", "**"),
    ("append", "target_field fields values ignore_empty_values fail_on_error allow_duplicate ignore_missing"),
    (
        "community_id",
        "fields.source_ip fields.source_port fields.destination_ip fields.destination_port fields.iana_number \
         fields.transport fields.icmp_type fields.icmp_code target seed",
    ),
    ("convert", "fields.from fields.to fields.type ignore_missing fail_on_error mode"),
    ("copy_fields", "fields.from fields.to fail_on_error ignore_missing"),
    ("decode_base64_field", "field.from field.to ignore_missing fail_on_error"),
    ("decode_duration", "field format"),
    (
        "decode_json_fields",
        "fields process_array max_depth target overwrite_keys expand_keys add_error_key document_id",
    ),
    ("decode_xml", "field target_field overwrite_keys to_lower document_id ignore_missing ignore_failure"),
    (
        "decode_xml_wineventlog",
        "field target_field overwrite_keys map_ecs_fields ignore_missing ignore_failure language",
    ),
    ("decompress_gzip_field", "field.from field.to ignore_missing fail_on_error"),
    ("detect_mime_type", "field target"),
    ("dissect", "tokenizer field target_prefix ignore_failure overwrite_keys trim_values trim_chars"),
    (
        "dns",
        "type action fields.** success_cache.capacity.initial success_cache.capacity.max success_cache.min_ttl \
         failure_cache.capacity.initial failure_cache.capacity.max failure_cache.ttl nameservers timeout \
         tag_on_failure transport",
    ),
    ("drop_event", ""),
    ("drop_fields", "fields ignore_missing"),
    ("extract_array", "field mappings.** ignore_missing overwrite_keys fail_on_error omit_empty"),
    ("extract_field", "field separator index target"),
    ("fingerprint", "fields ignore_missing target_field method encoding"),
    ("include_fields", "fields"),
    ("move_fields", "from fields ignore_missing exclude to"),
    ("now", "field"),
    ("rate_limit", "limit fields"),
    (
        "registered_domain",
        "field target_field target_etld_field target_subdomain_field ignore_missing ignore_failure id",
    ),
    ("rename", "fields.from fields.to ignore_missing fail_on_error"),
    ("replace", "fields.field fields.pattern fields.replacement ignore_missing fail_on_error"),
    ("script", "lang source file files params.** tag_on_exception timeout max_cached_sessions"),
    ("syslog", "field format timezone overwrite_keys ignore_missing ignore_failure"),
    (
        "translate_ldap_attribute",
        "field target_field ldap_address ldap_base_dn ldap_domain ldap_bind_user ldap_bind_password \
         ldap_search_attribute ldap_mapped_attribute ldap_search_time_limit ldap_ssl.** ad_guid_translation \
         ignore_missing ignore_failure",
    ),
    ("translate_sid", "field account_name_target account_type_target domain_target ignore_missing ignore_failure"),
    ("truncate_fields", "fields max_bytes max_characters fail_on_error ignore_missing"),
    ("urldecode", "fields.from fields.to ignore_missing fail_on_error"),
];
