// SPDX-License-Identifier: GPL-2.0

//! The cache lines that code of the kernel touches, operation by operation.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, Write};

/// Bytes of a cache line, as a power of two.
const SHIFT: u32 = 6;

const READ: u8 = 1;
const WRITTEN: u8 = 2;

/// One cache line in one operation.
#[derive(Default)]
struct Touched {
    /// Address of a block and what the block did, in the order of the first time.
    by: Vec<(u64, u8)>,
}

/// The cache lines of the operations of a phase.
#[derive(Default)]
pub struct Lines {
    /// The lines of the operation under way, in the order of the first touch.
    now: Vec<Touched>,
    index: HashMap<u64, usize>,
    /// The operations that are over, as they are written at the end of the phase.
    text: String,
}

impl Lines {
    /// Starts a phase.
    pub fn begin(&mut self) {
        *self = Self::default();
    }

    /// Notes an access of `size` bytes by the block at `block`.
    pub fn touch(&mut self, block: u64, address: u64, size: u64, store: bool) {
        let done = if store { WRITTEN } else { READ };
        for line in address >> SHIFT..=(address + size.max(1) - 1) >> SHIFT {
            let index = *self.index.entry(line).or_insert_with(|| {
                self.now.push(Touched::default());
                self.now.len() - 1
            });
            let by = &mut self.now[index].by;
            match by.iter_mut().find(|(known, _)| *known == block) {
                Some((_, all)) => *all |= done,
                None => by.push((block, done)),
            }
        }
    }

    /// Ends an operation.
    pub fn operation(&mut self) {
        self.text.push_str("op\n");
        for line in self.now.drain(..) {
            self.text.push('l');
            for (block, done) in line.by {
                let done = ["", "r", "w", "rw"][usize::from(done)];
                let _ = write!(self.text, " {block:x} {done}");
            }
            self.text.push('\n');
        }
        self.index.clear();
    }

    /// Writes the operations of the phase. An operation that is not over is left out.
    pub fn end(&mut self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(self.text.as_bytes())?;
        self.begin();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(lines: &mut Lines) -> String {
        let mut out = Vec::new();
        lines.end(&mut out).expect("memory takes everything");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_line_is_one_however_often_it_is_touched() {
        let mut lines = Lines::default();
        lines.touch(0x10, 0x1000, 8, false);
        lines.touch(0x10, 0x1008, 8, true);
        lines.touch(0x20, 0x1010, 8, false);
        lines.touch(0x20, 0x2000, 8, true);
        lines.operation();
        assert_eq!(written(&mut lines), "op\nl 10 rw 20 r\nl 20 w\n");
    }

    #[test]
    fn an_access_across_a_border_touches_two_lines_and_operations_are_apart() {
        let mut lines = Lines::default();
        lines.touch(0x10, 0x103f, 2, false);
        lines.operation();
        lines.touch(0x10, 0x103f, 1, false);
        lines.operation();
        lines.touch(0x10, 0x5000, 1, false);
        assert_eq!(written(&mut lines), "op\nl 10 r\nl 10 r\nop\nl 10 r\n");
        assert_eq!(written(&mut lines), "");
    }
}
