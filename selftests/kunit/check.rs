// SPDX-License-Identifier: GPL-2.0

//! Checks that end a test with an error.

use kernel::{
    fmt,
    prelude::*, //
};

/// Prints a failed check in the way of KUnit.
pub(crate) fn report(file: &str, line: u32, what: fmt::Arguments<'_>) -> Error {
    pr_err!("    # {}:{}: {}\n", file, line, what);
    EINVAL
}

/// Skips a test that waits for long, unless the suites are a module. Built-in suites run several
/// times, and one run of such a test is enough.
macro_rules! long {
    () => {
        if !cfg!(MODULE) {
            ::virtio_fake::messages::skip(c"it waits for long, and runs only as a module");
            return Ok(());
        }
    };
}

/// Fails the test unless the condition holds.
macro_rules! check {
    ($cond:expr $(,)?) => {
        if !$cond {
            return Err($crate::check::report(
                file!(),
                line!(),
                fmt!("expected {}", stringify!($cond)),
            ));
        }
    };
}

/// Fails the test unless both values are equal.
macro_rules! check_eq {
    ($left:expr, $right:expr $(,)?) => {
        match (&$left, &$right) {
            (left, right) => {
                if !(*left == *right) {
                    return Err($crate::check::report(
                        file!(),
                        line!(),
                        fmt!(
                            "expected {} == {}, but it is {:?}, not {:?}",
                            stringify!($left),
                            stringify!($right),
                            left,
                            right,
                        ),
                    ));
                }
            }
        }
    };
}

/// Fails the test unless the expression is this error.
macro_rules! check_err {
    ($result:expr, $error:expr $(,)?) => {
        match $result {
            Err(e) if e == $error => (),
            Err(e) => {
                return Err($crate::check::report(
                    file!(),
                    line!(),
                    fmt!(
                        "expected {:?} of {}, got {:?}",
                        $error,
                        stringify!($result),
                        e
                    ),
                ))
            }
            Ok(_) => {
                return Err($crate::check::report(
                    file!(),
                    line!(),
                    fmt!(
                        "expected {:?} of {}, got success",
                        $error,
                        stringify!($result)
                    ),
                ))
            }
        }
    };
}
