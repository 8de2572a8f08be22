// SPDX-License-Identifier: GPL-2.0

//! Module parameters that show in `/sys/module/<module>/parameters`.
//!
//! [`module_param!`](crate::module_param) declares a parameter with the permissions of its file.
//! The driver reads it with [`Param::get`], which returns the value written last.
//!
//! C header: [`include/linux/moduleparam.h`](srctree/include/linux/moduleparam.h)

use kernel::{
    bindings,
    error::{
        from_result,
        to_result, //
    },
    ffi::{
        c_char,
        c_int,
        c_uint,
        c_void, //
    },
    page::PAGE_SIZE,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
};

/// A type that a parameter can have: `bool`, `i32` or `u32`, written as C's parameters of type
/// `bool`, `int` and `uint` are.
pub trait ParamValue: Copy + private::Sealed + 'static {
    /// The name of the type in the output of `modinfo`.
    const NAME: &'static str;
    /// Whether the name alone, without a value, is allowed, and means true.
    const NOARG: bool;
}

impl ParamValue for bool {
    const NAME: &'static str = "bool";
    const NOARG: bool = true;
}

impl ParamValue for i32 {
    const NAME: &'static str = "int";
    const NOARG: bool = false;
}

impl ParamValue for u32 {
    const NAME: &'static str = "uint";
    const NOARG: bool = false;
}

mod private {
    use super::*;

    /// The functions that parse, keep and show a type of parameters. All values of a type fit
    /// `i64`.
    pub trait Sealed: Sized {
        /// Parses the text of a parameter, which may end in a newline.
        ///
        /// # Safety
        ///
        /// `text` is a string that stays valid for the call.
        unsafe fn parse(text: *const c_char) -> Result<i64>;

        /// Returns the value that `parse` made.
        fn restore(kept: i64) -> Self;

        /// Writes the value as a line to a page.
        ///
        /// # Safety
        ///
        /// `page` is followed by `PAGE_SIZE` writable bytes.
        unsafe fn show(kept: i64, page: *mut c_char) -> c_int;
    }

    impl Sealed for bool {
        unsafe fn parse(text: *const c_char) -> Result<i64> {
            let mut value = false;
            // SAFETY: By the safety requirements; `value` is writable.
            to_result(unsafe { bindings::kstrtobool(text, &mut value) })?;
            Ok(value.into())
        }

        fn restore(kept: i64) -> Self {
            kept != 0
        }

        unsafe fn show(kept: i64, page: *mut c_char) -> c_int {
            let text = if kept != 0 { c"Y\n" } else { c"N\n" };
            // SAFETY: By the safety requirements; the format takes one string.
            unsafe { bindings::scnprintf(page, PAGE_SIZE, c"%s".as_char_ptr(), text.as_char_ptr()) }
        }
    }

    impl Sealed for i32 {
        unsafe fn parse(text: *const c_char) -> Result<i64> {
            let mut value: c_int = 0;
            // SAFETY: By the safety requirements; `value` is writable.
            to_result(unsafe { bindings::kstrtoint(text, 0, &mut value) })?;
            Ok(value.into())
        }

        fn restore(kept: i64) -> Self {
            kept as i32
        }

        unsafe fn show(kept: i64, page: *mut c_char) -> c_int {
            // SAFETY: By the safety requirements; the format takes one `int`.
            unsafe { bindings::scnprintf(page, PAGE_SIZE, c"%d\n".as_char_ptr(), kept as c_int) }
        }
    }

    impl Sealed for u32 {
        unsafe fn parse(text: *const c_char) -> Result<i64> {
            let mut value: c_uint = 0;
            // SAFETY: By the safety requirements; `value` is writable.
            to_result(unsafe { bindings::kstrtouint(text, 0, &mut value) })?;
            Ok(value.into())
        }

        fn restore(kept: i64) -> Self {
            kept as u32
        }

        unsafe fn show(kept: i64, page: *mut c_char) -> c_int {
            // SAFETY: By the safety requirements; the format takes one `unsigned int`.
            unsafe { bindings::scnprintf(page, PAGE_SIZE, c"%u\n".as_char_ptr(), kept as c_uint) }
        }
    }
}

/// The value of a module parameter.
///
/// Made by [`module_param!`](crate::module_param).
pub struct Param<T: ParamValue> {
    kept: Atomic<i64>,
    min: i64,
    max: i64,
    name: &'static str,
    _value: core::marker::PhantomData<T>,
}

