// SPDX-License-Identifier: GPL-2.0

//! Recognizes the few x86 instructions that matter: marks, and those that leave a guest.

/// The event that a mark tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    Begin = 0,
    End = 1,
    /// An operation, or a burst of them, is over.
    Operation = 2,
}

/// The kind of an instruction that is of interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A phase begins or ends, or an operation of it ends: see `tools/bench/guest/mark.h`.
    Mark { moment: Moment, id: u32 },
    /// An instruction that a hypervisor gets to see, by its name.
    Exit(&'static str),
}

/// Bytes of an instruction that `kind` looks at.
pub const BYTES: usize = 15;

/// `nopl imm32(%rbp,%rbp,8)`, which no compiler emits, and the high byte of its immediate.
const MARK: [u8; 4] = [0x0f, 0x1f, 0x84, 0xed];
const MARK_HIGH: u32 = 0x5a;
const MARK_END: u32 = 1 << 23;
const MARK_OPERATION: u32 = 1 << 22;

/// Returns what `bytes`, an instruction from its first byte on, is.
pub fn kind(bytes: &[u8]) -> Option<Kind> {
    if bytes.len() == 8 && bytes[..4] == MARK {
        let word = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
        let moment = match word & (MARK_END | MARK_OPERATION) {
            0 => Moment::Begin,
            MARK_OPERATION => Moment::Operation,
            _ => Moment::End,
        };
        return (word >> 24 == MARK_HIGH).then_some(Kind::Mark {
            moment,
            id: word & (MARK_OPERATION - 1),
        });
    }
    let rest = bytes.iter().position(|byte| !prefix(*byte))?;
    let name = match bytes[rest..] {
        [0x6c..=0x6f, ..] | [0xe4..=0xe7, ..] | [0xec..=0xef, ..] => "pio",
        [0xf4, ..] => "hlt",
        [0x0f, 0x30, ..] => "wrmsr",
        [0x0f, 0x32, ..] => "rdmsr",
        [0x0f, 0xa2, ..] => "cpuid",
        [0x0f, 0x01, 0xc1, ..] | [0x0f, 0x01, 0xd9, ..] => "hypercall",
        _ => return None,
    };
    Some(Kind::Exit(name))
}

fn prefix(byte: u8) -> bool {
    matches!(byte, 0x26 | 0x2e | 0x36 | 0x3e | 0x40..=0x4f | 0x64..=0x67 | 0xf0 | 0xf2 | 0xf3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks() {
        let begin = [0x0f, 0x1f, 0x84, 0xed, 0x07, 0x01, 0x00, 0x5a];
        let end = [0x0f, 0x1f, 0x84, 0xed, 0x07, 0x01, 0x80, 0x5a];
        let operation = [0x0f, 0x1f, 0x84, 0xed, 0x07, 0x01, 0x40, 0x5a];
        for (bytes, moment) in [
            (begin, Moment::Begin),
            (end, Moment::End),
            (operation, Moment::Operation),
        ] {
            assert_eq!(kind(&bytes), Some(Kind::Mark { moment, id: 263 }));
        }
        // What compilers pad with.
        assert_eq!(kind(&[0x0f, 0x1f, 0x84, 0x00, 0, 0, 0, 0]), None);
    }

    #[test]
    fn exits() {
        assert_eq!(kind(&[0x66, 0xef]), Some(Kind::Exit("pio")));
        assert_eq!(kind(&[0xf3, 0x6d]), Some(Kind::Exit("pio")));
        assert_eq!(kind(&[0xf4]), Some(Kind::Exit("hlt")));
        assert_eq!(kind(&[0x0f, 0x30]), Some(Kind::Exit("wrmsr")));
        assert_eq!(kind(&[0x48, 0x89, 0xf4]), None);
        assert_eq!(kind(&[0xc3]), None);
    }
}
