// SPDX-License-Identifier: Apache-2.0
//! Certificates that a worker has read: servers show the same ones in every handshake.
//!
//! A certificate is found by its hash and is the same only when all its bytes are. The cache is a number of sets of a few
//! places; the place that was not used for longest is taken. Limits: it never holds more than [`MAX_BYTES`]; a certificate
//! beyond [`MAX_CERTIFICATE_BYTES`] is read each time.

use twox_hash::XxHash64;

use super::certificate::Certificate;

const SETS: usize = 128;
const PLACES: usize = 4;
/// A certificate with what is known of it. Usual are 4 KiB.
const MAX_CERTIFICATE_BYTES: usize = 16 << 10;
/// Of a worker. PEM comes on top when it is asked for.
#[cfg(test)]
const MAX_BYTES: usize = SETS * PLACES * MAX_CERTIFICATE_BYTES;

#[derive(Default)]
pub struct Cache {
    /// Empty before the first certificate.
    places: Vec<Place>,
    /// Counts uses.
    clock: u64,
    /// The last one that is not worth its memory.
    passing: Certificate,
}

#[derive(Default)]
struct Place {
    /// Empty: free.
    der: Vec<u8>,
    used: u64,
    certificate: Certificate,
}

impl Cache {
    /// What is known of a certificate.
    pub fn certificate(&mut self, der: &[u8]) -> &mut Certificate {
        if der.is_empty() || der.len() > MAX_CERTIFICATE_BYTES / 2 {
            self.passing = Certificate::read(der);
            return &mut self.passing;
        }
        if self.places.is_empty() {
            self.places.resize_with(SETS * PLACES, Place::default);
        }
        self.clock += 1;
        let first = XxHash64::oneshot(0, der) as usize % SETS * PLACES;
        let set = self.places.get_mut(first..first + PLACES).unwrap_or_default();
        let known = set.iter().position(|place| place.der == der);
        let oldest = || set.iter().enumerate().min_by_key(|(_, place)| place.used).map(|(index, _)| index);
        let Some(place) = known.or_else(oldest).and_then(|index| set.get_mut(index)) else {
            return &mut self.passing;
        };
        if known.is_none() {
            let certificate = Certificate::read(der);
            if certificate.bytes() + der.len() > MAX_CERTIFICATE_BYTES {
                self.passing = certificate;
                return &mut self.passing;
            }
            *place = Place { der: der.to_vec(), used: 0, certificate };
        }
        place.used = self.clock;
        &mut place.certificate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(cache: &Cache) -> usize {
        cache.places.iter().map(|place| place.der.capacity() + place.certificate.bytes()).sum()
    }

    /// How often a certificate is read is told by a mark that a new one lacks.
    #[test]
    fn what_is_used_stays_and_memory_is_bounded() {
        let mut cache = Cache::default();
        let often = vec![1; 1000];
        cache.certificate(&often).mark();
        for number in 0..4_000_u32 {
            let other = [number.to_be_bytes().as_slice(), &[2; 2_000]].concat();
            assert!(!cache.certificate(&other).is_marked(), "{number}");
            assert!(cache.certificate(&often).is_marked(), "{number}");
        }
        assert!(bytes(&cache) > SETS * PLACES * 1_900 && bytes(&cache) <= MAX_BYTES, "{}", bytes(&cache));
        let mut almost = often.clone();
        almost[999] = 2;
        assert!(!cache.certificate(&almost).is_marked());
        let long = vec![3; MAX_CERTIFICATE_BYTES];
        cache.certificate(&long).mark();
        assert!(!cache.certificate(&long).is_marked(), "it is not kept");
    }
}
