// SPDX-License-Identifier: Apache-2.0
//! A DNS transaction as an event (Packetbeat behaviour, section 4.3).
//!
//! Limit: a list of records and a message's text end at [`MAX_TEXT_BYTES`]; the counts are of all records.

use std::cell::RefCell;
use std::net::IpAddr;

use arrayvec::ArrayVec;

use super::Options;
use super::codes::{self, Code};
use super::domain::{self, Listed};
use super::edns;
use super::message::{Flag, Message, OPT, Question, Record, Section};
use super::name::{MAX_PRINTED_BYTES, Print, print_number};
use super::record::{self, Describe};
use super::text::{QuestionText, Text};
use super::transfer::Further;
use crate::event::{Event, Field, ListWriter, MapWriter, Value, field};
use crate::protocols::{Common, Context, Direction, Status};

/// Text that one section of records, or one message's line, may add to an event. A message of 64 KiB can hold some
/// 5,000 names of 1,020 printed bytes each; real zone transfers stay far below.
pub const MAX_TEXT_BYTES: usize = 1 << 20;

/// Addresses whose memory stays for the next event.
const KEPT_ADDRESSES: usize = 256;

thread_local! {
    /// Memory for the addresses of an event.
    static ADDRESSES: RefCell<Vec<(IpAddr, u32)>> = const { RefCell::new(Vec::new()) };
}

/// What is published: a request, a response, or both.
pub struct Transaction<'a> {
    /// Direction of the request.
    pub requests: Direction,
    pub request: Option<Half<'a>>,
    pub response: Option<Half<'a>>,
    /// Whether a part of the response was lost.
    pub is_partial: bool,
    pub notes: &'a [&'static str],
}

/// One side of a transaction.
#[derive(Clone, Copy)]
pub struct Half<'a> {
    pub message: Message<'a>,
    /// Further messages of a zone transfer.
    pub further: Further<'a>,
    pub time_ns: i64,
    pub bytes: u64,
    /// Answers in all messages.
    pub answer_count: u64,
}

impl<'a> Half<'a> {
    /// A side of one message.
    pub fn new(message: Message<'a>, time_ns: i64, bytes: u64) -> Half<'a> {
        let answer_count = u64::from(message.count(Section::Answers));
        Half { message, further: Further::default(), time_ns, bytes, answer_count }
    }

    fn answers(&self) -> impl Iterator<Item = Record<'a>> + use<'a> {
        let further = self.further;
        self.message.records(Section::Answers).chain(further.flat_map(|message| message.records(Section::Answers)))
    }
}

/// Publishes a transaction.
pub fn publish(context: &mut Context<'_>, options: &Options, transaction: &Transaction<'_>) {
    let (request, response) = (transaction.request, transaction.response);
    // The request names the transaction, the response says what came of it.
    let (Some(asked), Some(answered)) = (request.or(response), response.or(request)) else { return };
    let succeeded = response.is_some_and(|response| response.message.response_code() == 0);
    let status = if request.is_some() && succeeded && !transaction.is_partial { Status::Ok } else { Status::Error };
    let common = Common {
        name: "dns",
        network_protocol: Some("dns"),
        requests: transaction.requests,
        start_ns: request.map(|request| request.time_ns),
        end_ns: response.map(|response| response.time_ns),
        source_bytes: request.map_or(0, |request| request.bytes),
        destination_bytes: response.map_or(0, |response| response.bytes),
        status,
        notes: transaction.notes,
        icmp: None,
    };
    let parties = [context.flow.client.address, context.flow.server.address];
    context.publish(&common, |event| {
        event.constant(field::DNS_TYPE, if response.is_some() { "answer" } else { "query" });
        set_code(event, field::METHOD, codes::opcode(asked.message.opcode()));
        if let Some(question) = asked.message.questions().next() {
            event.written(field::QUERY, |out| QuestionText(question).print(out));
            event.written(field::RESOURCE, |out| question.name.print(out));
        }
        set_message(event, &answered.message);
        // Some responses do not repeat the question.
        if let Some(question) = answered.message.questions().chain(asked.message.questions()).next() {
            set_question(event, &question);
        }
        set_records(event, options, &answered);
        ADDRESSES.with_borrow_mut(|addresses| set_addresses(event, &answered, parties, addresses));
        let text = |half: &Half<'_>, event: &mut Event, field| {
            event.written(field, |out| Text { message: half.message, further: half.further }.print(out));
        };
        if let Some(request) = request.filter(|_| options.send_request) {
            text(&request, event, field::REQUEST);
        }
        if let Some(response) = response.filter(|_| options.send_response) {
            text(&response, event, field::RESPONSE);
        }
    });
}

/// A code as a constant where it has a name.
pub fn set_code(event: &mut Event, field: Field, code: Code) {
    match code {
        Code::Known(name) => event.constant(field, name),
        code => event.written(field, |out| code.print(out)),
    }
}

fn set_message(event: &mut Event, message: &Message<'_>) {
    event.unsigned(field::DNS_ID, u64::from(message.id));
    set_code(event, field::DNS_OP_CODE, codes::opcode(message.opcode()));
    let flags = [
        (Flag::Authoritative, field::DNS_FLAGS_AUTHORITATIVE, "AA"),
        (Flag::Truncated, field::DNS_FLAGS_TRUNCATED_RESPONSE, "TC"),
        (Flag::RecursionDesired, field::DNS_FLAGS_RECURSION_DESIRED, "RD"),
        (Flag::RecursionAvailable, field::DNS_FLAGS_RECURSION_AVAILABLE, "RA"),
        (Flag::AuthenticData, field::DNS_FLAGS_AUTHENTIC_DATA, "AD"),
        (Flag::CheckingDisabled, field::DNS_FLAGS_CHECKING_DISABLED, "CD"),
    ];
    for (flag, field, _) in flags {
        event.boolean(field, message.has(flag));
    }
    let opt = message.opt();
    event.list(field::DNS_HEADER_FLAGS, |list| {
        flags.iter().filter(|(flag, ..)| message.has(*flag)).for_each(|(.., name)| list.constant(name));
        if opt.is_some_and(|opt| edns::dnssec_ok(&opt)) {
            list.constant("DO");
        }
    });
    set_code(event, field::DNS_RESPONSE_CODE, codes::response_code(message.response_code()));
    if let Some(opt) = opt {
        edns::set(event, message, &opt);
    }
}

