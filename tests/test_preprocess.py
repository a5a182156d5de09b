"""Pictures as a trained model wants them: bit for bit as timm and Hugging Face make them; and the classes of ImageNet.

Golden values: golden/pictures.npz, written by golden/make_pictures.py. What files may be read is in test_images.py.
"""
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minivit.data import Preprocessing, image_pixels, imagenet_classes, normalise, read_image

with np.load(Path(__file__).parent / "golden" / "pictures.npz") as file:
    GOLDEN = {key: file[key] for key in file.files}
CASES = json.loads(str(GOLDEN["cases"]))


def picture(name):
    pixels = GOLDEN[f"picture/{name}"]
    return Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0])


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['name']}-{case['picture']}")
def test_pixels_are_those_of_timm_and_hugging_face(case):
    expected = GOLDEN[case["name"]]
    out = image_pixels(picture(case["picture"]), Preprocessing.from_dict(case["settings"]), expected.shape[2])
    assert out.dtype == np.uint8
    np.testing.assert_array_equal(out, expected)


def test_normalised_images_are_those_of_timm():
    how = Preprocessing((10, 10), 0.9, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    images = normalise(image_pixels(picture("landscape"), how, 3)[None], how.mean, how.std)
    np.testing.assert_allclose(images[0], GOLDEN["normalised"], rtol=0, atol=1e-6)


def rotated(image):
    """As a phone stores it, with the note that it is to be turned a quarter clockwise."""
    stored = image.transpose(Image.Transpose.ROTATE_90)
    stored.getexif()[0x0112] = 6
    return stored, image


def transparent(image):
    """Transparent white in the upper rows, which are to be seen as black."""
    pixels = np.dstack([image, np.full((image.height, image.width), 255, np.uint8)])
    pixels[:4] = 255, 255, 255, 0
    meant = image.copy()
    meant.paste((0, 0, 0), (0, 0, image.width, 4))
    return Image.fromarray(pixels), meant


def of_grey(store):
    return lambda image: (store(image.convert("L")), image.convert("L").convert("RGB"))


STORED = {      # a picture -> how it may be stored, and the upright RGB picture that is meant
    "rotated": rotated,
    "transparent": transparent,
    "palette": of_grey(lambda grey: grey.convert("P")),
    "grey-alpha": of_grey(lambda grey: grey.convert("LA")),
    "sixteen-bits": of_grey(lambda grey: Image.fromarray(np.array(grey).astype(np.uint16) * 257)),
}


@pytest.mark.parametrize("store", STORED.values(), ids=STORED)
def test_the_picture_is_read_before_it_is_fitted(tmp_path, store):
    stored, meant = store(picture("landscape"))
    how = Preprocessing((10, 10), 0.9)
    expected = np.array(how.fit(meant))
    np.testing.assert_array_equal(image_pixels(stored, how, 3), expected)
    stored.save(tmp_path / "picture.png", exif=stored.getexif())
    np.testing.assert_array_equal(read_image(tmp_path / "picture.png", how, 3), expected)


def test_a_size_alone_covers_and_cuts():
    image = picture("portrait")
    np.testing.assert_array_equal(image_pixels(image, (10, 8), 3), image_pixels(image, Preprocessing((10, 8)), 3))


def test_the_image_given_stays_as_it_is():
    image = picture("landscape")
    before = image.tobytes()
    image_pixels(image, (10, 10), 1)
    assert (image.mode, image.size, image.tobytes()) == ("RGB", (27, 17), before)


@pytest.mark.parametrize("settings", [
    dict(size=(224, 224)),
    dict(size=[32, 28], crop_pct=1, interpolation="lanczos", mean=[0.1307], std=(0.3081,), crop_mode="squash")])
def test_settings_survive_json(settings):
    how = Preprocessing(**settings)
    stored = json.loads(json.dumps(how.to_dict()))
    assert stored == how.to_dict() and Preprocessing.from_dict(stored) == how
    assert how.size == tuple(settings["size"]) and hash(how) is not None


@pytest.mark.parametrize("settings, match", [
    (dict(size=224), r"size must be two integers >= 1, \(Sy, Sx\) in pixels, not 224"),
    (dict(size=(0, 4)), "size must be two integers >= 1"), (dict(size=(4.0, 4)), "size must be two integers >= 1"),
    (dict(size=(4, 4), crop_pct=0), "crop_pct must be above 0 and at most 1, .* not 0"),
    (dict(size=(4, 4), crop_pct=1.1), "not 1.1"), (dict(size=(4, 4), crop_pct=float("nan")), "not nan"),
    (dict(size=(4, 4), interpolation="bicubik"), "unknown interpolation 'bicubik': did you mean 'bicubic'"),
    (dict(size=(4, 4), crop_mode="border"), "unknown crop_mode 'border'; there are: center, squash"),
    (dict(size=(4, 4), mean=(0.5,)), r"number per channel, .* not mean=\(0.5,\) and std=\(0.5, 0.5, 0.5\)"),
    (dict(size=(4, 4), mean=(0.5,), std=(0,)), "std above 0"),
    (dict(crop_pct=0.9), "need a size, and have only: crop_pct"),
    (dict(size=(4, 4), croppct=0.9), "unknown setting of preprocessing 'croppct': did you mean 'crop_pct'")])
def test_errors_name_what_was_given(settings, match):
    with pytest.raises(ValueError, match=match):
        Preprocessing.from_dict(settings)


def test_imagenet_classes():
    classes = imagenet_classes()
    assert len(classes) == 1000 == len({name.lower() for name in classes})
    assert all(name.strip() == name and name for name in classes)
    assert {number: classes[number] for number in (0, 1, 134, 207, 281, 388, 517, 817, 951, 999)} == {
        0: "tench", 1: "goldfish", 134: "crane (bird)", 207: "golden retriever", 281: "tabby", 388: "giant panda",
        517: "crane (machine)", 817: "sports car", 951: "lemon", 999: "toilet tissue"}


def test_provenance():
    provenance = json.loads(str(GOLDEN["provenance"]))
    assert provenance["call"] == "python tests/golden/make_pictures.py"
    assert {"timm", "pillow", "transformers"} <= set(provenance["versions"])
