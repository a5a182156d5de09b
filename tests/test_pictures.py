"""Every picture: the numbers that it says it drew; a valid file, not blank, nothing cut off; words for the blind."""
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image

from minivit import Tensor, ops
from minivit.data import normalise
from minivit.inspect import record
from minivit.inspect.activations import ActivationHistory
from minivit.inspect.attention import attention_over_image, draw_attention
from minivit.inspect.confusion import draw_confusion
from minivit.inspect.cosine import draw_cosine, token_cosine
from minivit.inspect.distance import attention_distance, draw_distance, uniform_distance
from minivit.inspect.features import draw_features
from minivit.inspect.filters import draw_filters, first_filters, principal_filters
from minivit.inspect.flow import draw_flow, gradient_flow, snapshot
from minivit.inspect.lens import draw_lens, logit_lens
from minivit.inspect.mistakes import draw_mistakes, worst_mistakes
from minivit.inspect.picture import new_figure, save
from minivit.inspect.positions import draw_positions, position_similarity
from minivit.inspect.rollout import draw_rollout, rollout
from minivit.inspect.saliency import draw_saliency, saliency
from minivit.models import create
from minivit.optim import AdamW

SMALL = dict(image_size=(12, 20), zero_head=False)
TINY = SMALL | dict(depth=2, embed_dim=16, num_heads=2, pos_std=1.0)
CLASSES = tuple("zero one two three four five six seven eight nine".split())


class Seen:
    """A model, random images as bytes (B, Sy, Sx, C), and the record of them."""

    def __init__(self, name, B=3, **changes):
        self.model = create(name, **changes).eval()
        c = self.model.config
        self.images = np.random.default_rng(0).integers(0, 256, (B,) + c.image_size + (c.in_chans,), np.uint8)
        self.mean, self.std = (0.5,) * c.in_chans, (0.25,) * c.in_chans
        self.inputs = normalise(self.images, self.mean, self.std)
        with record(self.model) as self.rec:
            self.model(Tensor(self.inputs))


@pytest.fixture(scope="module")
def vit():
    return Seen("vit_nano_patch7_28", **TINY | dict(patch_size=4))


@pytest.fixture(scope="module")
def colour():
    """Without a class token, on colour images."""
    return Seen("vit_nano_patch4_32", **TINY | dict(patch_size=(6, 4), class_token=False, pool="mean"))


@pytest.fixture(scope="module")
def deit():
    return Seen("deit_nano_distilled_patch7_28", **TINY | dict(patch_size=4))


@pytest.fixture(scope="module")
def cnn():
    return Seen("cnn_nano_28", **SMALL)


def check(picture, *words, **numbers):
    """A picture's file, its alternative text with each of `words` in it, and its numbers."""
    if picture.path.suffix == ".png":
        with Image.open(picture.path) as image:
            image.load()                                            # raises where the file is damaged
            assert image.info["Description"] == picture.alt
            pixels = np.asarray(image.convert("RGB"))
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 20 and pixels.std() > 10, "it is blank"
        for border in (pixels[:2], pixels[-2:], pixels[:, :2], pixels[:, -2:]):
            assert (border == 255).all(), "something is cut off at the border"
    else:
        root = ElementTree.parse(picture.path).getroot()
        assert root.find("{http://www.w3.org/2000/svg}title").text == picture.alt
        assert sum(element.tag.endswith(("path", "image", "use")) for element in root.iter()) > 10
    for word in words:
        assert word in picture.alt
    assert picture.alt.endswith(".") and set(numbers) == set(picture.numbers)
    for name, truth in numbers.items():
        np.testing.assert_array_equal(picture.numbers[name], truth, name)


@pytest.mark.parametrize("kind, query, words", [("svg", None, "the class token"),
                                                ("png", (2, 3), "the patch in row 2, column 3")])
