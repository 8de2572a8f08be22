// SPDX-License-Identifier: GPL-2.0

//! Access to a device's configuration space (virtio spec §2.5).
//!
//! A driver declares each field once, as a constant [`Field`] with its offset and wire type, and
//! reads it through [`Config`]. A read fetches the field once, and returns a copy in the CPU's byte
//! order.

use crate::{
    bindings,
    device::Device,
    endian::*, //
};
use core::{
    marker::PhantomData,
    mem::{
        size_of,
        MaybeUninit, //
    },
};
use kernel::{
    device::Bound,
    prelude::*,
    transmute::{
        AsBytes,
        FromBytes, //
    },
};

/// The number of times that a read is repeated while the device changes its configuration.
///
/// A working device changes its configuration rarely. Without this limit, a device that changes it
/// at every read would keep the driver in the loop for ever.
pub const GENERATION_RETRIES: usize = 16;

/// The length of the configuration that is assumed if the transport does not report it. No device
/// type has a longer one. The MMIO transport has room for as much in its usual 512 bytes (§4.2.2).
const ASSUMED_LEN: usize = 256;

/// The type of a field in the configuration space.
pub trait Wire: Copy + FromBytes + AsBytes {
    /// The type in the CPU's byte order.
    type Value: Copy;

    /// The largest access that the transport does in one piece, in bytes. The size of the type is a
    /// multiple of it. A type that takes several accesses needs the generation count.
    const UNIT: usize;

    /// Converts to the CPU's byte order.
    fn decode(self, endian: Endian) -> Self::Value;

    /// Converts from the CPU's byte order.
    fn encode(value: Self::Value, endian: Endian) -> Self;
}

impl Wire for u8 {
    type Value = u8;
    const UNIT: usize = 1;

    fn decode(self, _endian: Endian) -> u8 {
        self
    }

    fn encode(value: u8, _endian: Endian) -> Self {
        value
    }
}

impl<const N: usize> Wire for [u8; N] {
    type Value = [u8; N];
    const UNIT: usize = 1;

    fn decode(self, _endian: Endian) -> Self::Value {
        self
    }

    fn encode(value: Self::Value, _endian: Endian) -> Self {
        value
    }
}

macro_rules! impl_wire {
    ($($int:ident, $le:ident, $virtio:ident;)*) => {
        $(
            impl Wire for $le {
                type Value = $int;
                const UNIT: usize = size_of::<$int>();

                fn decode(self, _endian: Endian) -> $int {
                    self.get()
                }

                fn encode(value: $int, _endian: Endian) -> Self {
                    Self::new(value)
                }
            }

            impl Wire for $virtio {
                type Value = $int;
                const UNIT: usize = size_of::<$int>();

                fn decode(self, endian: Endian) -> $int {
                    self.get(endian)
                }

                fn encode(value: $int, endian: Endian) -> Self {
                    Self::new(value, endian)
                }
            }
        )*
    };
}

impl_wire! {
    u16, Le16, Virtio16;
    u32, Le32, Virtio32;
    u64, Le64, Virtio64;
}

/// A field of the configuration space: its offset in bytes and its wire type.
#[derive(Clone, Copy)]
pub struct Field<W: Wire> {
    offset: u32,
    _wire: PhantomData<W>,
}

impl<W: Wire> Field<W> {
    /// Declares a field.
    pub const fn at(offset: u32) -> Self {
        Self {
            offset,
            _wire: PhantomData,
        }
    }

    /// Returns the offset in bytes from the start of the device configuration.
    pub const fn offset(self) -> u32 {
        self.offset
    }
}

/// The configuration space of a bound device.
///
/// All methods may sleep: process context only.
#[derive(Clone, Copy)]
pub struct Config<'a> {
    dev: &'a Device<Bound>,
}

impl Device<Bound> {
    /// Returns the configuration space.
    pub fn config(&self) -> Config<'_> {
        Config::new(self)
    }

    /// Returns whether the transport can read a configuration space.
    pub fn has_config(&self) -> bool {
        self.config_ops().get.is_some()
    }
}

impl<'a> Config<'a> {
    pub(crate) fn new(dev: &'a Device<Bound>) -> Self {
        Self { dev }
    }

    fn ops(&self) -> &bindings::virtio_config_ops {
        self.dev.config_ops()
    }

