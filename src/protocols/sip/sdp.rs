// SPDX-License-Identifier: Apache-2.0
//! Session descriptions (RFC 8866): the session's own lines, and what media there are. Keeps nothing.

use super::message::next_line;

/// What an event shows of a session description. What is absent, or a dash, is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Session<'a> {
    pub version: &'a [u8],
    pub owner: Owner<'a>,
    pub name: &'a [u8],
    /// The connection line in front of the first media line.
    pub connection: &'a [u8],
}

/// The origin line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owner<'a> {
    pub username: &'a [u8],
    pub session_id: &'a [u8],
    pub version: &'a [u8],
    pub address: &'a [u8],
}

impl<'a> Session<'a> {
    pub fn parse(body: &'a [u8]) -> Session<'a> {
        let mut session = Session::default();
        let mut in_media = false;
        for (kind, value) in lines(body) {
            match kind {
                b'v' => session.version = value,
                b'o' => session.owner = Owner::parse(value).unwrap_or(session.owner),
                b's' => session.name = unless_dash(value),
                b'c' if !in_media => session.connection = value,
                b'm' => in_media = true,
                _ => {}
            }
        }
        session
    }

    /// Address of the connection line.
    pub fn connection_address(&self) -> &'a [u8] {
        words(self.connection).last().unwrap_or_default()
    }
}

/// The values of the media lines.
pub fn media(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    lines(body).filter(|(kind, value)| *kind == b'm' && !value.is_empty()).map(|(_, value)| value)
}

impl<'a> Owner<'a> {
    /// User, session, version, then network type, address type and address.
    fn parse(value: &'a [u8]) -> Option<Owner<'a>> {
        let mut words = words(value);
        let (username, session_id, version) = (words.next()?, words.next()?, words.next()?);
        Some(Owner { username: unless_dash(username), session_id, version, address: words.last()? })
    }
}

/// Kind and value of every line `kind=value`.
fn lines(body: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = body;
    std::iter::from_fn(move || next_line(&mut rest)).filter_map(|line| match line.trim_ascii() {
        [kind, b'=', value @ ..] => Some((kind.to_ascii_lowercase(), value.trim_ascii())),
        _ => None,
    })
}

fn words(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

fn unless_dash(value: &[u8]) -> &[u8] {
    if value == b"-" { b"" } else { value }
}
