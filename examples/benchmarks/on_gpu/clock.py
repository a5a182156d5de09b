"""Seconds on the device, by CUDA events before and after. Those of the stand-in look at the host's clock."""
import numpy as np


def seconds(xp, work, count):
    """Of one call of `work`, as the mean of `count` that follow one another."""
    start, end = xp.cuda.Event(), xp.cuda.Event()
    start.record()
    for _ in range(count):
        work()
    end.record()
    end.synchronize()
    return xp.cuda.get_elapsed_time(start, end) / 1000 / count


def in_turn(xp, sides, rounds, count):
    """{name: median seconds of one call}, of {name: function}: in every round each side runs `count` times."""
    times = {name: [] for name in sides}
    for _ in range(rounds):
        for name, work in sides.items():
            times[name].append(seconds(xp, work, count))
    return {name: float(np.median(found)) for name, found in times.items()}
