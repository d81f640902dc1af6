// SPDX-License-Identifier: Apache-2.0
//! The grammar of Thrift IDL files; keeps the methods.

use super::lexer::{Lexer, Token};
use super::{Method, Named};

/// The methods of a file, in its order. The error is a sentence with file and line.
pub fn methods(file: &str, text: &str) -> Result<Vec<Method>, String> {
    let mut parser = Parser { file, lexer: Lexer::new(text), token: Token::End, line: 1, methods: Vec::new() };
    parser.advance()?;
    while parser.token != Token::End {
        parser.definition()?;
        parser.separator()?;
    }
    Ok(parser.methods)
}

/// Types and constants within each other.
const MAX_DEPTH: usize = 64;

/// Words of older files that name a namespace with one language each.
const OLD_NAMESPACES: &[&str] = &[
    "cocoa_package",
    "cocoa_prefix",
    "cpp_namespace",
    "csharp_namespace",
    "delphi_namespace",
    "java_package",
    "perl_package",
    "php_namespace",
    "py_module",
    "ruby_namespace",
    "smalltalk_category",
    "smalltalk_prefix",
    "xsd_namespace",
];

struct Parser<'a> {
    file: &'a str,
    lexer: Lexer<'a>,
    /// The token at hand and its line.
    token: Token<'a>,
    line: usize,
    methods: Vec<Method>,
}

impl<'a> Parser<'a> {
    fn definition(&mut self) -> Result<(), String> {
        const EXPECTED: &str = "include, namespace, const, typedef, enum, struct, union, exception or service";
        let Token::Word(word) = self.token else { return Err(self.unexpected(EXPECTED)) };
        match word {
            "include" | "cpp_include" | "hs_include" => {
                self.advance()?;
                self.literal("the name of a file in quotes")?;
                Ok(())
            }
            "namespace" => self.namespace(),
            "const" => self.constant(),
            "typedef" => self.typedef(),
            "enum" => self.enumeration(),
            "senum" => self.string_enumeration(),
            "struct" | "union" | "exception" => self.structure(),
            "service" => self.service(),
            _ if OLD_NAMESPACES.contains(&word) => {
                self.advance()?;
                self.word_or_literal("the name of a namespace")
            }
            _ => Err(self.unexpected(EXPECTED)),
        }
    }

    fn namespace(&mut self) -> Result<(), String> {
        self.advance()?;
        if !self.accept('*')? {
            self.word("a language or \"*\"")?;
        }
        self.word_or_literal("the name of a namespace")?;
        self.annotations()
    }

    fn constant(&mut self) -> Result<(), String> {
        self.advance()?;
        self.value_type(0)?;
        self.word("the name of the constant")?;
        self.expect('=', "\"=\" and the constant's value")?;
        self.value(0)
    }

    fn typedef(&mut self) -> Result<(), String> {
        self.advance()?;
        self.value_type(0)?;
        self.word("the name of the type")?;
        self.annotations()
    }

    fn enumeration(&mut self) -> Result<(), String> {
        self.advance()?;
        self.word("the name of the enum")?;
        self.expect('{', "\"{\" and the members of the enum")?;
        while !self.accept('}')? {
            self.word("a member of the enum or \"}\"")?;
            if self.accept('=')? {
                self.integer("the member's number")?;
            }
            self.annotations()?;
            self.separator()?;
        }
        self.annotations()
    }

    fn string_enumeration(&mut self) -> Result<(), String> {
        self.advance()?;
        self.word("the name of the senum")?;
        self.expect('{', "\"{\" and the members of the senum")?;
        while !self.accept('}')? {
            self.literal("a text in quotes or \"}\"")?;
            self.separator()?;
        }
        self.annotations()
    }

    fn structure(&mut self) -> Result<(), String> {
        self.advance()?;
        self.word("the name of the structure")?;
        self.accept_word("xsd_all")?;
        self.expect('{', "\"{\" and the fields")?;
        self.fields('}')?;
        self.annotations()
    }

    fn service(&mut self) -> Result<(), String> {
        self.advance()?;
        let service = self.word("the name of the service")?;
        if self.accept_word("extends")? {
            self.word("the name of a service")?;
        }
        self.expect('{', "\"{\" and the methods of the service")?;
        while !self.accept('}')? {
            let method = self.method(service)?;
            self.methods.push(method);
        }
        self.annotations()
    }

    fn method(&mut self, service: &str) -> Result<Method, String> {
        let is_oneway = self.accept_word("oneway")? || self.accept_word("async")?;
        if self.token == Token::Word("void") {
            self.advance()?;
        } else {
            self.value_type(0)?;
        }
        let name = self.word("the name of the method")?;
        self.expect('(', "\"(\" and the parameters")?;
        let parameters = self.fields(')')?;
        let mut exceptions = Vec::new();
        if self.accept_word("throws")? {
            self.expect('(', "\"(\" and the exceptions")?;
            exceptions = self.fields(')')?;
        }
        self.annotations()?;
        self.separator()?;
        Ok(Method { service: service.to_owned(), name: name.to_owned(), is_oneway, parameters, exceptions })
    }

