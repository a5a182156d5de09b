"""How two sides are timed so that a noisy machine does not decide: in one process, in turn, many times.

Both sides do one piece of work each, A B A B ..., and what is quoted is the median of the ratios of neighbours. Before
anything is timed, both must have computed the same numbers.
"""
import argparse
import importlib
import json
import subprocess
import sys
import time

import numpy as np
from configs import INFERENCE, setting
from peers import PEERS, TANH_GELU, Minivit
from threadpoolctl import threadpool_limits

from minivit.backend import cpu_count

MODULES = dict(zip(PEERS, PEERS)) | {"torch-compile": "torch"}


def arguments(description, configs):
    """The options that the benchmarks share; configs: the configurations that there are."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--config", action="append", choices=configs, help="configuration; may be given more than once "
                        "(default: all)")
    parser.add_argument("--peer", action="append", choices=PEERS, help="peer; may be given more than once (default: "
                        "torch)")
    parser.add_argument("--pairs", type=int, default=15, help="pairs of steps that are timed (default: 15)")
    parser.add_argument("--threads", type=int, default=cpu_count(), help="threads of each side (default: one per core)")
    parser.add_argument("--all-rows", action="store_true", help="minivit computes every row of the last block, also "
                        "those that the head does not read: the ratio without that saving")
    parser.add_argument("--json", metavar="FILE", help="write the results as JSON")
    parser.add_argument("--memory-of", nargs=2, metavar=("SIDE", "CONFIG"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.config = options.config or list(configs)
    return options


def side(name, config, threads, gelu="none"):
    """minivit or a peer, on the configuration's weights and batch."""
    model, images, labels = setting(config, gelu)
    return (Minivit if name == "minivit" else PEERS[name])(model, images, labels, threads)


def gemm_ceiling(threads):
    """GFLOP/s of a large float32 matrix product on these cores: what no training step can exceed."""
    a = np.random.default_rng(0).standard_normal((1536, 1536), dtype=np.float32)
    with threadpool_limits(threads, user_api="blas"):
        best = min(_timed(lambda: a @ a) for _ in range(9))
    return 2 * 1536 ** 3 / best / 1e9


def _timed(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def pairs(ours, theirs, work, count):
    """Seconds (2, count) of `count` pairs. Each side runs within its own settings of threads and memory, and does one
    piece of work that is not timed whenever it comes into them."""
    return np.array([[_settled(side, work) for side in (ours, theirs)] for _ in range(count)]).T


def _settled(side, work):
    with side.running():
        work(side)
        return _timed(lambda: work(side))


def peak_megabytes(name, config, threads, script):
    """Memory that a step adds to what the process had before, as the system counts it, in a process of its own."""
    command = [sys.executable, script, "--memory-of", name, config, "--threads", str(threads)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        print(f"the peak memory of {name} could not be measured: {done.stderr}", file=sys.stderr)
        return None
    return float(done.stdout.split()[-1])


def print_memory(name, config, threads, work):
    """The child of `peak_megabytes`: build, and print by how much two pieces of work raise the peak."""
    one = side(name, config, threads)
    before = _peak_kilobytes()
    with one.running():
        work(one), work(one)
    print((_peak_kilobytes() - before) / 1024)


def _peak_kilobytes():
    """The most memory that this process had so far (Linux; getrusage would count the parent's too)."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


def compare(options, work, agree, share_of_gflop, script):
    """Time every configuration against every peer; print a line each, and write JSON if asked."""
    if options.memory_of:
        print_memory(*options.memory_of, options.threads, work)
        return
    ceiling, rows = gemm_ceiling(options.threads), []
    print(f"{options.threads} threads, GEMM ceiling {ceiling:.0f} GFLOP/s, {options.pairs} pairs; ratio: minivit's "
          f"speed over the peer's")
    for config in options.config:
        for peer in options.peer or ["torch"]:
            try:
                importlib.import_module(MODULES[peer])
            except ImportError:
                print(f"{config:<8} {peer}: not installed, skipped")
                continue
            rows.append(_compare_one(config, peer, options, work, agree, share_of_gflop, ceiling, script))
    if options.json:
        with open(options.json, "w") as file:
            json.dump(rows, file, indent=1)


def _compare_one(config, peer, options, work, agree, share_of_gflop, ceiling, script):
    gelu = "tanh" if peer in TANH_GELU else "none"
    ours, theirs = (side(name, config, options.threads, gelu) for name in ("minivit", peer))
    if options.all_rows:
        ours.model.head_rows = None
    with ours.running(), theirs.running():
        agree(ours, theirs)
    a, b = pairs(ours, theirs, work, options.pairs)
    ratio, batch = b / a, INFERENCE[config].batch
    gflops = INFERENCE[config].gflop * share_of_gflop / np.median(a)
    row = {"config": config, "peer": peer, "threads": options.threads, "pairs": options.pairs,
           "ratio_median": float(np.median(ratio)), "ratio_min": float(ratio.min()), "ratio_max": float(ratio.max()),
           "images_per_s": batch / float(np.median(a)), "peer_images_per_s": batch / float(np.median(b)),
           "gemm_share": float(gflops / ceiling), "peak_mb": peak_megabytes("minivit", config, options.threads, script),
           "peer_peak_mb": peak_megabytes(peer, config, options.threads, script)}
    print(f"{config:<8} {peer:<14} ratio {row['ratio_median']:.2f} ({row['ratio_min']:.2f}-{row['ratio_max']:.2f})  "
          f"{row['images_per_s']:.0f} against {row['peer_images_per_s']:.0f} images/s  {gflops:.0f} GFLOP/s = "
          f"{row['gemm_share']:.0%} of the ceiling  peak {row['peak_mb'] or 0:.0f} against "
          f"{row['peer_peak_mb'] or 0:.0f} MB", flush=True)
    return row
