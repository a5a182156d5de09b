"""The explorer's file: small, the same every time, harmless; and in a real browser its numbers are the model's, every
view can be reached by keys, and nothing is loaded."""
import base64
import hashlib
import json
import re
import zlib
from importlib.resources import files
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from minivit import Tensor
from minivit.cli.explain import side_of as side_of_split
from minivit.data import Split, mnist5k, normalise
from minivit.inspect import record
from minivit.inspect.explorer import Side, explain, page
from minivit.inspect.explorer.codes import Pack, byte_codes, float16, map_codes, surprises
from minivit.inspect.lens import logit_lens
from minivit.inspect.positions import position_similarity
from minivit.inspect.rollout import rollout
from minivit.models import create
from minivit.ops import softmax
from minivit.weights import card_of, save

SMALL = dict(image_size=(12, 20), patch_size=4, depth=3, embed_dim=16, num_heads=2, num_classes=4, zero_head=False,
             pos_std=1.0)
MODELS = {"no prefix": ("vit_nano_patch4_32", dict(class_token=False, pool="mean")),
          "class token": ("vit_nano_patch7_28", dict(patch_size=(2, 4))),
          "two tokens": ("deit_nano_distilled_patch7_28", dict(patch_size=(4, 10))),
          "hybrid": ("vit_nano_r_28", dict(patch_size=(4, 5), layers=(1,), channels=(32,))),
          "no positions": ("vit_nano_patch7_28", dict(pos_embed="none", registers=3))}
VIEWS = ["attention", "rollout", "positions", "filters", "predictions", "compare", "parts", "mistakes"]
NAMES = ("</script><script>window.stolen = 1</script>", "<!-- <script>", "Пёс & 犬 שלום", "'\"`${1}\\u003c")


def side_of(name, preset, changes, B=3, seed=0, **more):
    """A Side of random images, and a model whose attention is neither flat nor on one token only."""
    model = create(preset, seed, **changes).eval()
    for block in model.blocks:
        block.attn.qkv.weight.data[:] *= 2
    c = model.config
    images = np.random.default_rng(seed).integers(0, 256, (B,) + c.image_size + (c.in_chans,), np.uint8)
    return Side(model, name, images, [f"image {n}" for n in range(B)], [None] * B, **more)


def recorded(side):
    """The Record of what the page shows."""
    card = card_of(side.model)
    with record(side.model) as rec:
        side.model(Tensor(normalise(side.images, card.mean, card.std)))
    return rec


def decoded(codes, largest):
    return largest[..., None].astype(np.float64) * (codes / 255.0) ** 2


# The file

@pytest.mark.parametrize("peak", [0, 1, 5, 50])
def test_codes_are_within_a_255th_of_the_largest_of_the_row(peak):
    maps = softmax(Tensor(peak * np.random.default_rng(0).standard_normal((2, 3, 65, 65), np.float32))).data
    codes, largest = map_codes(maps)
    assert (codes.dtype, largest.dtype, largest.shape) == (np.uint8, np.float16, (2, 3, 65))
    error = abs(decoded(codes, largest) - maps) / maps.max(-1, keepdims=True)
    assert error.max() <= 1 / 255


def test_surprises_are_those_of_paeth():
    codes = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 5), np.uint8)
    for found, flat in zip(surprises(codes).reshape(-1, 4, 5), codes.reshape(-1, 4, 5).astype(int)):
        for y in range(4):
            for x in range(5):
                left, above = flat[y, x - 1] if x else 0, flat[y - 1, x] if y else 0
                between = flat[y - 1, x - 1] if x and y else 0
                nearest = min((left, above, between), key=lambda code: abs(above + left - between - code))
                assert found[y, x] == (flat[y, x] - nearest) % 256
    assert (surprises(np.full((1, 6, 7), 9, np.uint8)).sum(), surprises(codes).dtype) == (9, np.uint8)


def test_bytes_stand_for_equal_steps_and_halves_stay_finite():
    assert byte_codes(np.array([-2.0, -1, 0, 1, 2]), -1, 1).tolist() == [0, 0, 128, 255, 255]
    assert np.isfinite(float16(np.array([1e30, -1e30]))).all()


