// SPDX-License-Identifier: Apache-2.0
//! Converts a classic BPF program (`pcap_compile`) to the eBPF that DPDK loads.
//!
//! Why not `rte_bpf_convert`: in all its releases so far it takes the accumulator instead of the index register for
//! indexed loads of words and bytes, so `udp[8:4] = 1` tests the wrong bytes; and DPDK's load of a packet word wraps
//! around at 4 GiB (before 26.03 and the LTS releases with its fix), so an offset computed from packet bytes could lead
//! outside of the packet. Here every indexed load is preceded by a check of its offset.
//!
//! The result behaves as libpcap's interpreter: a load beyond the packet and a division by 0 end the program with 0.

use super::{ClassicInstruction, FilterError};
use crate::sys;

/// Loads beyond this offset are beyond any packet; up to it DPDK's arithmetic cannot wrap around.
const OFFSET_MAX: u32 = (1 << 30) - 1;
/// From here on Linux means not the packet but data beside it, such as a stripped VLAN tag (`SKF_LL_OFF` to
/// `SKF_AD_OFF`).
const BESIDE_PACKET: u32 = 0xffe0_0000;
/// Words of scratch memory (`BPF_MEMWORDS`).
const MEMORY_WORDS: u32 = 16;

// Classes, modes, operations and sources of an instruction code (bpf.h, bpf_def.h).
const LD: u16 = 0x00;
const LDX: u16 = 0x01;
const ST: u16 = 0x02;
const STX: u16 = 0x03;
const ALU: u16 = 0x04;
const JMP: u16 = 0x05;
const RET: u16 = 0x06;
const MISC: u16 = 0x07;
const ALU64: u16 = 0x07;
const BYTE: u16 = 0x10;
const IMMEDIATE: u16 = 0x00;
const ABSOLUTE: u16 = 0x20;
const INDEXED: u16 = 0x40;
const MEMORY: u16 = 0x60;
const LENGTH: u16 = 0x80;
const HEADER_LENGTH: u16 = 0xa0;
const SOURCE_REGISTER: u16 = 0x08;
const DIVIDE: u16 = 0x30;
const AND: u16 = 0x50;
const SHIFT_LEFT: u16 = 0x60;
const SHIFT_RIGHT: u16 = 0x70;
const NEGATE: u16 = 0x80;
const MODULO: u16 = 0x90;
const EXCLUSIVE_OR: u16 = 0xa0;
const MOVE: u16 = 0xb0;
const ALWAYS: u16 = 0x00;
const EQUAL: u16 = 0x10;
const GREATER: u16 = 0x20;
const ANY_BIT: u16 = 0x40;
/// eBPF's condition without a counterpart in classic BPF.
const LESS_OR_EQUAL: u16 = 0xb0;
const EXIT: u16 = 0x90;

/// eBPF registers. Packet loads expect the mbuf in 6, leave 7 to 9 alone, and give their result in 0.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Register {
    Accumulator = 0,
    Argument = 1,
    Packet = 6,
    Index = 7,
    Scratch = 8,
    Frame = 10,
}

/// Converts a program of at most 4096 instructions.
pub(super) fn convert(program: &[ClassicInstruction]) -> Result<Vec<sys::ebpf_insn>, FilterError> {
    let reached = check(program)?;
    let mut output = Output { code: Vec::with_capacity(program.len() * 2 + 8), jumps: Vec::new() };
    output.prologue(program);
    let mut places = Vec::with_capacity(program.len());
    for (number, instruction) in program.iter().enumerate() {
        places.push(output.code.len());
        // DPDK refuses programs with code that nothing reaches.
        if reached.get(number) == Some(&true) {
            output.instruction(number, instruction);
        }
    }
    let reject = output.code.len();
    if output.jumps.iter().any(|jump| jump.target == Target::Reject) {
        output.set(Register::Accumulator, 0);
        output.exit();
    }
    output.resolve(&places, reject)
}

