"""minivit profile: where the time of a training step goes, operation by operation."""
import time
from functools import partial

import numpy as np

from minivit.data import Batch
from minivit.models import create
from minivit.optim import AdamW
from minivit.streams import stream
from minivit.train import Classification, Workers, train_epoch
from minivit.train.profile import Profile


def add_arguments(parser):
    parser.add_argument("model", metavar="PRESET", nargs="?", default="vit_nano_patch7_28", help="preset of the model "
                        "(default: vit_nano_patch7_28)")
    parser.add_argument("--batch-size", type=int, default=64, metavar="B", help="images per step (default: 64)")
    parser.add_argument("--steps", type=int, default=10, metavar="N", help="steps that are timed (default: 10)")
    parser.add_argument("--threads", type=int, metavar="N", help="worker threads (default: one per core)")


def run(arguments):
    if arguments.steps < 1 or arguments.batch_size < 1:
        raise ValueError("--steps and --batch-size must be at least 1")
    model = create(arguments.model)
    config, rng = model.config, stream(0, place="profile")
    shape = (arguments.batch_size, config.in_chans) + config.image_size
    batch = Batch(rng.standard_normal(shape, dtype=np.float32),
                  rng.integers(0, config.num_classes, arguments.batch_size), np.arange(arguments.batch_size))
    with Workers(arguments.threads) as workers:
        steps = partial(train_epoch, model, loss=Classification(), optimizer=AdamW(model), schedule=lambda step: 1e-4,
                        clip_norm=1.0, workers=workers)
        list(steps(batches=[batch] * 2))                        # memory is fetched, caches are filled
        start = time.perf_counter()
        list(steps(batches=[batch] * arguments.steps))
        plain = time.perf_counter() - start
        profile = Profile()
        with profile.recording():
            start = time.perf_counter()
            list(steps(batches=[batch] * arguments.steps))
            wall = time.perf_counter() - start
    _print(arguments, workers.count, profile, plain, wall)
    return 0


def _print(arguments, threads, profile, plain, wall):
    steps = arguments.steps
    print(f"{arguments.model}, batch {arguments.batch_size}, {threads} threads: {1000 * plain / steps:.1f} ms a step, "
          f"{arguments.batch_size * steps / plain:.0f} images/s")
    print(f"{'per step':<28}{'calls':>8}{'ms':>9}{'share':>8}{'GFLOP/s':>9}{'GB/s':>8}")
    for (name, direction), t in sorted(profile.timings.items(), key=lambda item: -item[1].seconds):
        rate = f"{t.gflop / t.seconds:>9.0f}" if t.gflop else f"{'':>9}"
        print(f"{name + ' ' + direction:<28}{t.calls / steps:>8.0f}{1000 * t.seconds / steps:>9.2f}"
              f"{t.seconds / (wall * threads):>8.1%}{rate}{t.gigabytes / t.seconds:>8.1f}")
    rest = wall * threads - sum(t.seconds for t in profile.timings.values())
    print(f"{'all else':<28}{'':>8}{1000 * rest / steps:>9.2f}{rest / (wall * threads):>8.1%}   the tape, clipping, "
          f"the optimizer, and threads that wait")
