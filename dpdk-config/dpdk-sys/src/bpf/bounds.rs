// SPDX-License-Identifier: Apache-2.0
//! Proves upper bounds for the offsets of all packet loads of a classic BPF program.
//!
//! Classic BPF only jumps forward, so one pass in program order sees every predecessor of an instruction before the instruction itself. The pass
//! keeps the greatest value that the accumulator, the index register and each memory word can have there.

use super::{ClassicInstruction, FilterError};

/// Offsets up to here cannot wrap around in DPDK's arithmetic, nor become negative when sign-extended.
const OFFSET_MAX: u64 = (1 << 30) - 1;
/// Greatest value of a 32-bit register.
const ANY: u32 = u32::MAX;
/// Words of scratch memory (`BPF_MEMWORDS`).
const MEMORY_WORDS: usize = 16;

// Classes, sizes, modes and operations of an instruction code (bpf.h).
const CLASS_LD: u16 = 0x00;
const CLASS_LDX: u16 = 0x01;
const CLASS_ST: u16 = 0x02;
const CLASS_STX: u16 = 0x03;
const CLASS_ALU: u16 = 0x04;
const CLASS_JMP: u16 = 0x05;
const CLASS_RET: u16 = 0x06;
const CLASS_MISC: u16 = 0x07;
const SIZE_WORD: u16 = 0x00;
const SIZE_HALF: u16 = 0x08;
const SIZE_BYTE: u16 = 0x10;
const MODE_IMMEDIATE: u16 = 0x00;
const MODE_ABSOLUTE: u16 = 0x20;
const MODE_INDEXED: u16 = 0x40;
const MODE_MEMORY: u16 = 0x60;
const MODE_LENGTH: u16 = 0x80;
const MODE_HEADER_LENGTH: u16 = 0xa0;
const SOURCE_INDEX: u16 = 0x08;

/// Greatest values at one point of the program.
#[derive(Clone, Copy)]
struct Bounds {
    accumulator: u32,
    index: u32,
    memory: [u32; MEMORY_WORDS],
}

impl Bounds {
    /// DPDK clears both registers first. Memory is not, so it may hold anything.
    const AT_START: Self = Self { accumulator: 0, index: 0, memory: [ANY; MEMORY_WORDS] };

    fn join(self, other: Self) -> Self {
        let mut memory = self.memory;
        for (word, other) in memory.iter_mut().zip(other.memory) {
            *word = (*word).max(other);
        }
        Self { accumulator: self.accumulator.max(other.accumulator), index: self.index.max(other.index), memory }
    }
}

/// Checks the form of the program and the bound of each load.
pub(super) fn check(program: &[ClassicInstruction]) -> Result<(), FilterError> {
    let mut reaching: Vec<Option<Bounds>> = vec![None; program.len()];
    if let Some(first) = reaching.first_mut() {
        *first = Some(Bounds::AT_START);
    }
    for (number, instruction) in program.iter().enumerate() {
        let before = reaching.get(number).copied().flatten();
        let Some(mut bounds) = before else {
            // Not reached. It is converted all the same, so its form counts, and with the greatest values nothing is missed.
            step(number, instruction, &mut Bounds { accumulator: 0, index: 0, memory: [0; MEMORY_WORDS] })?;
            for target in targets(number, instruction) {
                if target >= program.len() as u64 {
                    return Err(beyond_end(number));
                }
            }
            continue;
        };
        step(number, instruction, &mut bounds)?;
        for target in targets(number, instruction) {
            let place = usize::try_from(target).ok().and_then(|target| reaching.get_mut(target));
            let place = place.ok_or_else(|| beyond_end(number))?;
            *place = Some(place.map_or(bounds, |there| there.join(bounds)));
        }
    }
    Ok(())
}

/// Where the program can go on after an instruction.
fn targets(number: usize, instruction: &ClassicInstruction) -> impl Iterator<Item = u64> + use<> {
    let next = number as u64 + 1;
    let (first, second) = match instruction.code & 0x07 {
        CLASS_RET => (None, None),
        CLASS_JMP if instruction.code & 0xf0 == 0 => (Some(next + u64::from(instruction.k)), None),
        CLASS_JMP => (Some(next + u64::from(instruction.jump_true)), Some(next + u64::from(instruction.jump_false))),
        _ => (Some(next), None),
    };
    first.into_iter().chain(second)
}

fn beyond_end(instruction: usize) -> FilterError {
    FilterError::Invalid { instruction, why: "the program goes on beyond its end".to_owned() }
}

fn malformed(instruction: usize, code: u16) -> FilterError {
    FilterError::Invalid { instruction, why: format!("there is no operation {code:#06x}") }
}

