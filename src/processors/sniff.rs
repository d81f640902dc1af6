// SPDX-License-Identifier: Apache-2.0
//! Media types from the first bytes of content, with the names that Packetbeat gives them.
//!
//! First the magic numbers of files, then the sniffing algorithm of browsers (WHATWG MIME Sniffing, sections 6 and 7.1),
//! at last whether a text is JSON or XML. Limit: XML counts when it begins with a name in angle brackets and ends with the
//! same name closed; it is not parsed in between.

/// Bytes that are looked at for magic numbers: office documents need some thousand.
const HEADER_BYTES: usize = 8192;
/// Bytes that the sniffing algorithm looks at.
const SNIFF_BYTES: usize = 512;

/// The media type of some content; None when it is nothing known.
pub(super) fn media_type(content: &[u8]) -> Option<&'static str> {
    let header = &content[..content.len().min(HEADER_BYTES)];
    if let Some(kind) = infer::get(header).and_then(|kind| known_to_packetbeat(kind.extension(), kind.mime_type())) {
        return Some(kind);
    }
    let sniffed = sniff(&header[..header.len().min(SNIFF_BYTES)])?;
    if sniffed == PLAIN {
        if serde_json::from_slice::<serde::de::IgnoredAny>(content).is_ok() {
            return Some("application/json");
        }
        if is_xml(content) {
            return Some("text/xml");
        }
    }
    Some(sniffed)
}

/// The crate knows more magic numbers than Packetbeat's library, and some are so short that they match anything.
fn known_to_packetbeat(extension: &str, kind: &'static str) -> Option<&'static str> {
    match extension {
        "html" | "xml" | "sh" | "class" | "bc" | "der" | "obj" | "pem" | "qcow2" | "mobi" | "djvu" | "jxl" | "dsf"
        | "ape" | "par2" | "bz3" | "lz4" | "msi" | "cpio" => None,
        "odt" | "ods" | "odp" | "ora" => Some("application/zip"),
        "opus" => Some("audio/ogg"),
        _ => Some(kind),
    }
}

const HTML: &str = "text/html; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";

/// Tags that make a page, in any case, after white space and before a space or `>`.
const TAGS: &[&[u8]] = &[
    b"<!DOCTYPE HTML",
    b"<HTML",
    b"<HEAD",
    b"<SCRIPT",
    b"<IFRAME",
    b"<H1",
    b"<DIV",
    b"<FONT",
    b"<TABLE",
    b"<A",
    b"<STYLE",
    b"<TITLE",
    b"<B",
    b"<BODY",
    b"<BR",
    b"<P",
    b"<!--",
];

/// Signatures of the sniffing algorithm that are no magic numbers of files.
const SIGNATURES: &[(&[u8], &str)] = &[
    (b"%PDF-", "application/pdf"),
    (b"%!PS-Adobe-", "application/postscript"),
    (b"\xfe\xff", "text/plain; charset=utf-16be"),
    (b"\xff\xfe", "text/plain; charset=utf-16le"),
    (b"\xef\xbb\xbf", PLAIN),
    (b"\0\0\x01\0", "image/x-icon"),
    (b"\0\0\x02\0", "image/x-icon"),
    (b"BM", "image/bmp"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b".snd", "audio/basic"),
    (b"ID3", "audio/mpeg"),
    (b"OggS\0", "application/ogg"),
    (b"MThd\0\0\0\x06", "audio/midi"),
    (b"\x1a\x45\xdf\xa3", "video/webm"),
    (b"\0\x01\0\0", "font/ttf"),
    (b"OTTO", "font/otf"),
    (b"ttcf", "font/collection"),
    (b"wOFF", "font/woff"),
    (b"wOF2", "font/woff2"),
    (b"\x1f\x8b\x08", "application/x-gzip"),
    (b"PK\x03\x04", "application/zip"),
    (b"Rar!\x1a\x07\0", "application/x-rar-compressed"),
    (b"Rar!\x1a\x07\x01\0", "application/x-rar-compressed"),
    (b"\0asm", "application/wasm"),
];

fn sniff(header: &[u8]) -> Option<&'static str> {
    let text = header.trim_ascii_start();
    let begins_tag = |tag: &&[u8]| {
        text.len() > tag.len() && text[..tag.len()].eq_ignore_ascii_case(tag) && matches!(text[tag.len()], b' ' | b'>')
    };
    if TAGS.iter().any(begins_tag) {
        return Some(HTML);
    }
    if text.starts_with(b"<?xml") {
        return Some("text/xml; charset=utf-8");
    }
    if let Some((_, kind)) = SIGNATURES.iter().find(|(signature, _)| header.starts_with(signature)) {
        return Some(kind);
    }
    // A binary data byte (section 3) makes it no text.
    let is_binary = |byte: &u8| matches!(byte, 0..=8 | 0x0b | 0x0e..=0x1a | 0x1c..=0x1f);
    (!header.iter().any(is_binary)).then_some(PLAIN)
}

/// One element from the first byte to the last.
fn is_xml(content: &[u8]) -> bool {
    let text = content.trim_ascii();
    let Some(rest) = text.strip_prefix(b"<") else { return false };
    let name_end = rest.iter().position(|byte| b" \t\r\n/>".contains(byte)).unwrap_or(rest.len());
    let (name, after) = rest.split_at(name_end);
    if !name.first().is_some_and(|first| first.is_ascii_alphabetic() || *first == b'_') {
        return false;
    }
    if after.ends_with(b"/>") && !after[..after.len() - 1].contains(&b'>') {
        return true;
    }
    let closed = after.strip_suffix(b">").map(<[u8]>::trim_ascii_end);
    closed.and_then(|text| text.strip_suffix(name)).is_some_and(|text| text.ends_with(b"</"))
}
