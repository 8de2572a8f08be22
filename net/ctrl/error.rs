// SPDX-License-Identifier: GPL-2.0

//! Errors of control commands.

use kernel::prelude::*;

/// Returns whether a command may succeed later: memory was short, or the device did not answer.
pub(crate) fn is_temporary(e: Error) -> bool {
    e == ENOMEM || is_unanswered(e)
}

/// Returns whether the device did not answer this command or an earlier one.
pub(crate) fn is_unanswered(e: Error) -> bool {
    [EIO, ETIMEDOUT, EAGAIN].contains(&e)
}

/// Returns the error for user space: `ENOMEM`, or `EINVAL` for everything else.
pub(crate) fn for_user(e: Error) -> Error {
    if e == ENOMEM {
        e
    } else {
        EINVAL
    }
}

#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
#[kunit_tests(rust_virtio_net_ctrl_error)]
mod tests {
    use super::*;

    #[test]
    fn refusals_do_not_pass() {
        for e in [ENOMEM, EIO, ETIMEDOUT, EAGAIN] {
            assert!(is_temporary(e));
        }
        for e in [EINVAL, ENODEV] {
            assert!(!is_temporary(e));
        }
        assert!(!is_unanswered(ENOMEM));
    }
}