def test_attention(vit, tmp_path, query, words, kind):
    picture = draw_attention(vit.rec, vit.images, tmp_path / f"attention.{kind}", image=1, query=query)
    truth = [attention_over_image(maps, (3, 5), 1, query)[1] for maps in vit.rec.attention]
    check(picture, words, "image 1", "2 blocks of 2 heads", attention=truth)


def test_attention_of_one_head_and_colour_without_a_class_token(tmp_path):
    seen = Seen("vit_nano_patch4_32", **TINY | dict(class_token=False, pool="mean", num_heads=1, depth=1))
    picture = draw_attention(seen.rec, seen.images, tmp_path / "attention.png")
    check(picture, "all patches", attention=[attention_over_image(seen.rec.attention[0], (3, 5), 0)[0]])
    assert picture.numbers["attention"].sum() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("options", [{}, dict(fusion="max", discard=0.5, query=(0, 4), most=1)])
def test_rollout(deit, tmp_path, options):
    rolled = rollout(deit.rec.attention, options.get("fusion", "mean"), options.get("discard", 0.0))
    picture = draw_rollout(deit.rec, deit.images, tmp_path / "rollout.png", **options)
    row = rolled[:, 2 + 4 if options else 0, 2:].reshape(3, 3, 5)
    check(picture, "1 images" if options else "3 images", "50% of the weights discarded" if options else "mean over",
          rollout=row)


def test_distance(colour, tmp_path):
    distance = attention_distance(colour.rec.attention, (2, 5), (6, 4), 0)
    picture = draw_distance(colour.rec, tmp_path / "distance.png")
    check(picture, f"{distance[0].min():.1f} to {distance[0].max():.1f} in the first block", distance=distance,
          uniform=uniform_distance((2, 5), (6, 4)), correlation=picture.numbers["correlation"])
    assert -1 <= picture.numbers["correlation"] <= 1


@pytest.mark.parametrize("which, count", [("vit", 8), ("colour", 3), ("cnn", 28)])
def test_filters(which, count, request, tmp_path):
    model = request.getfixturevalue(which).model
    components, shares = principal_filters(first_filters(model), count)
    check(draw_filters(model, tmp_path / "filters.png", count), f"first {len(shares)} principal components",
          components=components, shares=shares)


def test_positions(vit, tmp_path):
    picture = draw_positions(vit.model, tmp_path / "positions.png")
    check(picture, "3 by 5", similarity=position_similarity(vit.model), correlation=picture.numbers["correlation"])
    waves = create("vit_nano_patch4_32", pos_embed="sincos-2d")
    assert draw_positions(waves, tmp_path / "waves.png").numbers["correlation"] > 0.8       # near patches are similar


def test_logit_lens(vit, tmp_path):
    last = logit_lens(vit.rec)[-1, 1]
    check(draw_lens(vit.rec, vit.images, CLASSES, tmp_path / "lens.png", image=1),
          f"in the end {CLASSES[last.argmax()]} with {last.max():.0%}", probabilities=logit_lens(vit.rec))


def test_cosine(deit, tmp_path):
    check(draw_cosine(deit.rec, tmp_path / "cosine.png"), "over 3 images", cosine=token_cosine(deit.rec))


def test_gradient_flow(tmp_path):
    seen = Seen("vit_nano_patch7_28", **TINY | dict(patch_size=4))
    optimizer, before = AdamW(seen.model, lr=1e-3), snapshot(seen.model)
    ops.cross_entropy(seen.model(Tensor(seen.inputs)), np.arange(3)).backward()
    seen.model.blocks[0].mlp.fc1.weight.grad[3] = 0
    optimizer.step()
    flow = gradient_flow(seen.model, before)
    check(draw_flow(flow, tmp_path / "flow.png"), "blocks.0.mlp.fc1.weight: 1 of 64 units get no gradient: 3.",
          norm=flow.norm, ratio=flow.ratio, histogram=flow.histogram)
    flow = gradient_flow(seen.model)                                        # without a step
    check(draw_flow(flow, tmp_path / "flow.svg"), norm=flow.norm, ratio=flow.ratio, histogram=flow.histogram)


