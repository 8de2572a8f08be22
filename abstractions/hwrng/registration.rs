// SPDX-License-Identifier: GPL-2.0

//! Registered generators.

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

/// The registration of a generator with the core, until this is dropped or the driver is unbound.
///
/// Dropping it, or unbinding the driver, ends all reads, and waits until no task reads. Forgetting
/// it is safe. Process context, sleeps; not from [`Generator::take`], which would wait for itself.
pub struct Registration<G: Generator> {
    _registered: Devres<Registered<G>>,
}

impl<G: Generator> Registration<G> {
    /// Registers a generator as `name.N`, with the first free number.
    ///
    /// The core reads from it at once if it has no other generator, or one of lower quality that
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

/// A generator that is registered with the core.
///
/// # Invariants
///
/// `rng` is registered with the name `name`, the function [`Registered::read`], and the address of
/// the [`Hwrng`] in `hwrng`, which is claimed for it.
#[pin_data(PinnedDrop)]
struct Registered<G: Generator> {
    #[pin]
    rng: Opaque<bindings::hwrng>,
    name: CString,
    hwrng: Arc<Hwrng<G>>,
}

// SAFETY: Any task may unregister a generator. The other fields are `Send`.
unsafe impl<G: Generator> Send for Registered<G> {}

impl<G: Generator> Registered<G> {
    fn new(name: CString, hwrng: Arc<Hwrng<G>>) -> impl PinInit<Self, Error> {
        let chars = name.as_char_ptr();
        let generator = hwrng.clone();
        // INVARIANT: `rng` is initialised last, and registered there.
        try_pin_init!(Self {
            name,
            hwrng,
            rng <- Opaque::try_ffi_init(move |slot: *mut bindings::hwrng| {
                generator.open()?;
                // SAFETY: `slot` is valid for writes, and zeroes are a valid generator.
                unsafe { slot.write_bytes(0, 1) };
                // SAFETY: `slot` was just initialised. The characters of the name are on the heap.
                // The name is dropped after the generator is unregistered.
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

    /// Reads bytes for the core.
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
        // SAFETY: By the safety requirements and the type invariants, this is the address of the
        // [`Hwrng`] in the `Arc` of the registration. `hwrng_unregister()` waits until no task
        // reads.
        let this = unsafe { &*((*rng).priv_ as *const Hwrng<G>) };
        // SAFETY: By the safety requirements, `data` has `max` writable bytes. Any memory is an
        // array of `MaybeUninit`.
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
        // SAFETY: `rng` is registered (type invariant). The function waits until no task reads, and
        // `close` has ended the reads.
        unsafe { bindings::hwrng_unregister(rng) };
        // The core may have queued its work again while the work ran.
        // SAFETY: The registration initialised the work, and no code queues it from here on.
        unsafe { bindings::cancel_work_sync(&raw mut (*rng).cleanup_work) };
        self.hwrng.free();
    }
}
