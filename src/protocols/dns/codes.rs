// SPDX-License-Identifier: Apache-2.0
//! Names of the numbers in DNS messages (IANA registry "Domain Name System (DNS) Parameters"), as Packetbeat prints them.

use super::name::{Print, print_number};

/// A number by its name, or as Packetbeat prints those without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    Known(&'static str),
    /// `N`
    Number(u16),
    /// `Unknown N`
    Unknown(u16),
}

impl Print for Code {
    fn print(&self, out: &mut Vec<u8>) {
        match *self {
            Code::Known(name) => out.extend_from_slice(name.as_bytes()),
            Code::Number(number) => print_number(out, number),
            Code::Unknown(number) => {
                out.extend_from_slice(b"Unknown ");
                print_number(out, number);
            }
        }
    }
}

pub fn opcode(code: u8) -> Code {
    known_or_number(
        u16::from(code),
        match code {
            0 => "QUERY",
            1 => "IQUERY",
            2 => "STATUS",
            4 => "NOTIFY",
            5 => "UPDATE",
            _ => "",
        },
    )
}

/// Response codes. 16 in a header is BADVERS (RFC 6891); BADSIG stands in TSIG records only.
pub fn response_code(code: u16) -> Code {
    Code::Known(match code {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        6 => "YXDOMAIN",
        7 => "YXRRSET",
        8 => "NXRRSET",
        9 => "NOTAUTH",
        10 => "NOTZONE",
        11 => "DSOTYPENI",
        16 => "BADVERS",
        17 => "BADKEY",
        18 => "BADTIME",
        19 => "BADMODE",
        20 => "BADNAME",
        21 => "BADALG",
        22 => "BADTRUNC",
        23 => "BADCOOKIE",
        _ => return Code::Unknown(code),
    })
}

pub fn class(code: u16) -> Code {
    known_or_number(
        code,
        match code {
            1 => "IN",
            2 => "CS",
            3 => "CH",
            4 => "HS",
            254 => "NONE",
            255 => "ANY",
            _ => "",
        },
    )
}

pub fn record_type(code: u16) -> Code {
    known_or_number(
        code,
        match code {
            0 => "None",
            1 => "A",
            2 => "NS",
            3 => "MD",
            4 => "MF",
            5 => "CNAME",
            6 => "SOA",
            7 => "MB",
            8 => "MG",
            9 => "MR",
            10 => "NULL",
            12 => "PTR",
            13 => "HINFO",
            14 => "MINFO",
            15 => "MX",
            16 => "TXT",
            17 => "RP",
            18 => "AFSDB",
            19 => "X25",
            20 => "ISDN",
            21 => "RT",
            23 => "NSAP-PTR",
            24 => "SIG",
            25 => "KEY",
            26 => "PX",
            27 => "GPOS",
            28 => "AAAA",
            29 => "LOC",
            30 => "NXT",
            31 => "EID",
            32 => "NIMLOC",
            33 => "SRV",
            34 => "ATMA",
            35 => "NAPTR",
            36 => "KX",
            37 => "CERT",
            39 => "DNAME",
            41 => "OPT",
            42 => "APL",
            43 => "DS",
            44 => "SSHFP",
            45 => "IPSECKEY",
            46 => "RRSIG",
            47 => "NSEC",
            48 => "DNSKEY",
            49 => "DHCID",
            50 => "NSEC3",
            51 => "NSEC3PARAM",
            52 => "TLSA",
            53 => "SMIMEA",
            55 => "HIP",
            56 => "NINFO",
            57 => "RKEY",
            58 => "TALINK",
            59 => "CDS",
            60 => "CDNSKEY",
            61 => "OPENPGPKEY",
            62 => "CSYNC",
            63 => "ZONEMD",
            64 => "SVCB",
            65 => "HTTPS",
            99 => "SPF",
            100 => "UINFO",
            101 => "UID",
            102 => "GID",
            103 => "UNSPEC",
            104 => "NID",
            105 => "L32",
            106 => "L64",
            107 => "LP",
            108 => "EUI48",
            109 => "EUI64",
            128 => "NXNAME",
            249 => "TKEY",
            250 => "TSIG",
            251 => "IXFR",
            252 => "AXFR",
            253 => "MAILB",
            254 => "MAILA",
            255 => "ANY",
            256 => "URI",
            257 => "CAA",
            258 => "AVC",
            260 => "AMTRELAY",
            261 => "RESINFO",
            32768 => "TA",
            32769 => "DLV",
            65535 => "Reserved",
            _ => "",
        },
    )
}

/// Algorithms of DNSSEC keys and signatures.
pub fn algorithm(code: u8) -> Code {
    known_or_number(
        u16::from(code),
        match code {
            1 => "RSAMD5",
            2 => "DH",
            3 => "DSA",
            5 => "RSASHA1",
            6 => "DSA-NSEC3-SHA1",
            7 => "RSASHA1-NSEC3-SHA1",
            8 => "RSASHA256",
            10 => "RSASHA512",
            12 => "ECC-GOST",
            13 => "ECDSAP256SHA256",
            14 => "ECDSAP384SHA384",
            15 => "ED25519",
            16 => "ED448",
            252 => "INDIRECT",
            253 => "PRIVATEDNS",
            254 => "PRIVATEOID",
            _ => "",
        },
    )
}

/// Digests of DS records and hashes of NSEC3.
pub fn hash(code: u8) -> Code {
    known_or_number(
        u16::from(code),
        match code {
            1 => "SHA1",
            2 => "SHA256",
            3 => "GOST94",
            4 => "SHA384",
            5 => "SHA512",
            _ => "",
        },
    )
}

fn known_or_number(code: u16, name: &'static str) -> Code {
    if name.is_empty() { Code::Number(code) } else { Code::Known(name) }
}
