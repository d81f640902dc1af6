// SPDX-License-Identifier: Apache-2.0
//! The index against `hashbrown`.

use hashbrown::HashMap;

use super::{FIRST_BUCKETS, Index, REACH, SLOTS};

#[test]
fn it_does_what_hashbrown_does() {
    let mut random = fastrand::Rng::with_seed(5);
    // Few hashes and many: equal hashes are told apart by their place.
    for (limit, hashes) in [(100, 1u32 << 4), (5_000, 1 << 12), (60_000, u32::MAX)] {
        let mut index = Index::new(limit).unwrap();
        let mut known: HashMap<u32, u32> = HashMap::new();
        for step in 0..300_000u32 {
            let place = random.u32(0..limit as u32);
            let growing = step / 60_000 % 2 == 0;
            match known.get(&place) {
                Some(hash) if random.u32(0..10) < if growing { 3 } else { 9 } => {
                    assert!(index.remove(*hash, place));
                    assert!(!index.remove(*hash, place));
                    known.remove(&place);
                }
                Some(hash) => {
                    assert_eq!(index.find(*hash, |found| found == place), Some(place));
                    assert_eq!(index.find(*hash, |_| false), None);
                }
                None => {
                    let hash = random.u32(0..hashes);
                    assert_eq!(index.find(hash, |found| found == place), None);
                    assert!(index.insert(hash, place));
                    known.insert(place, hash);
                }
            }
            assert_eq!(index.len(), known.len());
        }
        for (place, hash) in &known {
            assert_eq!(index.find(*hash, |found| found == *place), Some(*place));
        }
        for (place, hash) in known {
            assert!(index.remove(hash, place));
        }
        assert!(index.len() == 0 && index.buckets.iter().all(|bucket| bucket.places == [0; 8]));
    }
}

#[test]
fn it_grows_by_one_bucket_and_most_are_at_home_at_every_size() {
    let mut random = fastrand::Rng::with_seed(6);
    let hashes: Vec<u32> = (0..300_000).map(|_| random.u32(..)).collect();
    let mut index = Index::new(hashes.len()).unwrap();
    for (place, hash) in (0..).zip(&hashes) {
        let before = index.count;
        assert!(index.insert(*hash, place), "{place}");
        assert!(index.count - before <= 1);
        // Just before a round of growing ends its last buckets have the most.
        if place % 10_000 == 0 || (index.count != before && (index.count + 1).is_power_of_two()) {
            let known = (0..).zip(&hashes[..=place as usize]);
            let elsewhere = known.filter(|(place, hash)| index.likely(**hash) != Some(*place)).count();
            assert!(elsewhere <= place as usize / 20 + 5, "{elsewhere} of {place} are not in their home bucket");
        }
    }
    assert!((index.count as usize..index.count as usize + 2).contains(&(index.buckets.len() - REACH)));
}

#[test]
fn hashes_that_all_meet_are_refused_in_the_end() {
    let mut index = Index::new(100_000).unwrap();
    let taken = (0..100_000).take_while(|place| index.insert(7, *place)).count();
    assert_eq!(taken, REACH * SLOTS);
    assert!((0..taken as u32).all(|place| index.find(7, |found| found == place) == Some(place)));
    assert!(index.count > FIRST_BUCKETS);
}
