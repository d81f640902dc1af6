// SPDX-License-Identifier: Apache-2.0
//! Base64 (RFC 4648, section 4) for the two short texts of every flow's report: twelve bits at a time from a table.

/// Writes the text of `bytes` with padding to the begin of `text`; answers its length without the padding. What has no room
/// is left out.
#[inline]
pub(super) fn encode(bytes: &[u8], text: &mut [u8]) -> usize {
    let whole = bytes.chunks_exact(3);
    let rest = whole.remainder();
    let mut places = text.chunks_exact_mut(4);
    for (chunk, place) in whole.zip(&mut places) {
        let bits = usize::from(chunk[0]) << 16 | usize::from(chunk[1]) << 8 | usize::from(chunk[2]);
        place[..2].copy_from_slice(&PAIRS[bits >> 12]);
        place[2..].copy_from_slice(&PAIRS[bits & 0xfff]);
    }
    if let (Some(place), [first, more @ ..]) = (places.next(), rest) {
        let bits = usize::from(*first) << 16 | more.first().map_or(0, |second| usize::from(*second) << 8);
        place[..2].copy_from_slice(&PAIRS[bits >> 12]);
        place[2] = if more.is_empty() { PADDING } else { PAIRS[bits & 0xfff][0] };
        place[3] = PADDING;
    }
    (bytes.len() * 4).div_ceil(3).min(text.len())
}

const PADDING: u8 = b'=';
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The two characters of every twelve bits.
static PAIRS: [[u8; 2]; 4096] = {
    let mut pairs = [[0; 2]; 4096];
    let mut bits = 0;
    while bits < pairs.len() {
        pairs[bits] = [ALPHABET[bits >> 6], ALPHABET[bits & 63]];
        bits += 1;
    }
    pairs
};

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

    #[test]
    fn it_writes_what_others_write() {
        let mut random = fastrand::Rng::with_seed(1);
        for length in 0..100 {
            let bytes: Vec<u8> = (0..length).map(|_| random.u8(..)).collect();
            let mut text = [0; 140];
            let written = super::encode(&bytes, &mut text);
            assert_eq!(text[..written], *STANDARD_NO_PAD.encode(&bytes).as_bytes());
            let padded = STANDARD.encode(&bytes);
            assert_eq!(text[..padded.len()], *padded.as_bytes());
        }
    }
}