/// What one instruction does to the bounds.
fn step(number: usize, instruction: &ClassicInstruction, bounds: &mut Bounds) -> Result<(), FilterError> {
    let ClassicInstruction { code, k, .. } = *instruction;
    match code & 0x07 {
        CLASS_LD => bounds.accumulator = load(number, instruction, bounds)?,
        CLASS_LDX => bounds.index = load_index(number, instruction, bounds)?,
        CLASS_ST => *memory_word(number, k, bounds)? = bounds.accumulator,
        CLASS_STX => *memory_word(number, k, bounds)? = bounds.index,
        CLASS_ALU => {
            let operand = if code & SOURCE_INDEX != 0 { Operand::Index(bounds.index) } else { Operand::Constant(k) };
            bounds.accumulator =
                arithmetic(code & 0xf0, bounds.accumulator, operand).ok_or_else(|| malformed(number, code))?;
        }
        CLASS_MISC if code & 0xf8 == 0x00 => bounds.index = bounds.accumulator,
        CLASS_MISC if code & 0xf8 == 0x80 => bounds.accumulator = bounds.index,
        CLASS_JMP if code & 0xf0 <= 0x40 => {}
        CLASS_RET if matches!(code & 0x18, 0x00 | 0x10) => {}
        _ => return Err(malformed(number, code)),
    }
    Ok(())
}

fn load(number: usize, instruction: &ClassicInstruction, bounds: &mut Bounds) -> Result<u32, FilterError> {
    let ClassicInstruction { code, k, .. } = *instruction;
    let loaded = match code & 0x18 {
        SIZE_WORD => ANY,
        SIZE_HALF => u32::from(u16::MAX),
        SIZE_BYTE => u32::from(u8::MAX),
        _ => return Err(malformed(number, code)),
    };
    match code & 0xe0 {
        MODE_ABSOLUTE => check_offset(number, u64::from(k)).map(|()| loaded),
        MODE_INDEXED => check_offset(number, u64::from(k) + u64::from(bounds.index)).map(|()| loaded),
        MODE_IMMEDIATE => Ok(k),
        MODE_MEMORY => memory_word(number, k, bounds).map(|word| *word),
        MODE_LENGTH => Ok(ANY),
        _ => Err(malformed(number, code)),
    }
}

fn load_index(number: usize, instruction: &ClassicInstruction, bounds: &mut Bounds) -> Result<u32, FilterError> {
    let ClassicInstruction { code, k, .. } = *instruction;
    match code & 0xe0 {
        MODE_IMMEDIATE => Ok(k),
        MODE_MEMORY => memory_word(number, k, bounds).map(|word| *word),
        MODE_LENGTH => Ok(ANY),
        // Four times the low half of a byte: an IPv4 header's length.
        MODE_HEADER_LENGTH if code & 0x18 == SIZE_BYTE => check_offset(number, u64::from(k)).map(|()| 60),
        _ => Err(malformed(number, code)),
    }
}

fn check_offset(instruction: usize, greatest: u64) -> Result<(), FilterError> {
    if greatest <= OFFSET_MAX { Ok(()) } else { Err(FilterError::Unbounded { instruction }) }
}

fn memory_word(instruction: usize, word: u32, bounds: &mut Bounds) -> Result<&mut u32, FilterError> {
    let place = usize::try_from(word).ok().and_then(|word| bounds.memory.get_mut(word));
    place.ok_or_else(|| FilterError::Invalid { instruction, why: format!("there is no memory word {word}") })
}

#[derive(Clone, Copy)]
enum Operand {
    Constant(u32),
    /// The index register, with its bound.
    Index(u32),
}

/// Greatest result of an operation on the accumulator, none when there is no such operation.
fn arithmetic(operation: u16, accumulator: u32, operand: Operand) -> Option<u32> {
    let (Operand::Constant(bound) | Operand::Index(bound)) = operand;
    let constant = matches!(operand, Operand::Constant(_));
    Some(match operation {
        // A result that may wrap around may be anything.
        0x00 => accumulator.checked_add(bound).unwrap_or(ANY),
        0x20 => accumulator.checked_mul(bound).unwrap_or(ANY),
        0x10 | 0x80 => ANY,
        0x30 if constant => accumulator.checked_div(bound)?,
        0x90 if constant => accumulator.min(bound.checked_sub(1)?),
        0x30 | 0x90 => accumulator,
        0x40 | 0xa0 => all_bits_below(accumulator | bound),
        0x50 => accumulator.min(bound),
        0x60 if constant && bound < 32 => {
            u32::try_from(u64::from(accumulator) << bound).unwrap_or(ANY)
        }
        0x70 if constant && bound < 32 => accumulator >> bound,
        0x60 | 0x70 if constant => return None,
        0x60 => ANY,
        0x70 => accumulator,
        _ => return None,
    })
}

/// The smallest number of ones only that is not below `value`.
fn all_bits_below(value: u32) -> u32 {
    ANY.checked_shr(value.leading_zeros()).unwrap_or(0)
}
