// SPDX-License-Identifier: GPL-2.0

//! Tests of the wrappers for receive-side scaling, with calls as the core makes them.

use super::{
    fixture::Fixture,
    toy::{
        Toy,
        ToyEthtool, //
    }, //
};
use crate::{
    bindings,
    ethtool::{
        rss::{
            default_key,
            default_queue,
            KEY_LEN, //
        },
        Vtable, //
    },
    NetDevice,
    Rtnl, //
};
use core::ptr::null_mut;
use kernel::{
    prelude::*,
    sync::atomic::Relaxed, //
};

/// Numbers of entries and bytes of the toy.
const ENTRIES: usize = 5;
const KEY: usize = 7;

/// Creates a device with a table and a key.
fn fixture() -> Result<Fixture> {
    let mut fixture = Fixture::unfinished(2, 64)?;
    fixture.new.set_rss_sizes(ENTRIES as u16, KEY as u16);
    Ok(fixture.finish())
}

/// Returns the numbers of entries and bytes that the toy saw last.
fn seen(net: &NetDevice<Toy>) -> [i32; 2] {
    net.data().rss.each_ref().map(|number| number.load(Relaxed))
}

/// Calls an operation of the toy with a parameter.
fn call(net: &NetDevice<Toy>, sets: bool, param: &mut bindings::ethtool_rxfh_param) -> Result<i32> {
    let ops = Vtable::<ToyEthtool>::ops();
    let (get, set) = (ops.get_rxfh.ok_or(EINVAL)?, ops.set_rxfh.ok_or(EINVAL)?);
    let _rtnl = Rtnl::lock();
    // SAFETY: The device is one of the toy's, and the RTNL is held. The tests pass as much memory
    // as the device has entries and bytes, or none.
    Ok(unsafe {
        if sets {
            set(net.as_raw(), param, null_mut())
        } else {
            get(net.as_raw(), param)
        }
    })
}

#[kunit_tests(rust_net_wrappers_rss)]
mod suite {
    use super::*;

    /// The sizes are those of the device, and 0 at first.
    #[test]
    fn sizes() -> Result {
        let ops = Vtable::<ToyEthtool>::ops();
        let (entries, key) = (
            ops.get_rxfh_indir_size.ok_or(EINVAL)?,
            ops.get_rxfh_key_size.ok_or(EINVAL)?,
        );
        for (fixture, wanted) in [
            (fixture()?, (ENTRIES as u32, KEY as u32)),
            (Fixture::new(1, 64)?, (0, 0)),
        ] {
            let _rtnl = Rtnl::lock();
            let raw = fixture.net.as_raw();
            // SAFETY: The device is one of the toy's, and the RTNL is held.
            let sizes = unsafe { (entries(raw), key(raw)) };
            check_eq!(sizes, wanted);
        }
        Ok(())
    }

    /// Table and key are written up to their lengths, whatever the core says about its buffers.
    #[test]
    fn read() -> Result {
        let fixture = fixture()?;
        for said in [0, ENTRIES as u32, u32::MAX] {
            let (mut table, mut key) = ([7u32; ENTRIES + 1], [7u8; KEY + 1]);
            let mut param = bindings::ethtool_rxfh_param {
                indir: table.as_mut_ptr(),
                indir_size: said,
                key: key.as_mut_ptr(),
                key_size: said,
                ..Default::default()
            };
            check_eq!(call(&fixture.net, false, &mut param)?, 0);
            check_eq!(param.hfunc, bindings::ETH_RSS_HASH_TOP);
            check_eq!(table, [3, 3, 3, 3, 3, 7]);
            check_eq!(key, [9, 9, 9, 9, 9, 9, 9, 7]);
        }
        // Neither of them.
        let mut param = bindings::ethtool_rxfh_param {
            indir_size: ENTRIES as u32,
            key_size: KEY as u32,
            ..Default::default()
        };
        check_eq!(call(&fixture.net, false, &mut param)?, 0);
        check_eq!(seen(&fixture.net), [0, 0]);
        Ok(())
    }

