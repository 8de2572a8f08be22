// SPDX-License-Identifier: GPL-2.0

//! Attributes of a disk in sysfs.
//!
//! Each attribute is a type that implements [`Attribute`];
//! [`attribute_group!`](crate::attribute_group) makes the group that
//! [`GenDisk::register`](crate::GenDisk::register) takes.

use crate::{
    bindings,
    disk::Disk,
    mq::Operations, //
};
use core::{
    cell::UnsafeCell,
    marker::PhantomData, //
};
use kernel::{
    error::from_result,
    fmt,
    page::PAGE_SIZE,
    prelude::*, //
};

/// An attribute of a disk: a file with one value.
#[vtable]
pub trait Attribute {
    /// The driver of the disks that have the attribute.
    type Operations: Operations;

    /// Name of the file.
    const NAME: &'static CStr;

    /// Permissions of the file, in octal.
    const MODE: u16;

    /// Returns the permissions of the file of one disk; 0 hides the file. Process context.
    fn mode(disk: &Disk<Self::Operations>) -> u16 {
        let _ = disk;
        Self::MODE
    }

    /// Writes the value. Process context, sleeps.
    ///
    /// # Errors
    ///
    /// Any error, which the reader of the file gets.
    fn show(disk: &Disk<Self::Operations>, page: &mut Page<'_>) -> Result;

    /// Sets a new value, as it was written, often with a newline. Process context, sleeps.
    ///
    /// # Errors
    ///
    /// Any error, which the writer of the file gets.
    fn store(disk: &Disk<Self::Operations>, text: &[u8]) -> Result {
        let _ = (disk, text);
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }
}

/// The page that a value is written to. Longer text is cut.
///
/// # Invariants
///
/// `page` points to `PAGE_SIZE` bytes that are writable for `'a`. The first `len` are written.
pub struct Page<'a> {
    page: *mut u8,
    len: usize,
    _page: PhantomData<&'a mut u8>,
}

impl Page<'_> {
    /// Appends bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        let len = bytes.len().min(PAGE_SIZE - self.len);
        // SAFETY: By the type invariants, there is room for `len` more bytes.
        unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), self.page.add(self.len), len) };
        // INVARIANT: `len` more bytes were written.
        self.len += len;
    }
}

impl fmt::Write for Page<'_> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        self.push(s.as_bytes());
        Ok(())
    }
}

/// An attribute as the kernel knows it.
#[doc(hidden)]
#[repr(transparent)]
pub struct DeviceAttribute(UnsafeCell<bindings::device_attribute>);

// SAFETY: Only the kernel writes to the attribute, and it serialises its writes.
unsafe impl Sync for DeviceAttribute {}

impl DeviceAttribute {
    /// Returns the attribute `A`.
    pub const fn new<A: Attribute>() -> Self {
        Self(UnsafeCell::new(bindings::device_attribute {
            // Kernels with lock debugging have more fields.
            #[allow(clippy::needless_update)]
            attr: bindings::attribute {
                name: kernel::str::as_char_ptr_in_const_context(A::NAME),
                mode: A::MODE,
                ..pin_init::zeroed()
            },
            __bindgen_anon_1: bindings::device_attribute__bindgen_ty_1 {
                show: Some(show::<A>),
            },
            __bindgen_anon_2: bindings::device_attribute__bindgen_ty_2 {
                store: if A::HAS_STORE { Some(store::<A>) } else { None },
            },
        }))
    }

    /// Returns the entry of the attribute for the list of a group.
    pub const fn listed(&'static self) -> *mut bindings::attribute {
        self.0.get().cast()
    }
}

/// The list of the attributes of a group, with null at the end.
#[doc(hidden)]
#[repr(transparent)]
pub struct List<const N: usize>(pub [*mut bindings::attribute; N]);

// SAFETY: The list is only read.
unsafe impl<const N: usize> Sync for List<N> {}

/// A function that returns the permissions of an attribute.
#[doc(hidden)]
pub type ModeFn<T> = fn(&Disk<T>) -> u16;

/// The attributes of a kind of disk; see [`attribute_group!`](crate::attribute_group).
///
/// # Invariants
///
/// `groups` is a list of one group, with null at the end. The group has a list of attributes with
/// null at the end, and all of these are for `T`.
pub struct AttributeGroup<T: Operations> {
    groups: [*const bindings::attribute_group; 2],
    _ops: PhantomData<T>,
}

// SAFETY: The group is only read.
unsafe impl<T: Operations> Sync for AttributeGroup<T> {}

impl<T: Operations> AttributeGroup<T> {
    /// Returns the attributes of a group.
    ///
    /// # Safety
    ///
    /// `group` has a list of attributes with null at the end, and all of these are for `T`.
    #[doc(hidden)]
    pub const unsafe fn new(group: &'static Group) -> Self {
        // INVARIANT: By the safety requirements.
        Self {
            groups: [&group.0, core::ptr::null()],
            _ops: PhantomData,
        }
    }

    pub(crate) fn groups(&'static self) -> *mut *const bindings::attribute_group {
        // The groups are not written through this pointer.
        self.groups.as_ptr().cast_mut()
    }
}

/// A group as the kernel knows it.
#[doc(hidden)]
pub struct Group(bindings::attribute_group);

// SAFETY: The group is only read.
unsafe impl Sync for Group {}