def test_a_pack_says_where_its_arrays_are():
    pack = Pack()
    arrays = [np.arange(6, dtype=np.uint8)[None], np.full((4, 99, 9), 7, np.uint8), np.array([0.5], np.float16)]
    entries = [pack.add(array, alike=True) for array in arrays[:2]] + [pack.add(arrays[2])]
    data = zlib.decompress(base64.b64decode(pack.text()))
    assert [entry["at"] for entry in entries] == [0, 6, 6 + 4 * 99 * 9] and data[:6] == bytes(range(6))
    assert (len(data), np.frombuffer(data, "<f2", offset=entries[2]["at"])) == (8 + 4 * 99 * 9, 0.5)
    assert not Pack(compress=False).add(arrays[1], alike=True)["surprises"]


def test_the_same_input_gives_the_same_bytes(tmp_path):
    side = side_of("a model", *MODELS["two tokens"][:1], SMALL | MODELS["two tokens"][1])
    first = page(side)
    assert page(side) == first != page(side, compress=False)
    size = explain(tmp_path / "a.html", side)
    assert (tmp_path / "a.html").read_text("utf-8") == first and size == len(first.encode())


def test_names_cannot_become_markup():
    side = side_of(NAMES[0], "vit_nano_patch7_28", SMALL)
    side.names[:] = NAMES[:3]
    text = page(side)
    assert len(re.findall("</script", text, re.IGNORECASE)) == 4 and "<!-- <script" not in text
    policy, = re.findall('http-equiv="Content-Security-Policy" content="(.*?)"', text)
    for script in re.findall(r"<script>(.*?)</script>", text, re.DOTALL):
        assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() in policy
    assert policy.startswith("default-src 'none'; script-src 'sha256-") and "unsafe" not in policy


def test_a_name_that_is_no_text_is_written_all_the_same(tmp_path):
    side = side_of("caf\udce9", "vit_nano_patch7_28", SMALL)
    assert explain(tmp_path / "a.html", side) > 10_000


@pytest.mark.parametrize("preset, changes, B, most", [
    ("vit_nano_patch4_32", dict(depth=6, embed_dim=128, num_heads=4), 16, 2.5e6),
    ("deit_tiny_patch16_224", {}, 1, 1.5e6)], ids=["16 images of 32 pixels", "DeiT-Ti at 224"])
def test_pages_are_small(preset, changes, B, most):
    model = create(preset, **changes).eval()
    steps = np.random.default_rng(0).standard_normal((B,) + model.config.image_size + (3,))     # a soft, grainy photo
    images = np.cumsum(np.cumsum(steps, axis=1), axis=2)
    images = 255 * (images - images.min()) / np.ptp(images) + 4 * np.random.default_rng(1).standard_normal(steps.shape)
    side = Side(model, "m", images.clip(0, 255).astype(np.uint8), [""] * B, [None] * B)
    assert 0.3 * most < len(page(side)) <= most


def test_what_cannot_be_shown_is_refused(tmp_path):
    with pytest.raises(ValueError, match="a CNN, and has no attention to look at: minivit.inspect.draw_features"):
        Side(create("cnn_nano_28"), "mine", None, [], [])
    side = side_of("mine", "vit_nano_patch7_28", SMALL)
    with pytest.raises(ValueError, match=r"a.html would have 0.\d MB, and at most 0.01 are allowed: give fewer images"):
        explain(tmp_path / "a.html", side, max_mb=0.01)
    assert not (tmp_path / "a.html").exists()
    side.model.blocks[0].attn.qkv.weight.data[0, 0] = np.nan
    with pytest.raises(ValueError, match="the attention of mine is not finite"):
        page(side)


# The commands

def about(path):
    """The JSON of a page."""
    text, = re.findall('id="about">(.*?)</script>', path.read_text("utf-8"))
    return json.loads(text)


def test_explain_shows_image_files_of_any_kind(minivit, run_folder, tmp_path):
    Image.new("CMYK", (300, 40), "red").save(tmp_path / "a.jpg")
    Image.fromarray(mnist5k().test.images[0, :, :, 0]).save(tmp_path / "b.png")
    status, printed, said = minivit("explain", run_folder, tmp_path / "a.jpg", tmp_path / "b.png", "-o",
                                    tmp_path / "x.html")
    assert (status, said) == (0, "")
    assert re.fullmatch(r".*x\.html: 2 images, 0\.\d\d MB; open it in a browser\n", printed)
    model, = about(tmp_path / "x.html")["models"]
    assert [image["name"] for image in model["images"]] == ["a.jpg", "b.png"] and model["confusion"] is None
    assert [image["label"] for image in model["images"]] == [None, None]


