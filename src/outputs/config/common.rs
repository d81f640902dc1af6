// SPDX-License-Identifier: Apache-2.0
//! What several outputs have in common: retries, format strings, rules, TLS, codec.

use std::time::Duration;

use super::{Html, Known, QueueOptions};
use crate::config::{ConfigError, Section};
use crate::outputs::format_string::{Fields, FormatString};
use crate::outputs::pretty::Layout;
use crate::outputs::secret::Secret;
use crate::outputs::selector::{Letters, Rule, Selector, When};
use crate::outputs::shipper::ShipperOptions;
use crate::outputs::socks::{Resolver, SocksProxy};
use crate::outputs::tls::{Fingerprint, Pem, TlsOptions, TlsVersion, Verification};
use crate::processors::condition::Condition;

/// Largest batch that may be asked for.
pub const MAXIMUM_BULK: i64 = 1_000_000;

impl Fields for Known<'_> {
    fn append(&self, field: &str, out: &mut String) -> bool {
        let value = match field {
            "agent.version" | "beat.version" => self.version,
            "agent.name" | "agent.hostname" | "beat.name" | "host.name" => self.name,
            "agent.type" | "@metadata.beat" | "beat.type" => "packetbeat",
            "@metadata.version" => self.version,
            _ => return false,
        };
        out.push_str(value);
        true
    }

    fn time_ns(&self) -> Option<i64> {
        None
    }
}

/// `max_retries` and `backoff`; what a local output has no word for stays as it is in `options`.
pub fn read_retries(section: &Section<'_>, options: &mut ShipperOptions) -> Result<(), ConfigError> {
    if let Some(retries) = section.integer("max_retries")? {
        options.max_retries = u32::try_from(retries).ok();
    }
    let (initial, maximum) = read_backoff(section)?;
    options.backoff_initial_ns = nanoseconds(initial);
    options.backoff_maximum_ns = nanoseconds(maximum);
    Ok(())
}

/// `backoff.init` and `backoff.max`.
pub fn read_backoff(section: &Section<'_>) -> Result<(Duration, Duration), ConfigError> {
    let initial = section.duration("backoff.init")?.unwrap_or(Duration::from_secs(1));
    let maximum = section.duration("backoff.max")?.unwrap_or(Duration::from_secs(60));
    if maximum < initial {
        return Err(section
            .refuse_key("backoff.max", format!("found {maximum:?}, expected at least backoff.init ({initial:?})")));
    }
    // Without any wait a dead peer would keep a core busy.
    Ok((initial.max(Duration::from_millis(1)), maximum.max(Duration::from_millis(1))))
}

pub fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// `bulk_max_size`; 0 or less leaves the size of a batch to the queue.
pub fn read_bulk(section: &Section<'_>, default: usize, queue: &QueueOptions) -> Result<usize, ConfigError> {
    match section.integer("bulk_max_size")? {
        None => Ok(default),
        Some(size) if size > MAXIMUM_BULK => {
            let found = format!("found {size}, expected at most {MAXIMUM_BULK}");
            Err(section.refuse_key("bulk_max_size", found))
        }
        Some(size) => Ok(usize::try_from(size).ok().filter(|size| *size > 0).unwrap_or(queue.flush_min_events.max(1))),
    }
}

/// `worker` or `workers`.
pub fn read_workers(section: &Section<'_>) -> Result<usize, ConfigError> {
    let worker = section.unsigned("worker", 1..=256)?;
    let workers = section.unsigned("workers", 1..=256)?;
    Ok(workers.or(worker).and_then(|count| usize::try_from(count).ok()).unwrap_or(1))
}

/// A duration above zero.
pub fn read_positive(section: &Section<'_>, key: &str) -> Result<Option<Duration>, ConfigError> {
    match section.duration(key)? {
        Some(duration) if duration.is_zero() => {
            Err(section.refuse_key(key, "found 0, expected a duration such as 30s"))
        }
        other => Ok(other),
    }
}

/// `proxy_url` and `proxy_use_local_resolver` of the outputs that go through a SOCKS proxy.
pub fn read_proxy(section: &Section<'_>) -> Result<Option<SocksProxy>, ConfigError> {
    let resolver =
        if section.boolean("proxy_use_local_resolver")?.unwrap_or(false) { Resolver::Local } else { Resolver::Proxy };
    let Some(url) = section.string("proxy_url")?.filter(|url| !url.is_empty()) else { return Ok(None) };
    SocksProxy::parse(&url, resolver).map(Some).map_err(|error| section.refuse_key("proxy_url", error))
}

/// A format string, with what is known from the start filled in.
pub fn read_format(section: &Section<'_>, key: &str, known: &Known<'_>) -> Result<Option<FormatString>, ConfigError> {
    let Some(text) = section.string(key)? else { return Ok(None) };
    let format = FormatString::parse(&text).map_err(|error| section.refuse_key(key, error))?;
    Ok(Some(format.resolve(known)))
}

