// SPDX-License-Identifier: GPL-2.0

//! The driver side of a ring.

/// Implements `Driver` for a type of ring.
macro_rules! driver {
    ($name:ident, $ring:ident, $lockless:ident, $new:ident, $tables:ident) => {
        pub struct $name<P: ring_core::Platform, const IN_ORDER: bool> {
            pub ring: $ring<
                P,
                u32,
                Box<[ring_core::DescState<u32>]>,
                std::sync::Arc<$lockless<P>>,
                IN_ORDER,
                ring_core::host::FixedTables,
            >,
            pub setup: super::Setup,
            pub arena: std::sync::Arc<super::memory::Arena>,
        }

        impl<P: ring_core::Platform, const IN_ORDER: bool> super::Driver for $name<P, IN_ORDER> {
            fn add(
                &mut self,
                token: u32,
                out: &super::Segments,
                in_: &super::Segments,
            ) -> Result<u16, (ring_core::AddError, u32)> {
                let n = (out.len() + in_.len()) as u16;
                self.add_claiming(token, n, out, in_)
            }

            fn add_claiming(
                &mut self,
                token: u32,
                segments: u16,
                out: &super::Segments,
                in_: &super::Segments,
            ) -> Result<u16, (ring_core::AddError, u32)> {
                let buffer = &(out, in_);
                if self.setup.maps {
                    let by = &mut ring_core::host::AsGiven::<true>;
                    self.ring.add(token, segments, buffer, by)
                } else {
                    let by = &mut ring_core::host::AsGiven::<false>;
                    self.ring.add(token, segments, buffer, by)
                }
            }

            fn add_failing(&mut self, token: u32, segments: u16, out: &super::Segments) -> u32 {
                let by = &mut ring_core::host::AsGiven::<false>;
                let result = self.ring.add(token, segments, &super::Failing(out), by);
                result.expect_err("the buffer fails").1
            }

            fn add_stubborn(
                &mut self,
                token: u32,
                segments: u16,
                buffer: &super::Stubborn<'_>,
            ) -> Result<u16, (ring_core::AddError, u32)> {
                let by = &mut ring_core::host::AsGiven::<false>;
                self.ring.add(token, segments, buffer, by)
            }

            fn publish(&mut self) {
                self.ring.publish();
            }

            fn kick_prepare(&mut self) -> bool {
                self.ring.kick_prepare()
            }

            fn get(&mut self) -> Option<ring_core::Used<u32>> {
                self.ring.get()
            }

            fn look(&mut self, again: bool) -> Option<ring_core::Used<u32>> {
                let shown = self.ring.look().ok()??;
                let used = shown.used();
                if again {
                    shown.add_again();
                } else {
                    shown.take();
                }
                Some(used)
            }

            fn peek(&mut self) -> Option<ring_core::Used<u32>> {
                Some(self.ring.look().ok()??.used())
            }

            fn num_unkicked(&self) -> u64 {
                self.ring.num_unkicked()
            }

            fn drain(&mut self) -> (Vec<ring_core::Used<u32>>, bool) {
                let mut all = Vec::new();
                let broken = self.ring.drain(|used| all.push(used));
                (all, broken)
            }

            fn disable_cb(&mut self) {
                self.ring.lockless().disable_cb();
            }

            fn enable_cb(&mut self) -> bool {
                self.ring.enable_cb().is_quiet()
            }

            fn enable_cb_prepare(&mut self) -> ring_core::Armed {
                self.ring.enable_cb_prepare()
            }

            fn enable_cb_delayed(&mut self) -> bool {
                self.ring.enable_cb_delayed().is_quiet()
            }

            fn arm_cb(&mut self) -> [ring_core::Callbacks; 2] {
                [self.ring.enable_cb(), self.ring.enable_cb_delayed()]
            }

            fn kick_prepare_enable_cb_delayed(&mut self) -> (bool, bool) {
                self.ring.kick_prepare_enable_cb_delayed()
            }

            fn poll(&self, armed: ring_core::Armed) -> bool {
                self.ring.lockless().poll(armed)
            }

            fn interrupt(&self) -> ring_core::Interrupt {
                self.ring.lockless().interrupt()
            }

            fn notification_data(&self, queue: u16) -> u32 {
                self.ring.lockless().notification_data(queue)
            }

            fn broken(&self) -> Option<ring_core::BrokenReason> {
                self.ring.lockless().broken()
            }

            fn declare_broken(&self) {
                self.ring.lockless().declare_broken();
            }

            fn unbreak(&self) {
                self.ring.lockless().unbreak();
            }

            fn take_broken_report(&mut self) -> Option<ring_core::BrokenReport> {
                self.ring.take_broken_report()
            }

            fn num_free(&self) -> u16 {
                self.ring.num_free()
            }

            fn outstanding(&self) -> u16 {
                self.ring.outstanding()
            }

            fn size(&self) -> u16 {
                self.ring.size()
            }

            fn detach_unused(&mut self) -> Option<u32> {
                // SAFETY: The device of the tests accesses memory only when it is called.
                unsafe { self.ring.detach_unused() }.map(|unused| unused.token)
            }

            fn reset(&mut self) -> Vec<u32> {
                let mut tokens = Vec::new();
                // SAFETY: The device of the tests accesses memory only when it is called.
                unsafe { self.ring.reset(|unused| tokens.push(unused.token)) };
                tokens
            }

            fn resize(&mut self, size: u16) -> Vec<u32> {
                let mut tokens = Vec::new();
                let setup = self.setup.of_size(size);
                let memory = $new(&self.arena, setup);
                let tables = $tables(&self.arena, setup);
                // SAFETY: The device of the tests accesses memory only when it is called. The arena
                // is large enough and lives as long as the ring.
                let result = unsafe {
                    let states = super::states(size);
                    self.ring
                        .resize(memory, states, tables, |unused| tokens.push(unused.token))
                };
                assert!(result.is_ok());
                tokens
            }
        }
    };
}
pub(crate) use driver;
