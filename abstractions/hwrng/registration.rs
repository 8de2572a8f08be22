// SPDX-License-Identifier: GPL-2.0

//! Generators that the core knows.

use crate::{
    bindings,
    bytes::Bytes,
    generator::{
        Generator,
        Hwrng, //
    },
};
use core::{
    ffi::c_void,
    mem::MaybeUninit, //
};
use kernel::{
    device::{
        Bound,
        Device, //
    },
    devres::Devres,
    error::{
        from_result,
        to_result, //
    },
    ffi::c_int,
    prelude::*,
    str::CString,
    sync::Arc,
    types::Opaque, //
};

/// A generator of the core, for as long as this exists and the driver is bound to the device.
///
/// Dropping it, or unbinding the driver, ends the reads that wait, and waits until no task reads.
/// That it is forgotten does no harm. Process context, sleeps; not from [`Generator::take`], which
/// would wait for itself.
pub struct Registration<G: Generator> {
    _registered: Devres<Registered<G>>,
}

impl<G: Generator> Registration<G> {
    /// Registers a generator as `name.N` with the first number that is free.
    ///
    /// The core reads from it at once if it reads from no other, or from one of lower quality that
    /// the user has not chosen. Process context.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, and those of `hwrng_register()`; `EBUSY`: the generator is registered.
    pub fn new(dev: &Device<Bound>, name: &CStr, hwrng: Arc<Hwrng<G>>) -> Result<Self> {
        let mut number = 0u32;
        loop {
            let full = CString::try_from_fmt(fmt!("{name}.{number}"))?;
            match Devres::new(dev, Registered::new(full, hwrng.clone())) {
                Err(e) if e == EEXIST => number = number.checked_add(1).ok_or(e)?,
                registered => {
                    return Ok(Self {
                        _registered: registered?,
                    })
                }
            }
        }
    }
}

/// The generator as the core knows it.
///
/// # Invariants
///
/// `rng` is registered, with the name `name`, the function [`Registered::read`], and the address
/// of the [`Hwrng`] of `hwrng`, which is open for it.
#[pin_data(PinnedDrop)]
struct Registered<G: Generator> {
    #[pin]
    rng: Opaque<bindings::hwrng>,
    name: CString,
    hwrng: Arc<Hwrng<G>>,
}

// SAFETY: The core lets any task unregister a generator; the rest is `Send`.
unsafe impl<G: Generator> Send for Registered<G> {}

impl<G: Generator> Registered<G> {
    fn new(name: CString, hwrng: Arc<Hwrng<G>>) -> impl PinInit<Self, Error> {
        let chars = name.as_char_ptr();
        let generator = hwrng.clone();
        // INVARIANT: It is registered last.
        try_pin_init!(Self {
            name,
            hwrng,
            rng <- Opaque::try_ffi_init(move |slot: *mut bindings::hwrng| {
                generator.open()?;
                // SAFETY: `slot` is valid for writes, and a generator of zeroes is one.
                unsafe { slot.write_bytes(0, 1) };
                // SAFETY: `slot` was just initialised. The characters are on the heap, and stay as
                // long as the name, which is dropped after the generator is unregistered.
                unsafe {
                    (*slot).name = chars;
                    (*slot).read = Some(Self::read);
                    (*slot).quality = G::QUALITY;
                    (*slot).priv_ = Arc::as_ptr(&generator) as usize;
                }
                // SAFETY: The generator is pinned, and is unregistered when it is dropped.
                to_result(unsafe { bindings::hwrng_register(slot) })
                    .inspect_err(|_| generator.free())
            }),
        }? Error)
    }

    /// Reads for the core.
    ///
    /// # Safety
    ///
    /// `rng` is that of a `Registered<G>`, and stays so during the call. `data` is valid for writes
    /// of `max` bytes, which nothing else uses during the call.
    unsafe extern "C" fn read(
        rng: *mut bindings::hwrng,
        data: *mut c_void,
        max: usize,
        wait: bool,
    ) -> c_int {
        // SAFETY: By the safety requirements and the type invariants, this is the address of what
        // the `Arc` of the registration keeps. `hwrng_unregister()` waits until no task reads.
        let this = unsafe { &*((*rng).priv_ as *const Hwrng<G>) };
        // SAFETY: By the safety requirements; any memory is an array of `MaybeUninit`.
        let room = unsafe { core::slice::from_raw_parts_mut(data.cast::<MaybeUninit<u8>>(), max) };
        let mut bytes = Bytes::new(room);
        from_result(|| match this.fill(&mut bytes, wait) {
            Err(e) if bytes.is_empty() => Err(e),
            _ => Ok(c_int::try_from(bytes.len())?),
        })
    }
}

#[pinned_drop]
impl<G: Generator> PinnedDrop for Registered<G> {
    fn drop(self: Pin<&mut Self>) {
        self.hwrng.close();
        let rng = self.rng.get();
        // SAFETY: By the type invariant. This returns when nobody reads, as reads end from here on.
        unsafe { bindings::hwrng_unregister(rng) };
        // The core may have queued its work once more while it ran.
        // SAFETY: The registration initialised the work, and nobody queues it from here on.
        unsafe { bindings::cancel_work_sync(&raw mut (*rng).cleanup_work) };
        self.hwrng.free();
    }
}