/// Checks the form of each instruction, and tells which are reached. Classic BPF only jumps forward, so one pass does.
fn check(program: &[ClassicInstruction]) -> Result<Vec<bool>, FilterError> {
    let mut reached = vec![false; program.len()];
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    for (number, instruction) in program.iter().enumerate() {
        check_form(number, instruction)?;
        let goes_on = reached.get(number) == Some(&true) && !(loads_packet(instruction) && instruction.k > OFFSET_MAX);
        for target in targets(number, instruction).into_iter().flatten() {
            match usize::try_from(target).ok().and_then(|target| reached.get_mut(target)) {
                Some(place) => *place |= goes_on,
                None => return Err(invalid(number, "the program goes on beyond its end".to_owned())),
            }
        }
    }
    Ok(reached)
}

/// Where the program can go on after an instruction.
fn targets(number: usize, instruction: &ClassicInstruction) -> [Option<u64>; 2] {
    let next = number as u64 + 1;
    match instruction.code & 0x07 {
        RET => [None, None],
        JMP if instruction.code & 0xf0 == ALWAYS => [Some(next + u64::from(instruction.k)), None],
        JMP => [Some(next + u64::from(instruction.jump_true)), Some(next + u64::from(instruction.jump_false))],
        _ => [Some(next), None],
    }
}

fn check_form(number: usize, instruction: &ClassicInstruction) -> Result<(), FilterError> {
    let ClassicInstruction { code, k, .. } = *instruction;
    let is_known = match code & 0x07 {
        _ if code > 0xff => false,
        LD => code & 0x18 != 0x18 && code & 0xe0 <= LENGTH,
        LDX => matches!(code & 0xe0, IMMEDIATE | MEMORY | LENGTH) || code == LDX | HEADER_LENGTH | BYTE,
        ST | STX => code & 0xf8 == 0,
        ALU => code & 0xf0 <= EXCLUSIVE_OR,
        JMP => code & 0xf0 <= 0x40,
        RET => matches!(code & 0x18, 0x00 | 0x10),
        _ => matches!(code & 0xf8, 0x00 | 0x80),
    };
    if !is_known {
        return Err(invalid(number, format!("there is no operation {code:#06x}")));
    }
    let uses_memory = matches!(code & 0x07, ST | STX) || (matches!(code & 0x07, LD | LDX) && code & 0xe0 == MEMORY);
    if uses_memory && k >= MEMORY_WORDS {
        return Err(invalid(number, format!("there is no memory word {k}")));
    }
    if matches!(code, 0x34 | 0x94) && k == 0 {
        return Err(invalid(number, "it divides by 0".to_owned()));
    }
    if loads_packet(instruction) && k >= BESIDE_PACKET {
        return Err(FilterError::BesidePacket { instruction: number });
    }
    Ok(())
}

fn loads_packet(instruction: &ClassicInstruction) -> bool {
    let ClassicInstruction { code, .. } = *instruction;
    matches!(code & 0x07, LD | LDX) && matches!(code & 0xe0, ABSOLUTE | INDEXED | HEADER_LENGTH)
}

fn invalid(instruction: usize, why: String) -> FilterError {
    FilterError::Invalid { instruction, why }
}

/// Where a jump goes: to a classic instruction, or to the end that rejects the packet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    Instruction(usize),
    Reject,
}

/// A jump whose distance is not known yet.
struct Jump {
    place: usize,
    target: Target,
}

struct Output {
    code: Vec<sys::ebpf_insn>,
    jumps: Vec<Jump>,
}

impl Output {
    /// Clears the registers and the memory words that are read, and keeps the mbuf where loads expect it.
    fn prologue(&mut self, program: &[ClassicInstruction]) {
        self.set(Register::Accumulator, 0);
        self.set(Register::Index, 0);
        self.copy(Register::Packet, Register::Argument);
        for word in 0..MEMORY_WORDS {
            let reads =
                |instruction: &ClassicInstruction| matches!(instruction.code, 0x60 | 0x61) && instruction.k == word;
            if program.iter().any(reads) {
                self.emit(STX | MEMORY, Register::Frame, Register::Accumulator, memory_offset(word), 0);
            }
        }
    }