def test_explain_without_files_shows_test_images_of_every_class(minivit, run_folder, tmp_path):
    assert minivit("explain", run_folder, "-o", tmp_path / "x.html", "--report", "--compare", run_folder)[0] == 0
    for model in about(tmp_path / "x.html")["models"]:
        labels = [image["label"] for image in model["images"]]
        assert len(labels) == 16 and set(labels) == {str(digit) for digit in set(map(int, labels))}
        assert len(set(labels[:len(set(labels))])) == len(set(labels))          # one of each before a second of any
        assert model["confusion"]["of"] == 20 and model["summary"][0][0] == "module"


def test_images_are_taken_from_every_class_in_turn():
    images = np.arange(7, dtype=np.uint8)[:, None, None, None].repeat(28, 1).repeat(28, 2)
    side = side_of_split(create("vit_nano_patch7_28"), "a", Split(images, np.array([0, 0, 0, 0, 1, 1, 2])))
    assert side.images[:, 0, 0, 0].tolist() == [0, 4, 6, 1, 5, 2, 3] and side.labels == [0, 1, 2, 0, 1, 0, 0]


def test_explain_says_what_is_missing(refuses, run_folder, digit, digits, tmp_path):
    model = create("vit_nano_patch7_28", num_classes=4)
    save(model, tmp_path / "new.safetensors")
    refuses("explain", tmp_path / "new.safetensors", "-o", tmp_path / "a.html",
            words=["does not say what it was trained on: give image files, or name a data set with --data"])
    refuses("explain", run_folder, "-o", tmp_path / "no" / "a.html", words=["there is no folder"])
    refuses("explain", run_folder, tmp_path / "no.png", "-o", tmp_path / "a.html", words=["no.png"])
    refuses("explain", run_folder, "--invert", words=["--invert is for image files, and none is given"])
    refuses("explain", run_folder, digit, "--data", digits, words=["--data names test images, for --report"])
    refuses("explain", tmp_path / "new.safetensors", "--data", digits, "-o", tmp_path / "a.html",
            words=["the data has the label", "only 4 classes: it was trained on other data"])
    refuses("explain", run_folder, "--max-mb", "0.01", "-o", tmp_path / "a.html", words=["--max-mb"])
    assert not (tmp_path / "a.html").exists()


def test_train_leaves_the_page_of_a_transformer(minivit, run_folder, digits, tmp_path):
    model, = about(run_folder / "attention.html")["models"]
    assert model["name"] == str(run_folder) and model["confusion"]["of"] == 20 and len(model["images"]) == 16
    assert minivit("train", "--data", digits, "--model", "cnn_nano_28", "--epochs", "1", "--out", tmp_path / "cnn",
                   "--quiet")[0] == 0
    assert not (tmp_path / "cnn" / "attention.html").exists()


# In a browser

@pytest.fixture(scope="module")
def opened(browser, tmp_path_factory):
    """Of each of MODELS its open page, its Side and its Record."""
    folder, found = tmp_path_factory.mktemp("pages"), {}
    for name, (preset, changes) in MODELS.items():
        side = side_of(name, preset, SMALL | changes)
        explain(folder / f"{name}.html", side)
        found[name] = SimpleNamespace(page=browser.open(folder / f"{name}.html"), side=side, rec=recorded(side))
    yield found
    for one in found.values():
        assert (one.page.requests, one.page.complaints) == ([], [])
        one.page.close()


@pytest.fixture(scope="module")
def whole(browser, tmp_path_factory):
    """The file of a page with every view: two models that differ in all, names that are hostile, a confusion matrix."""
    counts = np.array([[5, 1, 0, 0], [0, 6, 0, 0], [2, 0, 4, 0], [0, 0, 0, 6]])
    path = tmp_path_factory.mktemp("whole") / "whole.html"
    sides = [side_of(NAMES[0], "vit_nano_patch4_32", SMALL, confusion=counts, summary=[["module"], [NAMES[1]]]),
             side_of("second", "deit_nano_distilled_patch7_28", SMALL | dict(patch_size=(6, 4), depth=2, num_heads=4))]
    for side in sides:
        side.names[:] = NAMES[:3]
        side.labels[:] = [0, 1, 2]
        side.model.card = card_of(side.model).__class__(NAMES, card_of(side.model).preprocessing)
    explain(path, *sides)
    return path


def state(page):
    return page.evaluate("minivit.state()")


