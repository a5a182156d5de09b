"""What lessons are written with.

- `FAST`: whether this is the fast mode (MINIVIT_LESSON=fast), in which a lesson runs in seconds
- `claim(sentence, holds)`: a statement of the lesson, checked as it is printed
- `show(figure, name, alt)`: save a picture and say where it is; in a notebook, show it
- `lab()`: the learner's own folder
- `kept(name)`: a file that comes with minivit: what took longer than a lesson may
"""
import os
import sys
from pathlib import Path

FAST = os.environ.get("MINIVIT_LESSON") == "fast"


def claim(sentence, holds):
    """Print `sentence` with a tick. Raises AssertionError where it does not hold."""
    if not holds:
        raise AssertionError(f"this does not hold: {sentence}")
    print(f"\N{CHECK MARK} {sentence}")


def lab():
    """The folder in which exercises, progress and pictures of the learner lie: $MINIVIT_LAB, else ~/minivit-lab."""
    return Path(os.environ.get("MINIVIT_LAB") or Path.home() / "minivit-lab")


def kept(name):
    """Path of a file of `minivit/learn/kept`: a trained model, or the figures of a longer run and how it was made.

    Raises FileNotFoundError, naming those that there are.
    """
    folder = Path(__file__).parent / "kept"
    if not (folder / name).is_file():
        raise FileNotFoundError(f"no {name!r} comes with minivit; there are {sorted(p.name for p in folder.iterdir())}")
    return folder / name


def show(figure, name, alt):
    """Save a matplotlib figure as `name`.png in the lab's folder of pictures. alt: what is to be seen, in words."""
    path = lab() / "pictures" / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, bbox_inches="tight", metadata={"Description": alt})
    if "ipykernel" in sys.modules:
        from IPython.display import Image, display
        display(Image(filename=path, alt=alt))
    print(f"picture: {path}\n         {alt}")
