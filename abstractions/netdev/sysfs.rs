// SPDX-License-Identifier: GPL-2.0

//! Attributes of receive queues in sysfs.

use crate::{
    bindings,
    device::{
        device_of,
        Operations, //
    },
};
use core::{
    marker::PhantomData,
    ptr::null_mut, //
};
use kernel::{
    ffi::c_char,
    prelude::*,
    str::as_char_ptr_in_const_context, //
};

/// An attribute that shows [`Operations::rx_attribute`], in its own group below `queues/rx-N`.
pub trait RxAttribute {
    /// The driver.
    type Net: Operations;

    /// Name of the group.
    const GROUP: &'static CStr;

    /// Name of the attribute.
    const NAME: &'static CStr;
}

/// The group of an attribute.
pub(crate) struct RxGroup<A>(PhantomData<A>);

impl<A: RxAttribute> RxGroup<A> {
    // The number of fields depends on the configuration.
    #[allow(clippy::needless_update)]
    const ATTRIBUTE: bindings::rx_queue_attribute = bindings::rx_queue_attribute {
        attr: bindings::attribute {
            name: as_char_ptr_in_const_context(A::NAME),
            mode: 0o444,
            // SAFETY: The rest may be zero.
            ..unsafe { core::mem::zeroed() }
        },
        show: Some(Self::show),
        store: None,
    };

    const ATTRIBUTES: [*mut bindings::attribute; 2] =
        [(&raw const Self::ATTRIBUTE_REF.attr).cast_mut(), null_mut()];

    const ATTRIBUTE_REF: &'static bindings::rx_queue_attribute = &Self::ATTRIBUTE;

    const ATTRIBUTES_REF: &'static [*mut bindings::attribute; 2] = &Self::ATTRIBUTES;

    const GROUP: bindings::attribute_group = bindings::attribute_group {
        name: as_char_ptr_in_const_context(A::GROUP),
        __bindgen_anon_2: bindings::attribute_group__bindgen_ty_2 {
            attrs: Self::ATTRIBUTES_REF.as_ptr().cast_mut().cast(),
        },
        // SAFETY: The rest may be zero.
        ..unsafe { core::mem::zeroed() }
    };

    /// Returns the group, for `struct net_device`.
    pub(crate) fn group() -> &'static bindings::attribute_group {
        &Self::GROUP
    }

    /// Shows the value.
    ///
    /// # Safety
    ///
    /// Called by the core for a receive queue of a device of the driver `A::Net`.
    unsafe extern "C" fn show(queue: *mut bindings::netdev_rx_queue, buf: *mut c_char) -> isize {
        // SAFETY: By the safety requirements, `queue` is a receive queue of `A::Net`. The device
        // outlives the attributes of its queues.
        let (dev, index) = unsafe {
            (
                device_of::<A::Net>(bindings::netdev_rx_queue_dev(queue)),
                bindings::netdev_rx_queue_index(queue),
            )
        };
        let value = A::Net::rx_attribute(dev, index as usize);
        // SAFETY: `buf` is a page, as sysfs passes it.
        unsafe { bindings::sysfs_emit(buf, c"%u\n".as_char_ptr(), value) as isize }
    }
}
