"""minivit profile: where the time of a training step goes, operation by operation."""
import time
from functools import partial

import numpy as np

from minivit.backend import on_device, usable, xp_of
from minivit.cuda import why_no_emulator
from minivit.data import Batch
from minivit.models import create
from minivit.optim import AdamW
from minivit.streams import stream
from minivit.train import Classification, Workers, train_epoch
from minivit.train.device import Conveyor
from minivit.train.profile import Profile, launches, seconds_on_gpu
from minivit.train.replay import Replay


def add_arguments(parser):
    parser.add_argument("model", metavar="PRESET", nargs="?", default="vit_nano_patch7_28", help="preset of the model "
                        "(default: vit_nano_patch7_28)")
    parser.add_argument("--batch-size", type=int, default=64, metavar="B", help="images per step (default: 64)")
    parser.add_argument("--steps", type=int, default=10, metavar="N", help="steps that are timed (default: 10)")
    parser.add_argument("--threads", type=int, metavar="N", help="worker threads (default: one per core)")
    parser.add_argument("--device", default="cpu", metavar="DEVICE", help="cpu or cuda, where launches are counted too "
                        "(default: cpu)")
    parser.add_argument("--launches", action="store_true", help="only count the launches of a step on a GPU, for which "
                        "none is needed")


def run(arguments):
    if arguments.steps < 1 or arguments.batch_size < 1:
        raise ValueError("--steps and --batch-size must be at least 1")
    if arguments.launches:
        _print_launches(arguments, {})
    elif usable(arguments.device) != "cpu":
        _on_gpu(arguments)
    else:
        _on_cpu(arguments)
    return 0


def _batch(config, images):
    rng = stream(0, place="profile")
    shape = (images, config.in_chans) + config.image_size
    return Batch(rng.standard_normal(shape, dtype=np.float32), rng.integers(0, config.num_classes, images),
                 np.arange(images))


def _steps(model, **options):
    """The training loop over batches that are given later."""
    return partial(train_epoch, model, loss=Classification(), optimizer=AdamW(model), schedule=lambda step: 1e-4,
                   clip_norm=1.0, **options)


def _on_cpu(arguments):
    model = create(arguments.model)
    batch = _batch(model.config, arguments.batch_size)
    with Workers(arguments.threads) as workers:
        steps = _steps(model, workers=workers)
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


def _on_gpu(arguments):
    """Times with and without a CUDA graph, and of each operation alone."""
    model = create(arguments.model).to(arguments.device)
    batch, conveyor = _batch(model.config, arguments.batch_size), Conveyor(model.device)
    steps = _steps(model)
    replayed = partial(steps, run=Replay(model, steps.keywords["optimizer"], print))
    with on_device(model.device):
        for name, loop in (("launch by launch", steps), ("as a CUDA graph", replayed)):
            list(loop(batches=conveyor([batch] * 3)))           # compiles, records
            start = time.perf_counter()
            list(loop(batches=conveyor([batch] * arguments.steps)))
            seconds = (time.perf_counter() - start) / arguments.steps
            print(f"{arguments.model}, batch {arguments.batch_size}, {name}: {1000 * seconds:.2f} ms a step, "
                  f"{arguments.batch_size / seconds:.0f} images/s")
        xp = xp_of(next(model.parameters()).data)
        alone = seconds_on_gpu(xp, lambda: list(steps(batches=conveyor([batch] * arguments.steps))))
    _print_launches(arguments, {key: seconds / arguments.steps for key, seconds in alone.items()})


def _print_launches(arguments, seconds):
    """seconds: of each operation, where they were measured."""
    if why_no_emulator() is not None:
        raise ValueError(f"launches are counted with the emulator's help: {why_no_emulator()}")
    model = create(arguments.model)
    counted, calls, total = launches(model, _batch(model.config, 2))
    print(f"{arguments.model}: {total} launches a step on a GPU; as a CUDA graph, one")
    print(f"{'per step':<28}{'calls':>8}{'launches':>10}" + (f"{'ms':>9}" if seconds else ""))
    for key, count in sorted(counted.items(), key=lambda item: -item[1]):
        if count:
            print(f"{' '.join(key):<28}{calls[key]:>8}{count:>10}"
                  + (f"{1000 * seconds.get(key, 0):>9.3f}" if seconds else ""))
    print(f"{'all else':<28}{'':>8}{total - sum(counted.values()):>10}   gradients added up, clipping, the optimizer")


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
