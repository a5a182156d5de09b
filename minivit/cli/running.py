"""What the commands that train have in common: their settings, and the run that they begin or go on with.

train, pretrain, finetune and distill are one command with different beginnings. Settings come from four places, of
which a later one goes before an earlier: defaults, a recipe, a file, flags.
"""
from dataclasses import fields, replace
from pathlib import Path

from minivit.cli.explain import explain_run
from minivit.cli.options import add_fields, device_line, given, read_toml
from minivit.inspect import draw_curves, preflight
from minivit.models.registry import ARCHITECTURES
from minivit.train import RunFolder, TrainConfig, read_recipe, trainer_from

DERIVED = ("image_size", "in_chans", "num_classes")         # these follow from the data
CONFIGS = {name: config for name, (config, _) in ARCHITECTURES.items()}
TABLES = {"train": [f.name for f in fields(TrainConfig)],
          "model": list(dict.fromkeys(f.name for config in CONFIGS.values() for f in fields(config)
                                      if f.name not in DERIVED))}
PATHS = ("start", "teacher")                                # kept whole: a run is gone on with from any folder


def add_arguments(parser, recipe=None, skip=()):
    """The flags of a command that trains. recipe: the one it begins from; skip: settings without a flag."""
    parser.add_argument("--recipe", metavar="NAME", default=recipe, help="settings of a whole run that is known to "
                        "work (minivit recipes lists them" + (f"; default: {recipe})" if recipe else ")"))
    parser.add_argument("--config", metavar="FILE", help="TOML file with tables [train] and [model]: it goes before "
                        "the recipe, and flags before it")
    parser.add_argument("--out", metavar="RUN", help="folder of the run (default: the next free of runs/001, ...)")
    parser.add_argument("--resume", metavar="RUN", help="go on with a stopped run, exactly as if it had not stopped")
    parser.add_argument("--preflight", action="store_true", help="before training, look for the usual mistakes in "
                        "data, model and settings; train only if there is none")
    parser.add_argument("--threads", type=int, metavar="N", help="worker threads (default: one per core); the result "
                        "is the same for any number")
    parser.add_argument("--kernels", choices=("minivit", "yours"), help="whose functions train: minivit's, or, "
                        "for the exercises of minivit learn that you have solved, yours (default: minivit)")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
    defaults = {"data": ""} | read_recipe(recipe).train if recipe else {}       # finetune's recipe is for any data
    add_fields(parser, TrainConfig, "training", skip, recipe=defaults)
    known = set(DERIVED)
    for name, config in CONFIGS.items():            # a field that several have is listed with the first
        if {f.name for f in fields(config)} - known:
            add_fields(parser, config, f"changes to the model's preset ({name})", skip=known, show_defaults=False)
        known |= {f.name for f in fields(config)}


def run(arguments, recipe=None, needs=()):
    """Begin the run that the arguments describe, or go on with one. recipe: the command's own; needs: (setting, what
    to say where it is not given). Returns the exit status."""
    if arguments.resume is not None:
        return _go_on(arguments, recipe)
    settings = _settings(arguments)
    for name, sentence in needs:
        if not settings["train"].get(name):
            raise ValueError(sentence)
    return _begin(arguments, TrainConfig(**settings["train"]), settings["model"])


def _settings(arguments):
    """The tables of a new run, of recipe, file and flags."""
    flags, changes = given(arguments, TrainConfig), _changes(arguments)
    file = read_toml(arguments.config, TABLES) if arguments.config is not None else {"train": {}, "model": {}}
    train, model = file["train"] | flags, file["model"] | changes
    if arguments.recipe is not None:
        recipe = read_recipe(arguments.recipe)
        if "start" not in train and train.get("model") in (None, recipe.train.get("model")):
            model = recipe.model | model                    # those of another model would not fit
        train = recipe.train | train
    if train.get("start") and "model" in flags:
        raise ValueError(f"--model {flags['model']} contradicts {train['start']}, whose architecture the run has: "
                         f"leave one of them out")
    return {"train": train, "model": model}


def _changes(arguments):
    """The changes to the model's preset that were given as flags."""
    return {name: value for config in CONFIGS.values() for name, value in given(arguments, config).items()
            if name not in DERIVED}


def _begin(arguments, config, changes):
    from minivit.cli import kernels         # not at the top: it loads the checker, which --help does not need
    folder = RunFolder.next_free() if arguments.out is None else RunFolder(arguments.out)
    own = kernels.begin(arguments.kernels)
    trainer = trainer_from(config, changes, folder, arguments.threads, arguments.quiet)
    trainer.identity |= kernels.identity(own)
    if own and trainer.model.device != "cpu":
        raise ValueError(f"--kernels yours on {trainer.model.device}: your functions are written for NumPy, which is "
                         f"on the CPU; leave --device out")
    if config.device == "auto":
        trainer.progress.say(device_line(trainer.model.device))
    if arguments.preflight and not preflighted(trainer):
        return 1
    whole = {name: str(Path(getattr(config, name)).resolve()) for name in PATHS if getattr(config, name)}
    folder.create(replace(config, data=trainer.data.name, **whole), changes)
    kernels.keep(own, folder)
    return _train(trainer, own, arguments.quiet)


def _go_on(arguments, recipe):
    from minivit.cli import kernels
    files = {arguments.config, arguments.out, arguments.kernels}
    if given(arguments, TrainConfig) or _changes(arguments) or files != {None} or arguments.recipe != recipe:
        raise ValueError("--resume goes on with the run as it was configured: leave out the other settings")
    folder = RunFolder(arguments.resume)
    settings = read_toml(folder.existing_config(), TABLES)
    own = kernels.kept(folder)
    trainer = trainer_from(TrainConfig(**settings["train"]), settings["model"], folder, arguments.threads,
                           arguments.quiet)
    trainer.identity |= kernels.identity(own)
    trainer.resume()
    return _train(trainer, own, arguments.quiet)


def preflighted(trainer):
    """Whether nothing was found by the checks before a run; says what each of them found."""
    sound = True
    for check in preflight(trainer):
        sound &= check.ok
        print(check)
    return sound


def _train(trainer, own, quiet):
    from minivit.cli import kernels
    folder, say = trainer.folder, trainer.progress.say
    say(f"{trainer.title}, {trainer.model.num_parameters():,} parameters, on {len(trainer.loader.split):,} images of "
        f"{trainer.data.title} -> {folder.path}")
    for note in trainer.data.notes:
        say(f"note: {note}")
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
    explained = explain_run(trainer)
    row = trainer.rows[-1]
    if row["test_accuracy"] is not None and not quiet:
        averaged = "" if row["ema_accuracy"] is None else f" ({row['ema_accuracy']:.2%} with averaged weights)"
        print(f"test accuracy {row['test_accuracy']:.2%}{averaged} after {len(trainer.rows)} epochs, "
              f"{sum(r['seconds'] for r in trainer.rows):.0f} s of training")
    say(f"curves: {folder.curves}" + (f"\nattention: {folder.attention}, for a browser" if explained else "")
        + f"\nnext: minivit eval {folder.path}")
    return 0