def test_activations(vit, tmp_path):
    history = ActivationHistory(vit.model, vit.inputs)
    for epoch in (1, 2, 3):
        history({"epoch": epoch})
    check(history.draw(tmp_path / "activations.png"), "3 layers", "3 epochs", mean=history.mean, std=history.std,
          near_zero=history.near_zero, histogram=history.histogram)


@pytest.mark.parametrize("which", ["colour", "cnn"])
def test_saliency(which, request, tmp_path):
    seen = request.getfixturevalue(which)
    picture = draw_saliency(seen.model, seen.images, [1, 2, 3], seen.mean, seen.std, tmp_path / "saliency.png", most=2)
    check(picture, "2 images", saliency=saliency(seen.model, seen.inputs, [1, 2, 3]))


def test_feature_maps(cnn, tmp_path):
    picture = draw_features(cnn.rec, cnn.images, tmp_path / "features.png", image=2, most=4)
    maps = {stage: maps[2] for stage, maps in cnn.rec.features.items()}
    check(picture, "stages.1 has 32 of 3 by 5", channels=picture.numbers["channels"], **maps)
    for stage, channels in picture.numbers["channels"].items():
        means = [abs(channel).mean() for channel in maps[stage]]
        assert [means[k] for k in channels] == sorted(means, reverse=True)[:4]


def test_confusion(tmp_path):
    labels, predictions = [0, 0, 1, 2, 9, 9, 9], [0, 3, 1, 2, 4, 4, 9]
    truth = np.zeros((10, 10), int)
    for label, prediction in zip(labels, predictions):
        truth[label, prediction] += 1
    check(draw_confusion(labels, predictions, CLASSES, tmp_path / "confusion.png"), "57.1% of 7",
          "nine taken for four, 2 times", counts=truth)
    many = draw_confusion(labels, predictions, [f"a class with a long name {k}" for k in range(100)],
                          tmp_path / "many.png")                            # too many to name
    check(many, "100 classes", counts=np.pad(truth, (0, 90)))


def test_mistakes(vit, tmp_path):
    logits = np.random.default_rng(1).standard_normal((3, 10))
    labels = logits.argmin(axis=1)
    found = worst_mistakes(logits, labels)
    index = found["index"][0]
    check(draw_mistakes(logits, labels, vit.images, CLASSES, tmp_path / "mistakes.png"),
          f"image {index}, a {CLASSES[labels[index]]}, was taken for {CLASSES[logits[index].argmax()]}", **found)
    with pytest.raises(ValueError, match="all of 3 images are classified rightly"):
        draw_mistakes(logits, logits.argmax(axis=1), vit.images, CLASSES, tmp_path / "none.png")


def test_a_model_without_what_is_to_be_drawn(vit, cnn, tmp_path):
    with pytest.raises(AttributeError, match="has no feature maps"):
        draw_features(vit.rec, vit.images, tmp_path / "x.png")
    for draw in (draw_attention, draw_rollout):
        with pytest.raises(AttributeError, match="a CNN has no attention"):
            draw(cnn.rec, cnn.images, tmp_path / "x.png")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_the_same_numbers_give_the_same_bytes(deit, kind, tmp_path):
    files = [draw_cosine(deit.rec, tmp_path / f"{k}.{kind}").path for k in range(2)]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_picture_shows_in_a_notebook_with_its_words(tmp_path):
    figure = new_figure(1, 1)
    figure.subplots().plot([1, 2])
    picture = save(figure, tmp_path / "x.png", 'a "line" \N{GREEK SMALL LETTER ALPHA} < b.')
    with Image.open(picture.path) as image:
        assert image.info["Description"] == picture.alt
    words = "a &quot;line&quot; \N{GREEK SMALL LETTER ALPHA} &lt; b."
    assert picture._repr_html_().startswith(f'<img alt="{words}" src="data:image/png;base64,')
    with pytest.raises(ValueError, match="a picture is a .png or an .svg file, not x.jpg"):
        save(figure, tmp_path / "x.jpg", "words")