// SAFETY: The fields are an atomic and constants.
unsafe impl<T: ParamValue> Sync for Param<T> {}

impl<T: ParamValue> Param<T> {
    /// Returns a parameter with its initial value, and the smallest and the largest accepted value.
    #[doc(hidden)]
    pub const fn new(name: &'static str, default: i64, min: i64, max: i64) -> Self {
        assert!(min <= default && default <= max);
        Self {
            kept: Atomic::new(default),
            min,
            max,
            name,
            _value: core::marker::PhantomData,
        }
    }

    /// Returns the current value of the parameter. Any context.
    ///
    /// A writable parameter may change between two calls. For one decision, call this once.
    pub fn get(&self) -> T {
        T::restore(self.kept.load(Relaxed))
    }

    fn set(&self, value: i64) -> Result<c_int> {
        if !(self.min..=self.max).contains(&value) {
            pr_err!(
                "parameter {}: {} is not between {} and {}\n",
                self.name,
                value,
                self.min,
                self.max
            );
            return Err(EINVAL);
        }
        self.kept.store(value, Relaxed);
        Ok(0)
    }

    const OPS: bindings::kernel_param_ops = bindings::kernel_param_ops {
        flags: if T::NOARG {
            bindings::KERNEL_PARAM_OPS_FL_NOARG
        } else {
            0
        },
        set: Some(Self::set_callback),
        get: Some(Self::get_callback),
        free: None,
    };

    /// Parses the text that the user gave. The core reports the text and the parameter if this
    /// fails.
    ///
    /// # Safety
    ///
    /// Called by the core, with an entry that [`Entry::new`] made for this type.
    unsafe extern "C" fn set_callback(
        text: *const c_char,
        kp: *const bindings::kernel_param,
    ) -> c_int {
        // SAFETY: By the safety requirements, the entry was made for this type.
        let param = unsafe { Self::of(kp) };
        from_result(|| {
            if text.is_null() {
                return if T::NOARG { param.set(1) } else { Err(EINVAL) };
            }
            // SAFETY: The core passes a string or null.
            param.set(unsafe { T::parse(text) }?)
        })
    }

    /// Shows the value.
    ///
    /// # Safety
    ///
    /// Called by the core, with an entry that [`Entry::new`] made for this type and a page.
    unsafe extern "C" fn get_callback(
        page: *mut c_char,
        kp: *const bindings::kernel_param,
    ) -> c_int {
        // SAFETY: By the safety requirements, the entry was made for this type.
        let param = unsafe { Self::of(kp) };
        // SAFETY: By the safety requirements, `page` is a page to write to.
        unsafe { T::show(param.kept.load(Relaxed), page) }
    }

    /// Returns the parameter of an entry.
    ///
    /// # Safety
    ///
    /// `kp` is an entry made by [`Entry::new`] with a `Param<T>`.
    unsafe fn of(kp: *const bindings::kernel_param) -> &'static Self {
        // SAFETY: By the safety requirements, `arg` is a reference to a static, which `Entry::new`
        // put there.
        unsafe { &*(*kp).__bindgen_anon_1.arg.cast::<Self>() }
    }
}

/// A parameter in the form that the module loader and sysfs use: an entry of the section `__param`.
#[doc(hidden)]
#[repr(transparent)]
pub struct Entry(bindings::kernel_param);

// SAFETY: Entries are only read, by the module loader and sysfs.
unsafe impl Sync for Entry {}

impl Entry {
    /// Makes an entry. The permissions are checked as `VERIFY_OCTAL_PERMISSIONS` does.
    pub const fn new<T: ParamValue>(
        name: &'static CStr,
        module: &ThisModule,
        param: &'static Param<T>,
        perm: u16,
    ) -> Self {
        assert!(perm <= 0o777);
        // If others may read it, the group may; if the group may read it, the user may. Others
        // never write it.
        assert!((perm >> 6) & 4 >= (perm >> 3) & 4 && (perm >> 3) & 4 >= perm & 4);
        assert!(perm & 2 == 0);
        Self(bindings::kernel_param {
            name: kernel::str::as_char_ptr_in_const_context(name),
            mod_: module.as_ptr(),
            ops: &Param::<T>::OPS,
            perm,
            level: -1,
            flags: 0,
            __bindgen_anon_1: bindings::kernel_param__bindgen_ty_1 {
                arg: core::ptr::from_ref(param).cast_mut().cast::<c_void>(),
            },
        })
    }
}

