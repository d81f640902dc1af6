// SPDX-License-Identifier: Apache-2.0
//! Programs of classic BPF (Linux `Documentation/networking/filter.rst`).
//!
//! Limit: a conditional jump reaches 255 instructions, which no program built here needs.

/// One instruction, as the kernel's `sock_filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    pub code: u16,
    pub jump_true: u8,
    pub jump_false: u8,
    pub value: u32,
}

/// A program that says how many bytes of a packet to take; 0 is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program(pub Vec<Instruction>);

// Instruction codes: class, size or operation, mode or source.
pub const LOAD_WORD: u16 = 0x20;
pub const LOAD_WORD_IMMEDIATE: u16 = 0x00;
pub const LOAD_WORD_AT_X: u16 = 0x40;
pub const LOAD_HALF_AT_X: u16 = 0x48;
pub const LOAD_BYTE_AT_X: u16 = 0x50;
pub const LOAD_MEMORY: u16 = 0x60;
pub const LOAD_X: u16 = 0x01;
pub const LOAD_X_MEMORY: u16 = 0x61;
pub const STORE: u16 = 0x02;
pub const STORE_X: u16 = 0x03;
pub const ADD_X: u16 = 0x0c;
pub const XOR_X: u16 = 0xac;
pub const MULTIPLY: u16 = 0x24;
pub const AND: u16 = 0x54;
pub const SHIFT_LEFT: u16 = 0x64;
pub const SHIFT_RIGHT: u16 = 0x74;
pub const TO_X: u16 = 0x07;
pub const RETURN_A: u16 = 0x16;
pub const RETURN: u16 = 0x06;
const JUMP: u16 = 0x05;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_ANY_BIT: u16 = 0x45;

/// Where the kernel keeps what it knows of a packet (`SKF_AD_OFF`), and its network header (`SKF_NET_OFF`).
pub const AUXILIARY: u32 = -0x1000_i32 as u32;
pub const NETWORK: u32 = -0x10_0000_i32 as u32;
/// EtherType, ARPHRD type.
pub const AUXILIARY_PROTOCOL: u32 = AUXILIARY;
pub const AUXILIARY_HARDWARE: u32 = AUXILIARY.wrapping_add(28);

impl Program {
    /// The program with accepted packets kept whole.
    pub fn whole(mut self) -> Self {
        for instruction in self.0.iter_mut().filter(|one| one.code == RETURN && one.value != 0) {
            instruction.value = u32::MAX;
        }
        self
    }

    /// Takes every packet.
    pub fn everything() -> Program {
        Program(vec![plain(RETURN, u32::MAX)])
    }

    /// Takes none.
    pub fn nothing() -> Program {
        Program(vec![plain(RETURN, 0)])
    }

    /// The same with `snap_bytes` of each packet, at most.
    pub fn cut(mut self, snap_bytes: u32) -> Program {
        for instruction in self.0.iter_mut().filter(|one| one.code == RETURN && one.value > 0) {
            // What stands there is the length of the handle that compiled it.
            instruction.value = snap_bytes;
        }
        self
    }

    /// `ethernet` for frames of Ethernet and loopback devices, `other` for those of all others.
    pub fn by_hardware(ethernet: Program, other: Program) -> Program {
        let mut instructions = vec![
            plain(LOAD_WORD, AUXILIARY_HARDWARE),
            Instruction { code: JUMP_EQUAL, jump_true: 2, jump_false: 0, value: HARDWARE_ETHERNET },
            Instruction { code: JUMP_EQUAL, jump_true: 1, jump_false: 0, value: HARDWARE_LOOPBACK },
            plain(JUMP, ethernet.0.len() as u32),
        ];
        instructions.extend(ethernet.0);
        instructions.extend(other.0);
        Program(instructions)
    }
}

/// `ARPHRD_ETHER` and `ARPHRD_LOOPBACK`.
pub const HARDWARE_ETHERNET: u32 = 1;
pub const HARDWARE_LOOPBACK: u32 = 772;

fn plain(code: u16, value: u32) -> Instruction {
    Instruction { code, jump_true: 0, jump_false: 0, value }
}

/// A place in a program that is jumped to.
#[derive(Clone, Copy, Debug)]
pub struct Label(usize);

/// What a jump asks of the accumulator.
#[derive(Clone, Copy, Debug)]
pub enum Condition {
    Equals(u32),
    /// Any of these bits is set.
    Has(u32),
    Always,
}

/// Puts a program together, with jumps to places that come later.
#[derive(Default)]
pub struct Builder {
    instructions: Vec<Instruction>,
    /// Place of each label, when it is known.
    labels: Vec<Option<usize>>,
    /// Jumps and their labels.
    jumps: Vec<(usize, Label)>,
}

impl Builder {
    pub fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// The next instruction is where `label` is.
    pub fn place(&mut self, label: Label) {
        self.labels[label.0] = Some(self.instructions.len());
    }

    pub fn add(&mut self, code: u16, value: u32) {
        self.instructions.push(plain(code, value));
    }

    /// Jumps when the condition holds, else goes on.
    pub fn jump(&mut self, condition: Condition, label: Label) {
        self.jumps.push((self.instructions.len(), label));
        let (code, value) = match condition {
            Condition::Equals(value) => (JUMP_EQUAL, value),
            Condition::Has(bits) => (JUMP_ANY_BIT, bits),
            Condition::Always => (JUMP, 0),
        };
        self.add(code, value);
    }

    /// The program. None when a label has no place, or one out of reach.
    pub fn build(mut self) -> Option<Program> {
        for (from, label) in self.jumps {
            let distance = self.labels[label.0]?.checked_sub(from + 1)?;
            match self.instructions[from].code {
                JUMP => self.instructions[from].value = distance as u32,
                _ => self.instructions[from].jump_true = u8::try_from(distance).ok()?,
            }
        }
        Some(Program(self.instructions))
    }
}
