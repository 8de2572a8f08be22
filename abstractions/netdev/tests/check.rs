// SPDX-License-Identifier: GPL-2.0

//! Checks that end a test with an error, and so with its destructors.

/// Fails the test unless the condition holds.
macro_rules! check {
    ($cond:expr $(,)?) => {
        if !$cond {
            kernel::kunit::err(fmt!(
                "    # {}:{}: expected {}\n",
                file!(),
                line!(),
                stringify!($cond)
            ));
            return Err(EINVAL);
        }
    };
}

/// Fails the test unless both are equal.
macro_rules! check_eq {
    ($left:expr, $right:expr $(,)?) => {
        match (&$left, &$right) {
            (left, right) => {
                if !(*left == *right) {
                    kernel::kunit::err(fmt!(
                        "    # {}:{}: expected {}, but it is {:?}, not {:?}\n",
                        file!(),
                        line!(),
                        stringify!($left),
                        left,
                        right
                    ));
                    return Err(EINVAL);
                }
            }
        }
    };
}