@pytest.mark.parametrize("name", MODELS)
def test_twenty_numbers_are_the_models(opened, name):
    one, rng = opened[name], np.random.default_rng(0)
    maps = np.stack(one.rec.attention, axis=1)                              # (B, L, H, N, N)
    for _ in range(20):
        i, layer, h, q, k = (int(rng.integers(size)) for size in maps.shape)
        shown, worked = one.page.evaluate(f"[minivit.models[0].weight({i},{layer},{h},{q},{k}), "
                                          f"minivit.models[0].worked({i},{layer},{h},{q},{k})]")
        true, most = float(maps[i, layer, h, q, k]), float(maps[i, layer, h, q].max())
        assert abs(shown - true) <= most / 255
        queries, keys, values = (part[i, h].astype(np.float64) for part in one.rec.qkv[layer])
        assert worked["weight"] == pytest.approx(true, abs=2e-3 * most)
        assert worked["dot"] == pytest.approx(queries[q] @ keys[k], abs=2e-2)
        assert worked["score"] == pytest.approx(queries[q] @ keys[k] / np.sqrt(len(keys[k])), abs=1e-2)
        arriving = maps[i, layer, h, q] * np.linalg.norm(values, axis=1)
        assert worked["share"] == pytest.approx(arriving[k] / arriving.sum(), rel=2e-2)


@pytest.mark.parametrize("name", MODELS)
def test_what_is_computed_in_the_page_is_what_numpy_computes(opened, name):
    page, side, rec = opened[name].page, opened[name].side, opened[name].rec
    rows = page.evaluate("[0, 1, 2].flatMap(l => [...minivit.models[0].row(1, l, 1, 2)].reduce((a, b) => a + b))")
    assert rows == pytest.approx([1, 1, 1], abs=0.03)
    for fusion in ("mean", "max", "min"):
        after = page.evaluate(f"[...minivit.models[0].rollout(2, '{fusion}').at(-1)]")
        true = rollout(rec.attention, fusion)[2]
        assert abs(np.reshape(after, true.shape) - true).max() <= 0.01 * true.max()
    if name != "no positions":
        shown = page.evaluate("[...minivit.models[0].similarity(4)]")
        true = position_similarity(side.model).reshape(rec.grid[0] * rec.grid[1], -1)[4]
        assert abs(np.array(shown) - true).max() <= 1.01 / 255
    course = page.evaluate("minivit.models[0].images[1].course")
    best = np.argsort(-logit_lens(rec)[-1, 1], kind="stable")
    assert course[0] == pytest.approx(logit_lens(rec)[:, 1, best[0]], abs=1e-4)
    pixels = page.evaluate("[...picture(minivit.models[0], 2).getContext('2d').getImageData(0, 0, 20, 12).data]")
    pixels = np.reshape(pixels, (12, 20, 4))
    assert (pixels[:, :, :3] == side.images[2]).all() and (pixels[:, :, 3] == 255).all()


def test_attention_js_by_itself(browser, tmp_path):
    """Its arithmetic, without a page around it."""
    script = files("minivit.inspect.explorer").joinpath("attention.js").read_text("utf-8")
    (tmp_path / "alone.html").write_text(f"<meta charset=utf-8><script>{script}</script>", "utf-8")
    page = browser.open(tmp_path / "alone.html", ready="window.bytesOf")
    bits = np.arange(0, 65536, 7, dtype=np.uint16)
    halves = bits.view(np.float16)
    found = np.array(page.evaluate(f"{bits[np.isfinite(halves)].tolist()}.map(float16)"))
    assert (found == halves[np.isfinite(halves)]).all()
    codes = np.random.default_rng(0).integers(0, 256, (2, 5, 7), np.uint8)
    entry = '{type: "uint8", shape: [2, 5, 7], at: 3, surprises: true}'
    for compress in (True, False):
        pack = Pack(compress)
        pack.add(np.zeros(3, np.uint8))
        pack.add(surprises(codes))
        found = page.evaluate(f"bytesOf('{pack.text()}', {str(compress).lower()}).then(b => [...arrayOf({entry}, b)])")
        assert found == codes.ravel().tolist()
    assert page.evaluate("[0, 0.5, 1, 2].map(value => onScale(value, 1, false))") == [0, 0.5, 1, 1]
    assert page.evaluate("[0, 1e-4, 1e-3, 0.1, 1].map(value => onScale(value, 1, true))") == pytest.approx(
        [0, 0, 0, 2 / 3, 1])
    assert page.evaluate("onScale(1, 0, false)") == 0
    assert page.evaluate("[-1, 0, 1, 9].map(place => colourAt(place))") == [[0, 34, 78]] * 2 + [[254, 232, 56]] * 2
    assert page.evaluate("[0, 1e-6, 1e-4, 0.01234, 0.5, 1].map(percent)") == [
        "0 %", "< 0.001 %", "0.010 %", "1.23 %", "50.0 %", "100.0 %"]
    assert page.evaluate("[ticks(14), ticks(0.7), ticks(130)]") == [
        pytest.approx([0, 5, 10]), pytest.approx([0, 0.2, 0.4, 0.6]), pytest.approx([0, 50, 100])]
    assert page.complaints == []
    page.close()