impl Group {
    /// Returns a group of attributes. The kernel calls `visible` for the permissions of each.
    pub const fn new<const N: usize>(list: &'static List<N>, visible: VisibleFn) -> Self {
        Self(bindings::attribute_group {
            __bindgen_anon_1: bindings::attribute_group__bindgen_ty_1 {
                is_visible: Some(visible),
            },
            __bindgen_anon_2: bindings::attribute_group__bindgen_ty_2 {
                attrs: list.0.as_ptr().cast_mut(),
            },
            ..pin_init::zeroed()
        })
    }
}

#[doc(hidden)]
pub type VisibleFn = unsafe extern "C" fn(
    *mut bindings::kobject,
    *mut bindings::attribute,
    c_int,
) -> bindings::umode_t;

/// Returns the permissions of attribute number `n` of a disk.
///
/// # Safety
///
/// `kobj` is that of a disk made with `T`.
#[doc(hidden)]
pub unsafe fn visible<T: Operations>(
    kobj: *mut bindings::kobject,
    modes: &[ModeFn<T>],
    n: c_int,
) -> u16 {
    // SAFETY: By the safety requirements, the object is embedded in a device.
    let dev = unsafe { kernel::container_of!(kobj, bindings::device, kobj) };
    // SAFETY: By the safety requirements, the device is that of a disk.
    let disk = unsafe { Disk::from_raw(bindings::dev_to_disk(dev)) };
    usize::try_from(n)
        .ok()
        .and_then(|n| modes.get(n))
        .map_or(0, |mode| mode(disk))
}

/// # Safety
///
/// Called by the kernel for a device that has the attribute `A`, with a page.
unsafe extern "C" fn show<A: Attribute>(
    dev: *mut bindings::device,
    _attr: *mut bindings::device_attribute,
    page: *mut c_char,
) -> isize {
    // SAFETY: By the safety requirements, `dev` has the attribute `A`: only disks made with
    // `A::Operations` get it. They live as long as their attributes.
    let disk = unsafe { Disk::from_raw(bindings::dev_to_disk(dev)) };
    // INVARIANT: By the safety requirements.
    let mut page = Page {
        page: page.cast(),
        len: 0,
        _page: PhantomData,
    };
    from_result(|| A::show(disk, &mut page).map(|()| page.len as isize))
}

/// # Safety
///
/// Called by the kernel for a device that has the attribute `A`, with `count` bytes of text.
unsafe extern "C" fn store<A: Attribute>(
    dev: *mut bindings::device,
    _attr: *mut bindings::device_attribute,
    text: *const c_char,
    count: usize,
) -> isize {
    // SAFETY: By the safety requirements, `dev` has the attribute `A`: only disks made with
    // `A::Operations` get it. They live as long as their attributes.
    let disk = unsafe { Disk::from_raw(bindings::dev_to_disk(dev)) };
    // SAFETY: By the safety requirements, `text` is followed by `count` bytes for this call.
    let bytes = unsafe { core::slice::from_raw_parts(text.cast::<u8>(), count) };
    from_result(|| A::store(disk, bytes).map(|()| count as isize))
}

/// Makes a static group of the [`Attribute`]s of a kind of disk.
///
/// ```
/// # use blockdev::{attr::{Attribute, Page}, Disk};
/// # type LocalModule = NoModule;
/// blockdev::attribute_group! {
///     /// The attributes of a disk of this driver, besides those that all disks have.
///     pub(crate) static ATTRIBUTES: MyDisk = [Vendor];
/// }
///
/// /// `vendor`: the name of the vendor.
/// struct Vendor;
///
/// #[vtable]
/// impl Attribute for Vendor {
///     type Operations = MyDisk;
///     const NAME: &'static CStr = c"vendor";
///     const MODE: u16 = 0o444;
///
///     fn show(_disk: &Disk<MyDisk>, page: &mut Page<'_>) -> Result {
///         page.push(b"rust-virtio\n");
///         Ok(())
///     }
/// }
/// ```
#[macro_export]
macro_rules! attribute_group {
    (
        $(#[$meta:meta])*
        $vis:vis static $name:ident: $ops:ty = [$($attr:ty),+ $(,)?];
    ) => {
        $(#[$meta])*
        $vis static $name: $crate::attr::AttributeGroup<$ops> = {
            static MODES: &[$crate::attr::ModeFn<$ops>] =
                &[$(<$attr as $crate::attr::Attribute>::mode),+];

            /// # Safety
            ///
            /// Called by the kernel for the disks that have the group.
            unsafe extern "C" fn visible(
                kobj: *mut ::kernel::bindings::kobject,
                _attr: *mut ::kernel::bindings::attribute,
                n: ::kernel::ffi::c_int,
            ) -> ::kernel::bindings::umode_t {
                // SAFETY: The kernel calls this for the disks that have the group.
                unsafe { $crate::attr::visible::<$ops>(kobj, MODES, n) }
            }

            static LIST: $crate::attr::List<{ MODES_LEN + 1 }> = $crate::attr::List([
                $({
                    static ATTR: $crate::attr::DeviceAttribute =
                        $crate::attr::DeviceAttribute::new::<$attr>();
                    ATTR.listed()
                },)+
                ::core::ptr::null_mut(),
            ]);
            const MODES_LEN: usize = [$(stringify!($attr)),+].len();

            static GROUP: $crate::attr::Group = $crate::attr::Group::new(&LIST, visible);
            // SAFETY: The list ends with null. Its attributes are for `$ops`: `MODES` needs that
            // type of their `mode`.
            unsafe { $crate::attr::AttributeGroup::new(&GROUP) }
        };
    };
}