    /// Fields up to a closing bracket. Those without a number count down from -1.
    fn fields(&mut self, close: char) -> Result<Vec<Named>, String> {
        let mut fields = Vec::new();
        let mut next_without_number = -1_i16;
        while !self.accept(close)? {
            let id = if matches!(self.token, Token::Number(_)) {
                let found = self.unexpected("a field's number from -32768 to 32767");
                let id = self.integer("a field's number")?;
                self.expect(':', "\":\" behind the field's number")?;
                i16::try_from(id).map_err(|_| found)?
            } else {
                next_without_number = next_without_number.saturating_sub(1);
                next_without_number + 1
            };
            let _ = self.accept_word("required")? || self.accept_word("optional")?;
            self.value_type(0)?;
            self.accept('&')?;
            let name = self.word("the name of the field")?;
            if self.accept('=')? {
                self.value(0)?;
            }
            self.accept_word("xsd_optional")?;
            self.accept_word("xsd_nillable")?;
            if self.accept_word("xsd_attrs")? {
                self.expect('{', "\"{\" and the attributes")?;
                self.fields('}')?;
            }
            self.annotations()?;
            self.separator()?;
            fields.push(Named { id, name: name.to_owned() });
        }
        Ok(fields)
    }

    fn value_type(&mut self, depth: usize) -> Result<(), String> {
        self.check(depth)?;
        match self.word("a type")? {
            "map" => {
                self.cpp_type()?;
                self.expect('<', "\"<\" and the type of the keys")?;
                self.value_type(depth + 1)?;
                self.expect(',', "\",\" and the type of the values")?;
                self.value_type(depth + 1)?;
                self.expect('>', "\">\"")?;
            }
            "set" | "list" => {
                self.cpp_type()?;
                self.expect('<', "\"<\" and the type of the elements")?;
                self.value_type(depth + 1)?;
                self.expect('>', "\">\"")?;
                self.cpp_type()?;
            }
            _ => {}
        }
        self.annotations()
    }

    fn cpp_type(&mut self) -> Result<(), String> {
        if self.accept_word("cpp_type")? {
            self.literal("a type in quotes")?;
        }
        Ok(())
    }

    /// A constant: number, text, name, list or map.
    fn value(&mut self, depth: usize) -> Result<(), String> {
        self.check(depth)?;
        match self.token {
            Token::Number(_) => self.number(),
            Token::Word(_) | Token::Literal(_) => self.advance(),
            Token::Sign('[') => {
                self.advance()?;
                while !self.accept(']')? {
                    self.value(depth + 1)?;
                    self.separator()?;
                }
                Ok(())
            }
            Token::Sign('{') => {
                self.advance()?;
                while !self.accept('}')? {
                    self.value(depth + 1)?;
                    self.expect(':', "\":\" and the value of the key")?;
                    self.value(depth + 1)?;
                    self.separator()?;
                }
                Ok(())
            }
            _ => Err(self.unexpected("a value")),
        }
    }

    /// `(name = "value", name)`
    fn annotations(&mut self) -> Result<(), String> {
        if !self.accept('(')? {
            return Ok(());
        }
        while !self.accept(')')? {
            self.word("the name of an annotation or \")\"")?;
            if self.accept('=')? {
                self.literal("the annotation's value in quotes")?;
            }
            self.separator()?;
        }
        Ok(())
    }

    /// Commas and semicolons separate, and may be left out.
    fn separator(&mut self) -> Result<(), String> {
        let _ = self.accept(',')? || self.accept(';')?;
        Ok(())
    }

    fn number(&mut self) -> Result<(), String> {
        let Token::Number(text) = self.token else { return Err(self.unexpected("a number")) };
        if parsed_integer(text).is_none() && text.parse::<f64>().is_err() {
            return Err(self.unexpected("a number"));
        }
        self.advance()
    }

    fn integer(&mut self, expected: &str) -> Result<i64, String> {
        let value = match self.token {
            Token::Number(text) => parsed_integer(text),
            _ => None,
        };
        let value = value.ok_or_else(|| self.unexpected(expected))?;
        self.advance()?;
        Ok(value)
    }

    fn word(&mut self, expected: &str) -> Result<&'a str, String> {
        let Token::Word(word) = self.token else { return Err(self.unexpected(expected)) };
        self.advance()?;
        Ok(word)
    }

    fn literal(&mut self, expected: &str) -> Result<&'a str, String> {
        let Token::Literal(text) = self.token else { return Err(self.unexpected(expected)) };
        self.advance()?;
        Ok(text)
    }

    fn word_or_literal(&mut self, expected: &str) -> Result<(), String> {
        match self.token {
            Token::Word(_) | Token::Literal(_) => self.advance(),
            _ => Err(self.unexpected(expected)),
        }
    }

    fn expect(&mut self, sign: char, expected: &str) -> Result<(), String> {
        if self.accept(sign)? { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    fn accept(&mut self, sign: char) -> Result<bool, String> {
        self.accept_token(Token::Sign(sign))
    }

    fn accept_word(&mut self, word: &'static str) -> Result<bool, String> {
        self.accept_token(Token::Word(word))
    }

    fn accept_token(&mut self, token: Token<'a>) -> Result<bool, String> {
        let is_there = self.token == token;
        if is_there {
            self.advance()?;
        }
        Ok(is_there)
    }

    fn advance(&mut self) -> Result<(), String> {
        self.token = self.lexer.next().map_err(|error| format!("{}:{}: {error}", self.file, self.lexer.line))?;
        self.line = self.lexer.line;
        Ok(())
    }

    fn check(&self, depth: usize) -> Result<(), String> {
        if depth < MAX_DEPTH { Ok(()) } else { Err(self.unexpected("at most 64 levels within each other")) }
    }

    fn unexpected(&self, expected: &str) -> String {
        format!("{}:{}: found {}, expected {expected}", self.file, self.line, self.token)
    }
}

fn parsed_integer(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let hexadecimal = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    let value = match hexadecimal {
        Some(digits) => i64::from_str_radix(digits, 16),
        None => digits.parse(),
    };
    value.ok().map(|value: i64| value.wrapping_mul(sign))
}
