"""What the Vision Transformer's paper found in a trained one, looked for in one of yours.

    python examples/look_inside.py runs/001 --data mnist5k --out pictures

Four pictures (Dosovitskiy et al. 2020, arXiv 2010.11929, figures 6 and 7): the filters of the patch embedding, how
similar positions are, how far heads look, block by block, and where the class token's information comes from, by
rollout (Abnar and Zuidema 2020). What each shows is printed in words and numbers, whether or not it is what the paper
saw.
"""
import argparse
from pathlib import Path

from minivit import Tensor, no_grad, weights
from minivit.data import normalise, open_dataset
from minivit.inspect import draw_distance, draw_filters, draw_positions, draw_rollout, record
from minivit.streams import stream

IMAGES = 64         # drawn at random from the test images; attention is averaged over them

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("run", type=Path, help="folder of a run, of a ViT or DeiT")
parser.add_argument("--data", default="mnist5k", help="images to look at (default: mnist5k)")
parser.add_argument("--out", type=Path, default=Path("."), help="folder of the pictures")
options = parser.parse_args()

model, _ = weights.load(options.run / "best.safetensors")
test = open_dataset(options.data).test
images = test.images[stream(0, place="look inside").permutation(len(test))[:IMAGES]]
inputs = Tensor(normalise(images, model.card.mean, model.card.std))
with record(model.eval()) as rec, no_grad():
    model(inputs)

options.out.mkdir(parents=True, exist_ok=True)
for picture in (draw_filters(model, options.out / "filters.png"),
                draw_positions(model, options.out / "positions.png"),
                draw_distance(rec, options.out / "distance.png"),
                draw_rollout(rec, images, options.out / "rollout.png")):
    print(f"{picture.path}: {picture.alt}")
