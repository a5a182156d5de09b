"""`minivit train --kernels yours`: the learner's functions in place of minivit's kernels, for a whole run.

A run keeps the files that it was begun with in its folder, under kernels/, and goes on with those: the learner may have
changed theirs. Their checksums are part of what the run is a function of, so with other ones it is not gone on with.
"""
import contextlib
import hashlib
import shutil

from minivit.data import Split
from minivit.function import FUNCTIONS
from minivit.learn.catalogue import exercise, slugs
from minivit.learn.lesson import lab
from minivit.learn.own import kernel_files, laid_over, load
from minivit.modes import using
from minivit.train import evaluate
from minivit.train.profile import Profile


def begin(choice):
    """{slug: file} of a new run with `--kernels choice`. Raises ValueError where nothing is solved, or a file of the
    learner does not pass its check."""
    found = kernel_files(lab()) if choice == "yours" else {}
    if choice == "yours" and not found:
        raise ValueError(f"no exercise about a kernel is solved in {lab()}. next: minivit learn")
    return found


def kept(folder):
    """{slug: file} of a run that is gone on with. Raises ValueError where one of them does not pass any more."""
    files = folder.path / "kernels"
    return kernel_files(files) if files.exists() else {}


def keep(files, folder):
    """Copy the files into the folder of their run."""
    for file in files.values():
        (folder.path / "kernels").mkdir(exist_ok=True)
        shutil.copy(file, folder.path / "kernels")


def identity(files):
    """What the learner's files add to the identity of a run."""
    sums = {slug: hashlib.sha256(file.read_bytes()).hexdigest() for slug, file in files.items()}
    return {"kernels": sums} if sums else {}


def table_of(files):
    """What `laid_over` makes of the functions in the files."""
    return laid_over({slug: load(slug, file) for slug, file in files.items()})


def held(table):
    """A block in which the functions of a table are the kernels."""
    if not table:
        return contextlib.nullcontext()
    return using("array", {name: (forward, backward) for name, ((_, forward), (_, backward)) in table.items()})


def whose(table, trainer):
    """Sentences: which of the operations that the model is made of are the learner's."""
    profile, first = Profile(), trainer.data.train
    with profile.recording():
        evaluate(trainer.model, Split(first.images[:1], first.labels[:1]), trainer.data.mean, trainer.data.std)
    used = sorted({name for name, _ in profile.timings if "composed" in FUNCTIONS[name].forms})
    yours = {name: sorted({slug for slug, _ in halves} - {None}) for name, halves in table.items()}
    to_write = _to_write(table)
    here = {name: yours[name] for name in used if name in yours}
    others = {name: to_write.get(name, []) for name in used if name not in yours}
    elsewhere = {name: yours[name] for name in yours if name not in used}
    lines = [f"yours: {_listed(here)}", f"minivit's: {_listed(others, 'to write: ')}"]
    return "\n".join(lines + [f"yours, but not in this model: {_listed(elsewhere)}"] * bool(elsewhere))


def _to_write(table):
    """{operation: the exercises about it}, of those operations that are not in the table."""
    found = {}
    for slug in slugs():
        checked = exercise(slug)
        for name in checked.kernels(checked.solution) if checked.kernels else ():
            if name not in table:
                found.setdefault(name, []).append(slug)
    return found


def _listed(operations, before=""):
    return ", ".join(name + (f" ({before}{', '.join(about)})" if about else "") for name, about in operations.items()) \
        or "none"