/// Copies a string to an array of its length, for the section `.modinfo`.
#[doc(hidden)]
pub const fn modinfo<const N: usize>(text: &str) -> [u8; N] {
    let bytes = text.as_bytes();
    assert!(bytes.len() == N);
    let mut out = [0; N];
    let mut i = 0;
    while i < N {
        out[i] = bytes[i];
        i += 1;
    }
    out
}

/// Declares a module parameter of type `bool`, `i32` or `u32`, in the crate of the module, after
/// `module!` or a similar macro.
///
/// A value that cannot be parsed, or is out of the optional range, is refused with a message, at
/// load and through sysfs.
///
/// ```
/// # virtio::module_virtio_driver! {
/// #     type: MyDriver,
/// #     name: "my_driver",
/// #     authors: ["The author"],
/// #     description: "Virtio driver for a device",
/// #     license: "GPL",
/// # }
/// virtio::module_param! {
///     /// The largest number of queues, 0 for no limit.
///     static NUM_QUEUES: u32 = 0;
///     module: "my_driver",
///     name: "num_queues",
///     perm: 0o644,
///     description: "Limit the number of queues",
///     range: 0..=65536,
/// }
///
/// fn limit(queues: u32) -> u32 {
///     match NUM_QUEUES.get() {
///         0 => queues,
///         limit => queues.min(limit),
///     }
/// }
/// ```
// The module is that of the crate that uses the macro.
#[allow(clippy::crate_in_macro_def)]
#[macro_export]
macro_rules! module_param {
    (
        $(#[$meta:meta])*
        $vis:vis static $static:ident: $type:tt = $default:expr;
        module: $module:literal,
        name: $name:literal,
        perm: $perm:expr,
        description: $description:literal
        $(, range: $min:literal ..= $max:literal)? $(,)?
    ) => {
        $(#[$meta])*
        $vis static $static: $crate::param::Param<$type> = {
            #[allow(unused_mut)]
            let (mut min, mut max) = (<$crate::__param_int!($type)>::MIN as i64,
                                      <$crate::__param_int!($type)>::MAX as i64);
            $((min, max) = ($min, $max);)?
            let default: $type = $default;
            $crate::param::Param::new($name, default as i64, min, max)
        };

        const _: () = {
            #[cfg(MODULE)]
            const NAME: &::kernel::str::CStr = ::kernel::c_str!($name);
            #[cfg(not(MODULE))]
            const NAME: &::kernel::str::CStr = ::kernel::c_str!(concat!($module, ".", $name));

            #[link_section = "__param"]
            #[used(compiler)]
            static ENTRY: $crate::param::Entry = $crate::param::Entry::new(
                NAME,
                ::kernel::module::this_module::<crate::LocalModule>(),
                &$static,
                $perm,
            );

            #[cfg(MODULE)]
            const PARM: &str = concat!("parm=", $name, ":", $description, "\0");
            #[cfg(not(MODULE))]
            const PARM: &str = concat!($module, ".parm=", $name, ":", $description, "\0");
            #[link_section = ".modinfo"]
            #[used(compiler)]
            static PARM_INFO: [u8; PARM.len()] = $crate::param::modinfo(PARM);

            #[cfg(MODULE)]
            const TYPE: &str = concat!("parmtype=", $name, ":", $crate::__param_type!($type), "\0");
            #[cfg(not(MODULE))]
            const TYPE: &str =
                concat!($module, ".parmtype=", $name, ":", $crate::__param_type!($type), "\0");
            #[link_section = ".modinfo"]
            #[used(compiler)]
            static TYPE_INFO: [u8; TYPE.len()] = $crate::param::modinfo(TYPE);
        };
    };
}

/// An integer type with the range of a parameter's type.
#[doc(hidden)]
#[macro_export]
macro_rules! __param_int {
    (bool) => {
        i8
    };
    ($type:tt) => {
        $type
    };
}

/// Expands to the name of a parameter's type in the output of `modinfo`.
#[doc(hidden)]
#[macro_export]
macro_rules! __param_type {
    (bool) => {
        "bool"
    };
    (i32) => {
        "int"
    };
    (u32) => {
        "uint"
    };
}