    fn instruction(&mut self, number: usize, instruction: &ClassicInstruction) {
        let ClassicInstruction { code, k, .. } = *instruction;
        match code & 0x07 {
            LD => self.load(code, k, Register::Accumulator),
            LDX => self.load(code, k, Register::Index),
            ST => self.emit(STX | MEMORY, Register::Frame, Register::Accumulator, memory_offset(k), 0),
            STX => self.emit(STX | MEMORY, Register::Frame, Register::Index, memory_offset(k), 0),
            ALU => self.arithmetic(code, k),
            JMP => self.jump(number, instruction),
            RET => {
                if code & 0x18 == 0 {
                    self.set(Register::Accumulator, k);
                }
                self.exit();
            }
            _ if code & 0xf8 == 0 => self.copy(Register::Index, Register::Accumulator),
            MISC => self.copy(Register::Accumulator, Register::Index),
            _ => {}
        }
    }

    fn load(&mut self, code: u16, k: u32, target: Register) {
        match code & 0xe0 {
            IMMEDIATE => self.set(target, k),
            MEMORY => self.emit(LDX | MEMORY, target, Register::Frame, memory_offset(k), 0),
            LENGTH => self.emit(LDX | MEMORY, target, Register::Packet, sys::SHIM_MBUF_PKT_LEN_OFFSET as i16, 0),
            // No packet is that long.
            _ if k > OFFSET_MAX => self.jump_to(ALWAYS, Register::Accumulator, Operand::Constant(0), Target::Reject),
            HEADER_LENGTH => {
                self.copy(Register::Scratch, Register::Accumulator);
                self.emit(LD | ABSOLUTE | BYTE, Register::Accumulator, Register::Accumulator, 0, k as i32);
                self.operate(AND, Register::Accumulator, Operand::Constant(0xf));
                self.operate(SHIFT_LEFT, Register::Accumulator, Operand::Constant(2));
                self.copy(Register::Index, Register::Accumulator);
                self.copy(Register::Accumulator, Register::Scratch);
            }
            INDEXED => {
                self.jump_to(GREATER, Register::Index, Operand::Constant(OFFSET_MAX), Target::Reject);
                self.emit(code, Register::Accumulator, Register::Index, 0, k as i32);
            }
            _ => self.emit(code, Register::Accumulator, Register::Accumulator, 0, k as i32),
        }
    }

    fn arithmetic(&mut self, code: u16, k: u32) {
        let operation = code & 0xf0;
        let operand = if code & SOURCE_REGISTER == 0 { Operand::Constant(k) } else { Operand::Index };
        match (operation, operand) {
            (NEGATE, _) => self.emit(ALU | NEGATE, Register::Accumulator, Register::Accumulator, 0, 0),
            (DIVIDE | MODULO, Operand::Index) => {
                self.jump_to(EQUAL, Register::Index, Operand::Constant(0), Target::Reject);
                self.operate(operation, Register::Accumulator, operand);
            }
            (SHIFT_LEFT | SHIFT_RIGHT, Operand::Constant(32..)) => self.set(Register::Accumulator, 0),
            (SHIFT_LEFT | SHIFT_RIGHT, Operand::Index) => {
                // The CPU takes the shift modulo 32, libpcap does not: clear the accumulator first when it is greater
                // than 31.
                self.emit(JMP | LESS_OR_EQUAL, Register::Index, Register::Accumulator, 1, 31);
                self.set(Register::Accumulator, 0);
                self.operate(operation, Register::Accumulator, operand);
            }
            _ => self.operate(operation, Register::Accumulator, operand),
        }
    }

