// SPDX-License-Identifier: Apache-2.0
//! Words, numbers, literals and signs of an IDL file, with their lines.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Token<'a> {
    /// An identifier or keyword, with dots.
    Word(&'a str),
    /// A number as it is written.
    Number(&'a str),
    /// Text between quotes, escapes as they are.
    Literal(&'a str),
    Sign(char),
    End,
}

impl fmt::Display for Token<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Token::Word(text) | Token::Number(text) | Token::Literal(text) => write!(formatter, "{text:?}"),
            Token::Sign(sign) => write!(formatter, "\"{sign}\""),
            Token::End => formatter.write_str("the end of the file"),
        }
    }
}

/// Cuts a text into tokens.
pub struct Lexer<'a> {
    rest: &'a str,
    pub line: usize,
}

impl<'a> Lexer<'a> {
    pub fn new(text: &'a str) -> Lexer<'a> {
        Lexer { rest: text.strip_prefix('\u{feff}').unwrap_or(text), line: 1 }
    }

    /// The next token; an error is a sentence about the current line.
    pub fn next(&mut self) -> Result<Token<'a>, String> {
        self.skip_blanks_and_comments()?;
        let Some(first) = self.rest.chars().next() else { return Ok(Token::End) };
        let second = self.rest.chars().nth(1);
        if first.is_ascii_alphabetic() || first == '_' {
            return Ok(Token::Word(self.take(self.word_length())));
        }
        let starts_number = |character: char| character.is_ascii_digit() || character == '.';
        if starts_number(first) || matches!(first, '+' | '-') && second.is_some_and(starts_number) {
            return Ok(Token::Number(self.take(self.number_length())));
        }
        if matches!(first, '"' | '\'') {
            return self.literal(first);
        }
        if "{}()[]<>,;:=*&".contains(first) {
            self.take(first.len_utf8());
            return Ok(Token::Sign(first));
        }
        Err(format!("found {first:?}, which begins nothing in a Thrift IDL file"))
    }

    fn skip_blanks_and_comments(&mut self) -> Result<(), String> {
        loop {
            let trimmed = self.rest.trim_start();
            self.take(self.rest.len() - trimmed.len());
            if self.rest.starts_with('#') || self.rest.starts_with("//") {
                self.take(self.rest.find('\n').unwrap_or(self.rest.len()));
            } else if let Some(comment) = self.rest.strip_prefix("/*") {
                let end = comment.find("*/").ok_or("this comment has no end, expected \"*/\"")?;
                self.take(end + 4);
            } else {
                return Ok(());
            }
        }
    }

    /// Letters, digits, `_`, dots, and dashes before a letter (in namespaces).
    fn word_length(&self) -> usize {
        let bytes = self.rest.as_bytes();
        let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let is_part = |(index, byte): (usize, &u8)| {
            is_letter(byte) || *byte == b'.' || *byte == b'-' && bytes.get(index + 1).is_some_and(is_letter)
        };
        bytes.iter().enumerate().take_while(|part| is_part(*part)).count()
    }

    fn number_length(&self) -> usize {
        let bytes = self.rest.as_bytes();
        let digits = self.rest.trim_start_matches(['+', '-']);
        let is_hexadecimal = digits.starts_with("0x") || digits.starts_with("0X");
        let is_part = |(index, byte): (usize, &u8)| match byte {
            b'+' | b'-' => {
                index == 0
                    || !is_hexadecimal && bytes.get(index - 1).is_some_and(|before| matches!(before, b'e' | b'E'))
            }
            byte => byte.is_ascii_alphanumeric() || *byte == b'.',
        };
        bytes.iter().enumerate().take_while(|part| is_part(*part)).count()
    }

    fn literal(&mut self, quote: char) -> Result<Token<'a>, String> {
        let mut is_escaped = false;
        for (index, character) in self.rest.char_indices().skip(1) {
            if is_escaped {
                is_escaped = false;
            } else if character == '\\' {
                is_escaped = true;
            } else if character == quote {
                let text = self.take(index + 1);
                return Ok(Token::Literal(text.get(1..index).unwrap_or_default()));
            }
        }
        Err(format!("this text has no end, expected {quote}"))
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.line += taken.bytes().filter(|byte| *byte == b'\n').count();
        self.rest = rest;
        taken
    }
}
