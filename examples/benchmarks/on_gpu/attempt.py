"""A piece of work that may fail without taking the rest along."""
import time


def attempt(row, work, until):
    """[row | figures, ...] of what work() returns, a list of figures; where it raises, or where it is past `until` on
    the monotonic clock before it has begun, one row with "wrong" and, under "said", why."""
    try:
        if time.monotonic() > until:
            raise TimeoutError("not begun, the time is over")
        return [row | figures for figures in work()]
    except Exception as error:                  # whatever a driver, a compiler or a full memory may raise
        return [row | {"wrong": True, "said": f"{type(error).__name__}: {error}"}]