    fn jump(&mut self, number: usize, instruction: &ClassicInstruction) {
        let [if_true, if_false] = targets(number, instruction).map(|target| target.map(|target| target as usize));
        let (Some(if_true), if_false) = (if_true, if_false.or(if_true)) else { return };
        if if_false != Some(if_true) {
            let operand =
                if instruction.code & SOURCE_REGISTER == 0 { Operand::Constant(instruction.k) } else { Operand::Index };
            let condition = instruction.code & 0xf0;
            self.jump_to(condition, Register::Accumulator, operand, Target::Instruction(if_true));
        }
        match if_false {
            Some(target) if target != number + 1 => {
                self.jump_to(ALWAYS, Register::Accumulator, Operand::Constant(0), Target::Instruction(target));
            }
            _ => {}
        }
    }

    /// A jump, with the distance left open. Conditions compare 64 bits, of which the upper 32 are always 0 here.
    fn jump_to(&mut self, condition: u16, register: Register, operand: Operand, target: Target) {
        let (source, other, k) = match operand {
            Operand::Index => (SOURCE_REGISTER, Register::Index, 0),
            Operand::Constant(k) => match i32::try_from(k) {
                Ok(k) if condition != ANY_BIT => (0, Register::Accumulator, k),
                // A jump's constant is sign-extended, so a great one goes through a register; and DPDK's compiler for
                // x86 gives the test for bits a constant of the wrong length (in all releases so far).
                _ => {
                    self.set(Register::Scratch, k);
                    (SOURCE_REGISTER, Register::Scratch, 0)
                }
            },
        };
        self.jumps.push(Jump { place: self.code.len(), target });
        let register = if condition == ALWAYS { Register::Accumulator } else { register };
        self.emit(JMP | condition | source, register, other, 0, k);
    }

    /// A 32-bit operation, which clears the upper half of its target.
    fn operate(&mut self, operation: u16, target: Register, operand: Operand) {
        match operand {
            Operand::Constant(k) => self.emit(ALU | operation, target, Register::Accumulator, 0, k as i32),
            Operand::Index => self.emit(ALU | operation | SOURCE_REGISTER, target, Register::Index, 0, 0),
        }
    }

    fn set(&mut self, target: Register, value: u32) {
        self.operate(MOVE, target, Operand::Constant(value));
    }

    fn copy(&mut self, target: Register, from: Register) {
        self.emit(ALU64 | MOVE | SOURCE_REGISTER, target, from, 0, 0);
    }

    fn exit(&mut self) {
        self.emit(JMP | EXIT, Register::Accumulator, Register::Accumulator, 0, 0);
    }

    /// One instruction. Codes of both BPFs have 8 bits.
    fn emit(&mut self, code: u16, target: Register, source: Register, offset: i16, constant: i32) {
        self.code.push(sys::ebpf_insn {
            code: code as u8,
            _bitfield_align_1: [],
            _bitfield_1: sys::ebpf_insn::new_bitfield_1(target as u8, source as u8),
            off: offset,
            imm: constant,
        });
    }

    /// Fills in the distances of all jumps.
    fn resolve(mut self, places: &[usize], reject: usize) -> Result<Vec<sys::ebpf_insn>, FilterError> {
        for Jump { place, target } in self.jumps {
            let (number, target) = match target {
                Target::Instruction(number) => (number, places.get(number).copied()),
                Target::Reject => (places.len(), Some(reject)),
            };
            let distance = target.and_then(|target| target.checked_sub(place + 1));
            let distance = distance.and_then(|distance| i16::try_from(distance).ok());
            match (self.code.get_mut(place), distance) {
                (Some(jump), Some(distance)) => jump.off = distance,
                _ => return Err(invalid(number, "it is too far from a jump that leads to it".to_owned())),
            }
        }
        Ok(self.code)
    }
}

#[derive(Clone, Copy)]
enum Operand {
    Constant(u32),
    /// The index register.
    Index,
}

/// A memory word's place below the frame pointer.
fn memory_offset(word: u32) -> i16 {
    -(4 * (MEMORY_WORDS - word.min(MEMORY_WORDS - 1)) as i16)
}
