"""minivit train: from images to a trained model in a folder of its own."""
from dataclasses import fields, replace

from minivit.cli.options import add_fields, given, read_toml
from minivit.inspect import draw_curves
from minivit.models import ViTConfig
from minivit.train import RunFolder, TrainConfig, trainer_from

DERIVED = ("image_size", "in_chans", "num_classes")         # these follow from the data
TABLES = {"train": [f.name for f in fields(TrainConfig)],
          "model": [f.name for f in fields(ViTConfig) if f.name not in DERIVED]}


def add_arguments(parser):
    parser.add_argument("--config", metavar="FILE", help="TOML file with tables [train] and [model]; flags override "
                        "it")
    parser.add_argument("--out", metavar="RUN", help="folder of the run (default: the next free of runs/001, ...)")
    parser.add_argument("--resume", metavar="RUN", help="go on with a stopped run, exactly as if it had not stopped")
    parser.add_argument("--threads", type=int, metavar="N", help="worker threads (default: one per core); the result "
                        "is the same for any number")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
    add_fields(parser, TrainConfig, "training")
    add_fields(parser, ViTConfig, "changes to the model's preset", skip=DERIVED, show_defaults=False)


def run(arguments):
    flags, changes = given(arguments, TrainConfig), given(arguments, ViTConfig)
    resume = arguments.resume is not None
    if resume:
        if flags or changes or arguments.config is not None or arguments.out is not None:
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
    trainer = trainer_from(config, settings["model"], folder, arguments.threads, arguments.quiet)
    if resume:
        trainer.resume()
    else:
        folder.create(replace(config, data=trainer.data.name), settings["model"])      # of a folder, its whole path
    say = trainer.progress.say
    say(f"{config.model}, {trainer.model.num_parameters():,} parameters, on {len(trainer.loader.split):,} images of "
        f"{trainer.data.name} -> {folder.path}")
    try:
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
