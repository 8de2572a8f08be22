# SPDX-License-Identifier: GPL-2.0
"""Does several things at the same time, where one of them does not keep all processors busy."""

import threading

from ..report.results import Results


def run(results: Results, functions: list, weights=None, room: int = 0) -> None:
    """Calls functions at the same time, each with results of its own, and adds these in the order of the
    functions.

    With `weights`, one for each function, those that run have no more than `room` together; a heavier
    function runs alone. The next one is the first in the list that there is room for.

    Raises the first error of a function, when those that had begun have ended. No other begins then.
    """
    weights = weights or [0] * len(functions)
    parts = [Results(results.name) for _ in functions]
    state, raised, busy = threading.Condition(), [], []

    def call(function, part: Results, weight: int) -> None:
        try:
            function(part)
        except BaseException as error:  # pylint: disable=broad-except
            raised.append(error)
        with state:
            busy.remove(weight)
            state.notify_all()

    def first_that_fits():
        return next((index for index in waiting if not busy or sum(busy) + weights[index] <= room), None)

    threads, waiting = [], list(range(len(functions)))
    while waiting:
        with state:
            state.wait_for(lambda: raised or first_that_fits() is not None)
            if raised:
                break
            index = first_that_fits()
            waiting.remove(index)
            busy.append(weights[index])
        # When the harness is interrupted, these end with it, and what they run, too.
        threads.append(threading.Thread(target=call, args=(functions[index], parts[index], weights[index]),
                                        daemon=True))
        threads[-1].start()
    for thread in threads:
        thread.join()
    for part in parts:
        results.tests += part.tests
    if raised:
        raise raised[0]