    /// Reads a field.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: the transport has no configuration space, or the field is beyond its end.
    /// - `EIO`: the field takes several accesses, and the device changed its configuration during
    ///   each of [`GENERATION_RETRIES`] reads.
    pub fn read<W: Wire>(&self, field: Field<W>) -> Result<W::Value> {
        let size = size_of::<W>();
        let wire = if size <= 4 && W::UNIT == size {
            self.fetch::<W>(field.offset)?
        } else {
            self.stable(|c| c.fetch::<W>(field.offset))?
        };
        Ok(wire.decode(self.dev.endian()))
    }

    /// Reads a field if its feature was negotiated.
    ///
    /// # Errors
    ///
    /// As [`Config::read`].
    pub fn read_if<W: Wire>(
        &self,
        feature: crate::Feature,
        field: Field<W>,
    ) -> Result<Option<W::Value>> {
        if !self.dev.has_feature(feature) {
            return Ok(None);
        }
        self.read(field).map(Some)
    }

    /// Repeats a read of several fields until the configuration does not change during the read.
    ///
    /// # Errors
    ///
    /// - `EIO`: the configuration changed [`GENERATION_RETRIES`] times in a row.
    /// - Any error of `read`.
    pub fn stable<R>(&self, mut read: impl FnMut(&Self) -> Result<R>) -> Result<R> {
        let mut old = self.generation();
        for _ in 0..GENERATION_RETRIES {
            let value = read(self)?;
            let new = self.generation();
            if new == old {
                return Ok(value);
            }
            old = new;
        }
        dev_err!(
            self.dev.as_ref(),
            "configuration changes at every read, giving up\n"
        );
        Err(EIO)
    }

    /// Writes a field of one to four bytes in one access, or a longer one byte by byte.
    ///
    /// # Errors
    ///
    /// `EINVAL`: the transport's configuration space cannot be written, or the field is beyond
    /// its end.
    pub fn write<W: Wire>(&self, field: Field<W>, value: W::Value) -> Result {
        let set = self.ops().set.ok_or(EINVAL)?;
        let wire = W::encode(value, self.dev.endian());
        self.check(field.offset, size_of::<W>())?;
        let bytes = wire.as_bytes();
        for (offset, unit) in (field.offset..).step_by(W::UNIT).zip(bytes.chunks(W::UNIT)) {
            // SAFETY: The device is bound, so its transport's operations may be called; `unit`
            // is `unit.len()` readable bytes, and the range is within the configuration space.
            unsafe {
                set(
                    self.dev.as_raw(),
                    offset,
                    unit.as_ptr().cast(),
                    unit.len() as u32,
                )
            };
        }
        Ok(())
    }

    /// Returns the generation count (§2.5.1), or 0 if the transport has none.
    fn generation(&self) -> u32 {
        match self.ops().generation {
            // SAFETY: The device is bound, so its transport's operations may be called.
            Some(generation) => unsafe { generation(self.dev.as_raw()) },
            None => 0,
        }
    }

    /// Fetches the bytes of a field, each once, in accesses of its unit.
    fn fetch<W: Wire>(&self, offset: u32) -> Result<W> {
        const { assert!(size_of::<W>() % W::UNIT == 0) };
        let get = self.ops().get.ok_or(EINVAL)?;
        self.check(offset, size_of::<W>())?;
        let mut wire = MaybeUninit::<W>::zeroed();
        let base = wire.as_mut_ptr().cast::<u8>();
        for at in (0..size_of::<W>()).step_by(W::UNIT) {
            // SAFETY: The device is bound, so its transport's operations may be called;
            // `base + at` is followed by `UNIT` writable bytes because `UNIT` divides the size,
            // and the range is within the configuration space.
            unsafe {
                get(
                    self.dev.as_raw(),
                    offset + at as u32,
                    base.add(at).cast(),
                    W::UNIT as u32,
                )
            };
        }
        // SAFETY: All bytes are initialised and every bit pattern is valid (`W: FromBytes`).
        Ok(unsafe { wire.assume_init() })
    }

    /// Refuses an access beyond the end. There, transports call `BUG()` or return unrelated memory.
    fn check(&self, offset: u32, size: usize) -> Result {
        let len = self.dev.config_len().unwrap_or(ASSUMED_LEN);
        if (offset as usize)
            .checked_add(size)
            .is_some_and(|end| end <= len)
        {
            return Ok(());
        }
        dev_err!(
            self.dev.as_ref(),
            "configuration field at {}, {} bytes, goes beyond the end of the configuration at {}\n",
            offset,
            size,
            len
        );
        Err(EINVAL)
    }
}