    /// The driver gets what is there, with the lengths of the device.
    #[test]
    fn set() -> Result {
        let fixture = fixture()?;
        let (mut table, mut key) = ([1u32; ENTRIES], [1u8; KEY]);
        for (has_table, has_key, wanted) in [
            (true, true, [ENTRIES as i32, KEY as i32]),
            (true, false, [ENTRIES as i32, -1]),
            (false, true, [-1, KEY as i32]),
            (false, false, [-1, -1]),
        ] {
            let mut param = bindings::ethtool_rxfh_param::default();
            if has_table {
                param.indir = table.as_mut_ptr();
            }
            if has_key {
                param.key = key.as_mut_ptr();
            }
            check_eq!(call(&fixture.net, true, &mut param)?, 0);
            check_eq!(seen(&fixture.net), wanted);
        }
        Ok(())
    }

    /// Only the hash function Toeplitz is there.
    #[test]
    fn hash_functions() -> Result {
        let fixture = fixture()?;
        for (hfunc, wanted) in [
            (0, 0),
            (1, 0),
            (2, EOPNOTSUPP.to_errno()),
            (3, EOPNOTSUPP.to_errno()),
        ] {
            let mut param = bindings::ethtool_rxfh_param {
                hfunc,
                ..Default::default()
            };
            check_eq!(call(&fixture.net, true, &mut param)?, wanted);
        }
        Ok(())
    }

    /// The header fields of kinds of packets that are known and unknown.
    #[test]
    fn header_fields() -> Result {
        let fixture = fixture()?;
        let ops = Vtable::<ToyEthtool>::ops();
        let get = ops.get_rxfh_fields.ok_or(EINVAL)?;
        let set = ops.set_rxfh_fields.ok_or(EINVAL)?;
        let addresses = bindings::RXH_IP_SRC | bindings::RXH_IP_DST;
        let _rtnl = Rtnl::lock();
        for (flow_type, data, errno) in [
            (bindings::UDP_V4_FLOW, addresses, 0),
            (bindings::TCP_V6_FLOW, 0, EBUSY.to_errno()),
            (bindings::SCTP_V4_FLOW, 0, EINVAL.to_errno()),
            (u32::MAX, 0, EINVAL.to_errno()),
        ] {
            let mut fields = bindings::ethtool_rxfh_fields {
                flow_type,
                data: u32::MAX,
                rss_context: 0,
            };
            // SAFETY: The device is one of the toy's, and the RTNL is held.
            check_eq!(unsafe { get(fixture.net.as_raw(), &mut fields) }, 0);
            check_eq!(fields.data, data);
            fields.data = addresses;
            // SAFETY: The device is one of the toy's, and the RTNL is held.
            let ret = unsafe { set(fixture.net.as_raw(), &fields, null_mut()) };
            check_eq!(ret, errno);
        }
        Ok(())
    }

    /// The default key may be asked for in any length.
    #[test]
    fn default_keys() -> Result {
        let (mut long, mut short) = ([0; KEY_LEN + 9], [0; 40]);
        default_key(&mut long);
        default_key(&mut short);
        default_key(&mut []);
        check!(long.starts_with(&short));
        check!(short.iter().any(|&byte| byte != 0));
        check!(long.iter().skip(KEY_LEN).all(|&byte| byte == 0));
        Ok(())
    }

    /// The entries of the default table.
    #[test]
    fn default_table() -> Result {
        check_eq!(
            [0, 1, 2, 3, 4].map(|i| default_queue(i, 3)),
            [0, 1, 2, 0, 1]
        );
        check_eq!(default_queue(usize::MAX, 0), 0);
        check_eq!(default_queue(usize::MAX, 1), 0);
        Ok(())
    }
}
