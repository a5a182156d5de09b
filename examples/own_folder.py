"""Your own images: a folder with one folder of pictures for each class.

    photos/cat/001.jpg  photos/cat/002.jpg  ...  photos/dog/001.jpg  ...

    python examples/own_folder.py photos            # 64 pixels a side, 40 epochs
    python examples/own_folder.py --fast            # with pictures made by code, in seconds

Pictures may be of any size and mode. One in five of each class is kept for testing. `minivit data show photos` looks at
them first; all of this from the command line is

    minivit train --data photos:size=64,holdout=0.2 --recipe deit --epochs 40 --preflight
"""
import sys
import tempfile
from pathlib import Path

from PIL import Image

from minivit.data import open_dataset
from minivit.inspect import preflight
from minivit.train import trainer_of
from minivit.weights import save


def made_by_code(folder):
    """Discs, squares and the like in a folder each, for --fast."""
    shapes = open_dataset("shapes:train=200,test=0,size=40")
    for number, (image, label) in enumerate(zip(shapes.train.images, shapes.train.labels)):
        own = folder / shapes.classes[label]
        own.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(own / f"{number:03d}.png")
    return folder


FAST = "--fast" in sys.argv
if len(sys.argv) < 2:
    sys.exit(__doc__)
photos = made_by_code(Path(tempfile.mkdtemp()) / "photos") if FAST else Path(sys.argv[1])

# DeiT's recipe was made for few images: it shows them in ever new ways. The model is a hybrid, whose first layer is a
# convolution: that helps a Vision Transformer most where images are few.
side, epochs = (32, 1) if FAST else (64, 40)
trainer = trainer_of("deit", data=f"{photos}:size={side},holdout=0.2", model="vit_nano_r_32", epochs=epochs,
                     batch_size=32, model_changes={"small_stem": False, "layers": (), "stem_width": 48})

data = trainer.data
print(f"{len(data.train)} images to learn from, {len(data.test)} to test on: {', '.join(data.classes)}", *data.notes,
      sep="\n")
for check in preflight(trainer):
    print(check)
    if not check.ok:
        sys.exit(1)

trainer.run()
print(f"{trainer.rows[-1]['ema_accuracy']:.1%} of the test images are classified rightly")

# The file knows its classes, and how pictures are scaled, cut and normalised: minivit predict needs nothing else.
with trainer.ema.applied():
    save(trainer.model, photos.with_suffix(".safetensors"))
print(f"next: minivit predict {photos.with_suffix('.safetensors')} PICTURE ...")