def test_every_view_is_reached_by_keys_alone(browser, whole):
    page = browser.open(whole, "#q=0")
    assert state(page)["tab"] == "attention" and page.evaluate("document.body.dataset.l") == "2"
    for number, view in enumerate(VIEWS, start=1):
        page.press(str(number))
        assert state(page)["tab"] == view
        assert page.evaluate("$('view').innerText.trim().length + $('view').querySelectorAll('canvas').length") > 0
        assert page.evaluate(f"$('tab-{view}').getAttribute('aria-selected')") == "true"
    page.wait(f"location.hash.includes('tab={VIEWS[-1]}&m=0')")
    page.press("1", "c", "ArrowDown", "ArrowRight", "ArrowDown")
    assert state(page)["q"] == 1 + 5 + 1 and page.evaluate("$('question').textContent") == "Where patch (1, 1) looks"
    page.press("[", ",", "n", "t", "l", "s")
    found = state(page)
    assert [found[name] for name in ("l", "h", "i", "direction", "colours", "scale")] == [1, 1, 1, "to", "log", "all"]
    page.press("]", ".", "p", "t", "l", "s", "c")
    assert [state(page)[name] for name in ("l", "h", "i", "direction", "colours", "scale", "q")] == [
        2, 0, 0, "from", "linear", "row", 0]
    page.press("Enter", "Shift+ArrowDown")
    assert (state(page)["lock"], state(page)["q"]) == (1, 0) and state(page)["k"] > 0
    page.press("Escape", "m")
    assert (state(page)["lock"], state(page)["k"], state(page)["m"]) == (0, -1, 1)
    assert page.evaluate("$('name').textContent") == "second"
    page.press("c", "c", "2", "f", "f")
    assert (state(page)["q"], state(page)["fusion"]) == (2, "min")
    page.press("?")
    assert page.evaluate("$('help').open")
    page.press("Escape", "d")
    assert not page.evaluate("$('help').open") and state(page)["theme"] == "dark"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(21, 23, 26)"
    page.evaluate("$('tab-rollout').focus()")
    page.press("ArrowRight")
    assert state(page)["tab"] == "positions" and page.evaluate("document.activeElement.id") == "tab-positions"
    assert (page.requests, page.complaints) == ([], [])
    page.close()


def test_pointing_shows_and_clicking_locks(opened):
    page = opened["two tokens"].page                                        # 3 x 2 patches
    page.call("Page.bringToFront")                                          # others have no pointer
    page.evaluate("minivit.set({tab: 'attention', q: 0, l: 0, h: 0, i: 0, lock: 0})")
    left, top, width, height = page.evaluate("(box => [box.left, box.top, box.width, box.height])"
                                             "($('canvas').getBoundingClientRect())")
    at = {(y, x): (left + (x + 0.5) * width / 2, top + (y + 0.5) * height / 3) for y in range(3) for x in range(2)}
    page.move(*at[1, 1])
    assert (state(page)["q"], state(page)["lock"]) == (2 + 3, 0)
    page.click(*at[1, 1])
    page.move(*at[2, 0])
    assert [state(page)[name] for name in ("q", "k", "lock")] == [5, 6, 1]
    true = opened["two tokens"].rec.attention[0][0, 0, 5].astype(float)
    assert float(page.evaluate("$('number').dataset.weight")) == pytest.approx(true[6], abs=true.max() / 255)
    assert float(page.evaluate("$('number').dataset.worked")) == pytest.approx(true[6], abs=2e-3 * true.max())
    page.click(*at[1, 1])
    assert state(page)["lock"] == 0
    page.evaluate("$('prefix').children[1].click(); document.querySelectorAll('.matrix button')[3].click()")
    assert [state(page)[name] for name in ("q", "lock", "l", "h")] == [1, 1, 1, 1]


