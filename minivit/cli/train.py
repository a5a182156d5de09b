"""minivit train: from images to a trained model in a folder of its own."""
from dataclasses import fields, replace
from pathlib import Path

from minivit.cli.options import add_fields, given, read_toml
from minivit.inspect import draw_curves
from minivit.models.registry import ARCHITECTURES
from minivit.train import RunFolder, TrainConfig, trainer_from

DERIVED = ("image_size", "in_chans", "num_classes")         # these follow from the data
CONFIGS = {name: config for name, (config, _) in ARCHITECTURES.items()}
TABLES = {"train": [f.name for f in fields(TrainConfig)],
          "model": list(dict.fromkeys(f.name for config in CONFIGS.values() for f in fields(config)
                                      if f.name not in DERIVED))}


def add_arguments(parser):
    parser.add_argument("--config", metavar="FILE", help="TOML file with tables [train] and [model]; flags override "
                        "it")
    parser.add_argument("--out", metavar="RUN", help="folder of the run (default: the next free of runs/001, ...)")
    parser.add_argument("--resume", metavar="RUN", help="go on with a stopped run, exactly as if it had not stopped")
    parser.add_argument("--threads", type=int, metavar="N", help="worker threads (default: one per core); the result "
                        "is the same for any number")
    parser.add_argument("--kernels", choices=("minivit", "yours"), help="whose functions train: minivit's, or, "
                        "for the exercises of minivit learn that you have solved, yours (default: minivit)")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
    add_fields(parser, TrainConfig, "training")
    known = set(DERIVED)
    for name, config in CONFIGS.items():            # a field that several have is listed with the first
        if {f.name for f in fields(config)} - known:
            add_fields(parser, config, f"changes to the model's preset ({name})", skip=known, show_defaults=False)
        known |= {f.name for f in fields(config)}


def run(arguments):
    from minivit.cli import kernels         # not at the top: it loads the checker, which --help does not need
    flags = given(arguments, TrainConfig)
    changes = {name: value for config in CONFIGS.values() for name, value in given(arguments, config).items()}
    resume = arguments.resume is not None
    if resume:
        if flags or changes or {arguments.config, arguments.out, arguments.kernels} != {None}:
            raise ValueError("--resume goes on with the run as it was configured: leave out the other settings")
        folder = RunFolder(arguments.resume)
        settings = read_toml(folder.existing_config(), TABLES)
    else:
        folder = RunFolder.next_free() if arguments.out is None else RunFolder(arguments.out)
        settings = {"train": {}, "model": {}}
        if arguments.config is not None:
            settings = read_toml(arguments.config, TABLES)
        settings = {"train": settings["train"] | flags, "model": settings["model"] | changes}
    config = TrainConfig(**settings["train"])
    own = kernels.kept(folder) if resume else kernels.begin(arguments.kernels)
    trainer = trainer_from(config, settings["model"], folder, arguments.threads, arguments.quiet)
    trainer.identity |= kernels.identity(own)
    if resume:
        trainer.resume()
    else:
        teacher = str(Path(config.teacher).resolve()) if config.teacher else ""        # of folders, their whole paths
        folder.create(replace(config, data=trainer.data.name, teacher=teacher), settings["model"])
        kernels.keep(own, folder)
    say = trainer.progress.say
    say(f"{config.model}, {trainer.model.num_parameters():,} parameters, on {len(trainer.loader.split):,} images of "
        f"{trainer.data.name} -> {folder.path}")
    table = kernels.table_of(own)
    if table:
        say(kernels.whose(table, trainer))
    try:
        with kernels.held(table):
            finished = trainer.run()
    except KeyboardInterrupt:
        say(f"interrupted; go on from the last epoch with: minivit train --resume {folder.path}")
        return 130
    if trainer.rows:
        draw_curves(trainer.rows, folder.curves)
    if not finished:
        say(f"stopped in epoch {trainer.epoch + 1}; go on with: minivit train --resume {folder.path}")
        return 130
    row = trainer.rows[-1]
    if row["test_accuracy"] is not None and not arguments.quiet:
        print(f"test accuracy {row['test_accuracy']:.2%} after {len(trainer.rows)} epochs, "
              f"{sum(r['seconds'] for r in trainer.rows):.0f} s of training")
    say(f"curves: {folder.curves}\nnext: minivit eval {folder.path}")
    return 0