/// A name and the rules before it: `index` and `indices`, `topic` and `topics`.
pub fn read_selector(
    section: &Section<'_>,
    (name, rules): (&str, &str),
    known: &Known<'_>,
    letters: Letters,
) -> Result<Selector, ConfigError> {
    let mut selector = Selector { fallback: read_format(section, name, known)?, letters, ..Selector::default() };
    for rule in section.list(rules)? {
        selector.rules.push(Rule {
            when: match rule.section("when")? {
                Some(when) => When::Read(Condition::read(&when)?),
                None => When::Always,
            },
            format: read_format(&rule, name, known)?
                .ok_or_else(|| rule.refuse(format!("this rule of {rules} has no {name}")))?,
            mappings: rule.string_map("mappings")?.unwrap_or_default(),
            default: rule.string("default")?,
        });
    }
    Ok(selector)
}

/// `ssl.*`, when it is there and not switched off.
pub fn read_tls(section: &Section<'_>) -> Result<Option<TlsOptions>, ConfigError> {
    let Some(ssl) = section.section("ssl")? else { return Ok(None) };
    if !ssl.enabled()? {
        return Ok(None);
    }
    for key in ["ca_sha256", "cipher_suites", "curve_types", "key_passphrase_path"] {
        if ssl.has(key) {
            return Err(ssl.refuse_key(key, "this is not built yet, and without it connections would be less safe"));
        }
    }
    let renegotiation = [("never", ()), ("none", ())];
    if ssl.has("renegotiation") && ssl.choice("renegotiation", &renegotiation).is_err() {
        let message = "the TLS library renegotiates never, remove the setting or say never";
        return Err(ssl.refuse_key("renegotiation", message));
    }
    let verification = ssl.choice(
        "verification_mode",
        &[
            ("full", Verification::Full),
            ("strict", Verification::Full),
            ("certificate", Verification::Certificate),
            ("none", Verification::None),
        ],
    )?;
    let pem = |key: &str| -> Result<Option<Pem>, ConfigError> { Ok(ssl.string(key)?.map(Pem::from_setting)) };
    let identity = match (pem("certificate")?, pem("key")?) {
        (None, None) => None,
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (Some(_), None) => return Err(ssl.refuse_key("certificate", "there is a certificate, but no key")),
        (None, Some(_)) => return Err(ssl.refuse_key("key", "there is a key, but no certificate")),
    };
    let trusted_fingerprint = match ssl.string("ca_trusted_fingerprint")?.filter(|text| !text.is_empty()) {
        Some(text) => Some(Fingerprint::parse(&text).ok_or_else(|| {
            let found = format!("found {text:?}, expected the SHA-256 of a certificate in 64 hexadecimal digits");
            ssl.refuse_key("ca_trusted_fingerprint", found)
        })?),
        None => None,
    };
    let authorities = ssl.strings("certificate_authorities")?.unwrap_or_default();
    Ok(Some(TlsOptions {
        verification: verification.unwrap_or_default(),
        authorities: authorities.into_iter().map(Pem::from_setting).collect(),
        trusted_fingerprint,
        identity,
        key_passphrase: ssl.string("key_passphrase")?.map(Secret::from),
        versions: read_versions(&ssl)?,
    }))
}

fn read_versions(ssl: &Section<'_>) -> Result<Option<Vec<TlsVersion>>, ConfigError> {
    let Some(names) = ssl.strings("supported_protocols")? else { return Ok(None) };
    let mut versions = Vec::new();
    for name in &names {
        match name.as_str() {
            "TLSv1.2" => versions.push(TlsVersion::Tls12),
            "TLSv1.3" => versions.push(TlsVersion::Tls13),
            // The TLS library does not speak them; with a newer one beside them nothing is lost.
            "TLSv1" | "TLSv1.0" | "TLSv1.1" => {}
            other => {
                let found = format!("found {other:?}, expected TLSv1.2 or TLSv1.3");
                return Err(ssl.refuse_key("supported_protocols", found));
            }
        }
    }
    if versions.is_empty() {
        let message = format!("found {}, but only TLSv1.2 and TLSv1.3 are spoken", names.join(", "));
        return Err(ssl.refuse_key("supported_protocols", message));
    }
    Ok(Some(versions))
}

/// `kerberos.enabled` is refused: nobody may believe that his events are sent with it.
pub fn refuse_kerberos(section: &Section<'_>) -> Result<(), ConfigError> {
    if let Some(kerberos) = section.section("kerberos")?
        && kerberos.enabled()?
    {
        return Err(kerberos.refuse("Kerberos is not supported"));
    }
    Ok(())
}

/// `codec.*` of the outputs that write JSON documents. Console's `pretty` is the same as `codec.json.pretty`.
pub fn read_codec(section: &Section<'_>) -> Result<(Layout, Html), ConfigError> {
    let Some(codec) = section.section("codec")? else { return Ok((Layout::Lines, Html::Plain)) };
    if codec.has("format") {
        return Err(codec.refuse_key("format", "the codec format is not built yet, only json is"));
    }
    let pretty = codec.boolean("json.pretty")?.unwrap_or(false);
    if codec.boolean("json.local_time")?.unwrap_or(false) {
        return Err(codec.refuse_key("json.local_time", "times are always UTC"));
    }
    let html = codec.boolean("json.escape_html")?.unwrap_or(false);
    Ok((if pretty { Layout::Pretty } else { Layout::Lines }, if html { Html::Escaped } else { Html::Plain }))
}
