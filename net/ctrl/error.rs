// SPDX-License-Identifier: GPL-2.0

//! Errors of control commands.

use kernel::prelude::*;

/// Returns whether a command failed for a reason that may pass, other than that the device refused
/// it: for want of memory, or of an answer.
pub(crate) fn is_temporary(e: Error) -> bool {
    e == ENOMEM || is_unanswered(e)
}

/// Returns whether a command failed as it, or one before it, was not answered.
pub(crate) fn is_unanswered(e: Error) -> bool {
    [EIO, ETIMEDOUT, EAGAIN].contains(&e)
}

/// Returns the error that a user gets to see for that of a command: `ENOMEM`, or `EINVAL`.
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