fn set_question(event: &mut Event, question: &Question<'_>) {
    event.written(field::DNS_QUESTION_NAME, |out| question.name.print(out));
    let mut name = ArrayVec::<u8, MAX_PRINTED_BYTES>::new();
    let printed = event.get(field::DNS_QUESTION_NAME).and_then(|value| event.text_of(value)).unwrap_or_default();
    // A printed name has at most as many bytes.
    let _ = name.try_extend_from_slice(printed);
    // Its escapes are ASCII.
    let name = std::str::from_utf8(&name).unwrap_or_default();
    set_code(event, field::DNS_QUESTION_TYPE, codes::record_type(question.kind));
    set_code(event, field::DNS_QUESTION_CLASS, codes::class(question.class));
    if let Some(parts) = domain::parts(name) {
        event.text(field::DNS_QUESTION_REGISTERED_DOMAIN, parts.registered);
        if parts.listed == Listed::Registrable {
            event.text(field::DNS_QUESTION_ETLD_PLUS_ONE, parts.registered);
        }
        event.text_if_any(field::DNS_QUESTION_TOP_LEVEL_DOMAIN, parts.top_level);
        event.text_if_any(field::DNS_QUESTION_SUBDOMAIN, parts.subdomain);
    }
}

fn set_records(event: &mut Event, options: &Options, half: &Half<'_>) {
    let message = &half.message;
    event.unsigned(field::DNS_ANSWERS_COUNT, half.answer_count);
    set_list(event, field::DNS_ANSWERS, half.answers());
    event.unsigned(field::DNS_AUTHORITIES_COUNT, u64::from(message.count(Section::Authorities)));
    if options.include_authorities {
        set_list(event, field::DNS_AUTHORITIES, message.records(Section::Authorities));
    }
    let opt_count = u16::from(message.opt().is_some());
    let additionals = message.count(Section::Additionals).saturating_sub(opt_count);
    event.unsigned(field::DNS_ADDITIONALS_COUNT, u64::from(additionals));
    if options.include_additionals {
        set_list(event, field::DNS_ADDITIONALS, message.records(Section::Additionals));
    }
}

fn set_list<'a>(event: &mut Event, field: Field, records: impl Iterator<Item = Record<'a>>) {
    // OPT is not listed, nor are address records without an address, of which nothing could be told.
    let mut records =
        records.filter(|record| record.kind != OPT && !(record.data.is_empty() && matches!(record.kind, 1 | 28)));
    let Some(first) = records.next() else { return };
    event.list(field, |list| {
        let start_bytes = list.text_bytes();
        add_record(list, &first);
        for record in records {
            if list.text_bytes() - start_bytes >= MAX_TEXT_BYTES {
                break;
            }
            add_record(list, &record);
        }
    });
}

fn add_record(list: &mut ListWriter<'_>, record: &Record<'_>) {
    list.map(|map| {
        map.written("name", |out| record.name.print(out));
        add_code(map, "type", codes::record_type(record.kind));
        add_code(map, "class", codes::class(record.class));
        map.written("ttl", |out| print_number(out, record.ttl));
        record::describe(record, &mut Keys(map));
    });
}

fn add_code(map: &mut MapWriter<'_>, key: &'static str, code: Code) {
    match code {
        Code::Known(name) => map.constant(key, name),
        code => map.written(key, |out| code.print(out)),
    }
}

struct Keys<'a, 'b>(&'a mut MapWriter<'b>);

impl Describe for Keys<'_, '_> {
    fn number(&mut self, key: &'static str, number: u32) {
        self.0.unsigned(key, u64::from(number));
    }

    fn text(&mut self, key: &'static str, text: impl Print) {
        self.0.written(key, |out| text.print(out));
    }

    fn address(&mut self, key: &'static str, address: IpAddr) {
        self.0.value(key, Value::Address(address));
    }
}

/// `dns.resolved_ip` in the order of the answers; `related.ip` the same once each, behind client and server.
fn set_addresses(event: &mut Event, half: &Half<'_>, parties: [IpAddr; 2], addresses: &mut Vec<(IpAddr, u32)>) {
    addresses.clear();
    addresses.shrink_to(KEPT_ADDRESSES);
    addresses.extend(half.answers().filter_map(|answer| record::address(&answer)).zip(0u32..));
    if addresses.is_empty() {
        return;
    }
    event.list(field::DNS_RESOLVED_IP, |list| {
        addresses.iter().for_each(|(address, _)| list.value(Value::Address(*address)));
    });
    // A transfer may hold thousands of addresses: sorted, not compared with each other.
    addresses.sort_unstable();
    addresses.dedup_by_key(|(address, _)| *address);
    addresses.retain(|(address, _)| !parties.contains(address));
    addresses.sort_unstable_by_key(|(_, place)| *place);
    if !addresses.is_empty() {
        event.append(field::RELATED_IP, |list| {
            addresses.iter().for_each(|(address, _)| list.value(Value::Address(*address)));
        });
    }
}
