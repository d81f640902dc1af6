// SPDX-License-Identifier: Apache-2.0
//! IDL files: the whole language, and its mistakes.

use super::super::idl::Idl;

const EVERYTHING: &str = r#"
/** A comment
 *  of lines. */
# and another
// and one more
include "shared.thrift"
cpp_include '<vector>'
namespace * all
namespace cpp a.b
namespace py.twisted x (uri = "http://example.org")
namespace smalltalk.category Thrift-Tutorial
namespace xsd "urn:x"
php_namespace old
xsd_namespace 'urn:y'

typedef i64 UserId (js.type = "Long")
typedef map<string, list<set<i32>>> Deep
typedef list<string> cpp_type "std::deque" Names;
const i32 NUMBER = -0x1F
const double RATIO = 1.5e-3
const double SMALL = .5;
const string TEXT = "it's \"quoted\""
const string OTHER = 'a // no comment'
const map<string, list<i32>> MAP = { "a": [1, 2; 3], 'b': [], "c": [Role.ADMIN] },
const User USER = { "name": "x" }
const bool YES = true

enum Role { READER = 1, WRITER (old) ; ADMIN = 0x7 (a = "b", c) } (d = "e")
enum Empty {}
senum Words { "one", "two" }

struct User {
  1: required UserId id = 5,
  2: optional string name = "nobody" (a.b = "c", d);
  -3: map cpp_type "unordered" <i32, string> attributes = {1: "x"}
  4: list<User> & children
  5: i8 small, 6: uuid key, 7: binary picture; slist legacy
  string unnumbered
} (final)
struct Xsd xsd_all { 1: string a xsd_optional xsd_nillable xsd_attrs { 2: string b } }
union Either { 1: i32 one, 2: string other }
exception Problem { 1: string why } (message = "why")

service Base { void ping() }
service Users extends shared.Base {
  User get(1: UserId id, 2: i32 limit = 10) throws (1: Problem missing, 2: Problem refused) (deprecated = "no"),
  oneway void log(1: string line);
  async void old(1: string line)
  list<map<string, User>> all()
  i32 (annotated = "type") counted(first, string second)
  void auto(string one, string two) throws (Problem three)
} (a = "b")
"#;

#[test]
fn the_whole_language_is_read() {
    let text = EVERYTHING.replace("first, string second", "string first, string second");
    let mut idl = Idl::default();
    idl.add("all.thrift", &text).unwrap();
    let method = |name: &str| idl.method(idl.find(name.as_bytes()).unwrap()).unwrap();
    let get = method("get");
    assert_eq!((get.service.as_str(), get.parameter(1), get.parameter(2)), ("Users", Some("id"), Some("limit")));
    assert_eq!((get.parameter(3), get.exception(1), get.exception(2)), (None, Some("missing"), Some("refused")));
    assert_eq!((method("ping").service.as_str(), method("ping").is_oneway), ("Base", false));
    assert!(method("log").is_oneway && method("old").is_oneway && !method("all").is_oneway);
    let auto = method("auto");
    assert_eq!((auto.parameter(-1), auto.parameter(-2), auto.exception(-1)), (Some("one"), Some("two"), Some("three")));
    assert_eq!(idl.find(b"nothing"), None);
    assert_eq!(idl.find(b"g"), None);
}

#[test]
fn mistakes_are_told_with_file_and_line() {
    for (text, error) in [
        ("struct", "x.thrift:1: found the end of the file, expected the name of the structure"),
        (
            "\n\nfoo",
            "x.thrift:3: found \"foo\", expected include, namespace, const, typedef, enum, struct, union, exception or service",
        ),
        ("struct A {\n1: }", "x.thrift:2: found \"}\", expected a type"),
        ("struct A {\n1 string a }", "x.thrift:2: found \"string\", expected \":\" behind the field's number"),
        ("struct A { 40000: i32 a }", "x.thrift:1: found \"40000\", expected a field's number from -32768 to 32767"),
        ("service S {\n void a(\n}", "x.thrift:3: found \"}\", expected a type"),
        ("enum E { A = x }", "x.thrift:1: found \"x\", expected the member's number"),
        ("const i32 A = }", "x.thrift:1: found \"}\", expected a value"),
        ("const i32 A = 1x", "x.thrift:1: found \"1x\", expected a number"),
        ("include shared", "x.thrift:1: found \"shared\", expected the name of a file in quotes"),
        ("\n/* open\n", "x.thrift:2: this comment has no end, expected \"*/\""),
        ("const string A = 'open", "x.thrift:1: this text has no end, expected '"),
        ("struct A %", "x.thrift:1: found '%', which begins nothing in a Thrift IDL file"),
        ("typedef map<i32> M", "x.thrift:1: found \">\", expected \",\" and the type of the values"),
        ("struct A (x = 5) {}", "x.thrift:1: found \"(\", expected \"{\" and the fields"),
    ] {
        assert_eq!(Idl::default().add("x.thrift", text).unwrap_err(), error);
    }
}

#[test]
fn depth_is_bounded() {
    let deep = format!("typedef {}i32{} Deep", "list<".repeat(100_000), ">".repeat(100_000));
    let error = Idl::default().add("x.thrift", &deep).unwrap_err();
    assert!(error.contains("expected at most 64 levels"), "{error}");
    let deep = format!("const A B = {}", "[".repeat(100_000));
    assert!(Idl::default().add("x.thrift", &deep).is_err());
}

#[test]
fn any_text_is_harmless() {
    let mut random = fastrand::Rng::with_seed(3);
    for length in 0..EVERYTHING.len() {
        let _ = Idl::default().add("x.thrift", EVERYTHING.get(..length).unwrap_or_default());
    }
    for _ in 0..1000 {
        let mut bytes = EVERYTHING.as_bytes().to_vec();
        for _ in 0..3 {
            let at = random.usize(..bytes.len());
            bytes[at] = random.u8(..);
        }
        let _ = Idl::default().add("x.thrift", &String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn a_multiplexed_name_prefers_its_service() {
    let mut idl = Idl::default();
    idl.add("a.thrift", "service A { void get(1: i32 a) }").unwrap();
    idl.add("b.thrift", "service B { void get(1: i32 b), void at() }").unwrap();
    let service = |name: &[u8]| idl.method(idl.find(name).unwrap()).unwrap().service.as_str();
    assert_eq!((service(b"get"), service(b"A:get"), service(b"B:get"), service(b"C:get")), ("A", "A", "B", "A"));
}
