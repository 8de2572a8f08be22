// SPDX-License-Identifier: GPL-2.0

//! Attributes of a disk in sysfs.

use crate::{
    cache,
    header::{
        self,
        Type,
        ID_LEN, //
    },
    Blk, //
};
use blockdev::{
    attr::{
        Attribute,
        Page, //
    },
    disk::Executed,
    limits::Feature,
    Disk, //
};
use core::fmt::Write;
use kernel::{
    alloc::KVVec,
    prelude::*, //
};

blockdev::attribute_group! {
    /// The attributes of a disk of this driver, besides those that all disks have.
    pub(crate) static ATTRIBUTES: Blk = [Serial, CacheType];
}

/// `serial`: the identification string of the device (`VIRTIO_BLK_T_GET_ID`).
struct Serial;

#[vtable]
impl Attribute for Serial {
    type Operations = Blk;
    const NAME: &'static CStr = c"serial";
    const MODE: u16 = 0o444;

    fn show(disk: &Disk<Blk>, page: &mut Page<'_>) -> Result {
        let disk_data = disk.data();
        let mut pending = disk_data.pending_id.lock();
        if pending.as_ref().is_some_and(|call| !call.has_ended()) {
            // The device has not answered the last request. It is not asked again, because each
            // call takes a request.
            return Err(EIO);
        }
        *pending = None;
        let mut id = KVVec::with_capacity(ID_LEN, GFP_KERNEL)?;
        id.resize(ID_LEN, 0, GFP_KERNEL)?;
        let endian = disk_data.endian;
        let executed = disk.execute_in(id, |command| {
            command.set_header(header::header(endian, Type::GET_ID, 0, 0));
        })?;
        let (status, id) = match executed {
            Executed::Ended(status, id) => (status, id),
            Executed::Pending(call) => {
                *pending = Some(call);
                return Err(EIO);
            }
        };
        match status.to_result() {
            Ok(()) => write_id(&id, page),
            // The device has no string.
            Err(EIO) => Ok(()),
            Err(e) => Err(e),
        }
    }
}

/// Writes an identification string up to its end. Escapes bytes that are not printable, and the
/// backslash.
fn write_id(id: &[u8], page: &mut Page<'_>) -> Result {
    for &byte in id.iter().take_while(|&&byte| byte != 0) {
        if is_plain(byte) {
            page.push(&[byte]);
        } else {
            write!(page, "\\x{byte:02x}").map_err(|_| EINVAL)?;
        }
    }
    Ok(())
}

/// Whether a byte of an identification string is written as it is.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'\\'
}

/// `cache_type`: the mode of the write cache. Writable if the driver can switch the cache.
struct CacheType;

/// The texts of the file: for a cache that is off, and for one that is on.
const CACHE_TYPES: [&str; 2] = ["write through", "write back"];

/// Parses a type, with or without a newline, and returns whether the cache is on.
fn parse_cache_type(text: &[u8]) -> Option<bool> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    CACHE_TYPES
        .iter()
        .position(|name| name.as_bytes() == text)
        .map(|n| n != 0)
}

#[vtable]
impl Attribute for CacheType {
    type Operations = Blk;
    const NAME: &'static CStr = c"cache_type";
    const MODE: u16 = 0o644;

    fn mode(disk: &Disk<Blk>) -> u16 {
        if disk.data().cache_control {
            Self::MODE
        } else {
            0o444
        }
    }

    fn show(disk: &Disk<Blk>, page: &mut Page<'_>) -> Result {
        let on = disk.data().with_device(cache::is_on).ok_or(ENODEV)??;
        writeln!(page, "{}", CACHE_TYPES[usize::from(on)]).map_err(|_| EINVAL)
    }

    fn store(disk: &Disk<Blk>, text: &[u8]) -> Result {
        let on = parse_cache_type(text).ok_or(EINVAL)?;
        let disk_data = disk.data();
        // With the limits locked, so that two writers switch the device in the same order in which
        // the disk reports their modes.
        disk.update_limits(|limits| {
            let on = disk_data
                .with_device(|dev| {
                    cache::switch(dev, on).inspect(|&on| {
                        // A restart needs the mode. The change of the limits waits for requests,
                        // and these may need a restart before the disk reports the mode.
                        disk_data.health.set_cache_on(on);
                        // A report that is still due is older than this switch.
                        if !on {
                            disk_data.health.set_cache_report_due(false);
                        }
                    })
                })
                .ok_or(ENODEV)??;
            limits.set(Feature::WRITE_CACHE, on);
            Ok(())
        })
    }
}

#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
#[kernel::prelude::kunit_tests(rust_virtio_blk_attrs)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_escaped() {
        for byte in 0..=255 {
            let escaped = !(0x20..=0x7e).contains(&byte) || byte == 0x5c;
            assert_eq!(is_plain(byte), !escaped);
        }
    }

    #[test]
    fn cache_types() {
        assert_eq!(parse_cache_type(b"write back"), Some(true));
        assert_eq!(parse_cache_type(b"write back\n"), Some(true));
        assert_eq!(parse_cache_type(b"write through\n"), Some(false));
        for wrong in [
            &b""[..],
            b"\n",
            b"write",
            b"write back\n\n",
            b"Write back",
            b"write back ",
        ] {
            assert_eq!(parse_cache_type(wrong), None);
        }
    }
}