def test_names_are_shown_as_they_are_and_run_nothing(browser, whole):
    page = browser.open(whole)
    assert page.evaluate("$('name').textContent") == NAMES[0] and page.evaluate("document.title").startswith(NAMES[0])
    for view in VIEWS:
        page.evaluate(f"minivit.set({{tab: '{view}'}})")
    assert page.evaluate("$('view').innerText").count(NAMES[2]) >= 1        # in the table of mistakes
    assert page.evaluate("document.scripts.length") == 4 and page.evaluate("typeof window.stolen") == "undefined"
    page.evaluate("document.body.append(element('script', {textContent: 'window.stolen = 1'}))")
    assert page.evaluate("typeof window.stolen") == "undefined" and "Content Security Policy" in page.complaints[0]
    assert page.evaluate("fetch('http://127.0.0.1:9/').then(() => 'sent', () => 'refused')") == "refused"
    page.close()


def test_what_a_page_asks_for_would_be_seen(browser, tmp_path):
    """The counts of zero above can be others."""
    (tmp_path / "bad.html").write_text("<img src='http://127.0.0.1:9/x.png'>"
                                       "<script>console.error('oh'); nothing()</script>")
    page = browser.open(tmp_path / "bad.html", ready="document.readyState === 'complete'")
    assert page.requests == ["http://127.0.0.1:9/x.png"] and len(page.complaints) >= 2
    page.close()


@pytest.mark.parametrize("fragment, kept", [
    ("#tab=rollout&i=2&l=1&q=3&fusion=max&theme=dark", dict(tab="rollout", i=2, l=1, q=3, fusion="max", theme="dark")),
    ("#tab=nothing&i=99&l=1.5&h=-3&q=x&k=&theme=%3Cb%3E&__proto__=1&overlay=1e9&%%",
     dict(tab="attention", i=0, l=2, h=0, q=0, theme="auto", overlay=75))], ids=["good", "bad"])
def test_the_address_is_the_state(browser, whole, fragment, kept):
    page = browser.open(whole, fragment)
    assert state(page) | kept == state(page)
    page.wait("location.hash.includes('&lock=0&')")
    page.evaluate("location.hash = '#tab=filters&i=1'")
    page.wait("minivit.state().tab === 'filters'")
    assert state(page)["i"] == 1 and page.complaints == []
    page.close()


@pytest.mark.parametrize("width, dark", [(1280, False), (360, True)])
def test_every_view_fits_and_can_be_read(browser, whole, tmp_path, width, dark):
    page = browser.open(whole, width=width, height=800, dark=dark)
    dim = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(21, 23, 26)"
    assert dim is dark
    pictures = set()
    for view in VIEWS:
        page.evaluate(f"minivit.set({{tab: '{view}'}})")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, view
        page.screenshot(tmp_path / "view.png", whole=False)
        pixels = np.asarray(Image.open(tmp_path / "view.png").convert("L"))
        assert pixels.std() > 10, view
        pictures.add(pixels.tobytes())
    assert len(pictures) == len(VIEWS)
    unnamed = page.evaluate("[...document.querySelectorAll('button, canvas[role], svg, select, input')].filter(e => "
                            "!e.textContent.trim() && !e.getAttribute('aria-label') && !e.closest('label')).length")
    assert unnamed == 0 and page.complaints == []
    page.call("Emulation.setEmulatedMedia", media="print")
    assert page.evaluate("getComputedStyle($('tabs')).display") == "none"
    page.close()


def test_a_page_of_three_megabytes_opens_within_a_second(browser, tmp_path):
    side = side_of("large", "vit_nano_patch4_32", dict(depth=6, embed_dim=128, num_heads=4), B=24)
    assert 2e6 < explain(tmp_path / "large.html", side) < 4e6
    times = []
    while len(times) < 4 and min(times, default=2000) >= 1000:              # others may be at work on this machine
        page = browser.open(tmp_path / "large.html")
        times.append(page.evaluate("minivit.opened"))
        assert page.requests == page.complaints == []
        page.close()
    assert min(times) < 1000


def test_what_a_file_has_no_room_for_is_said(browser, tmp_path):
    side = side_of("deit", "vit_nano_patch4_32", dict(embed_dim=192, depth=6), B=4)
    explain(tmp_path / "a.html", side, compress=False)
    page = browser.open(tmp_path / "a.html", "#i=3&l=2")
    assert page.evaluate("$('number').dataset.worked") == ""
    assert page.evaluate("minivit.models[0].kept[0]") == [0, 5]             # of each image the last block first
    page.evaluate("document.querySelector('#number button').click()")
    assert page.evaluate("$('number').dataset.worked") != "" and page.complaints == []
    page.close()
