"""Image files: what is read from them, how they are fitted to a model, and what is refused."""
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from minivit.data import ImageError, image_pixels, mnist5k, read_image


def random_images(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def saved(folder, image, name="image.png", **options):
    path = folder / name
    image.save(path, **options)
    return path


def test_read_image_keeps_the_pixels_of_an_image_that_fits(tmp_path):
    pixels = random_images(6, 4, 3)
    path = saved(tmp_path, Image.fromarray(pixels))
    np.testing.assert_array_equal(read_image(path, (6, 4), 3), pixels)
    digit = mnist5k().test.images[3]
    path = saved(tmp_path, Image.fromarray(digit[..., 0]))
    np.testing.assert_array_equal(read_image(str(path), (28, 28), 1), digit)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
@pytest.mark.parametrize("channels", [1, 3])
def test_read_image_reads_the_three_formats(tmp_path, suffix, channels):
    path = saved(tmp_path, Image.new("RGB", (50, 40), (200, 100, 50)), f"image.{suffix}")
    out = read_image(path, (10, 12), channels)
    assert out.shape == (10, 12, channels) and out.dtype == np.uint8
    grey = round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)
    np.testing.assert_allclose(out, np.broadcast_to([200, 100, 50] if channels == 3 else grey,
                                                    out.shape), atol=4)


@pytest.mark.parametrize("width, height", [(30, 10), (10, 30)])
def test_read_image_cuts_to_the_centre(tmp_path, width, height):
    pixels = np.zeros((height, width), np.uint8)
    middle_y, middle_x = (height - 10) // 2, (width - 10) // 2
    pixels[middle_y:middle_y + 10, middle_x:middle_x + 10] = 255
    path = saved(tmp_path, Image.fromarray(pixels))
    assert (read_image(path, (10, 10), 1) == 255).all()
    assert (read_image(path, (5, 5), 1) > 230).all()


def test_read_image_smooths_where_it_shrinks(tmp_path):
    stripes = np.tile(np.array([0, 255], np.uint8), (64, 32))
    out = read_image(saved(tmp_path, Image.fromarray(stripes)), (8, 8), 1)
    np.testing.assert_allclose(out[1:-1, 1:-1], 127.5, atol=12)


def test_read_image_turns_upright(tmp_path):
    pixels = random_images(4, 6, 3)
    exif = Image.Exif()
    exif[0x0112] = 6                    # turn a quarter clockwise to see it upright
    path = saved(tmp_path, Image.fromarray(pixels), exif=exif)
    np.testing.assert_array_equal(read_image(path, (6, 4), 3), np.rot90(pixels, -1))


def test_read_image_puts_transparent_parts_on_black(tmp_path):
    pixels = np.full((2, 2, 4), 255, np.uint8)
    pixels[..., 3] = [[255, 0], [128, 0]]
    path = saved(tmp_path, Image.fromarray(pixels))
    for channels in (1, 3):
        out = read_image(path, (2, 2), channels)
        np.testing.assert_array_equal(out[..., 0], [[255, 0], [128, 0]])
    palette = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    palette.putpalette([250, 0, 0, 0, 240, 0])
    path = saved(tmp_path, palette, transparency=1)
    np.testing.assert_array_equal(read_image(path, (1, 2), 3), [[[250, 0, 0], [0, 0, 0]]])


def test_read_image_brings_16_bits_to_8(tmp_path):
    deep = np.array([[0, 128, 129, 257, 128 * 257 + 200, 65535]], np.uint16)
    path = saved(tmp_path, Image.fromarray(deep))
    np.testing.assert_array_equal(read_image(path, (1, 6), 1)[..., 0], [[0, 0, 1, 1, 129, 255]])
    wide = Image.fromarray(np.array([[-5, 257, 70_000]], np.int32))         # Pillow's mode I has 32 bits and a sign
    np.testing.assert_array_equal(image_pixels(wide, (1, 3), 1)[..., 0], [[0, 1, 255]])


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_read_image_takes_every_mode_of_png(tmp_path, mode):
    path = saved(tmp_path, Image.new("RGB", (8, 8), (255, 255, 255)).convert(mode))
    for channels in (1, 3):
        assert (read_image(path, (4, 4), channels) == 255).all()


def test_read_image_takes_cmyk(tmp_path):
    path = saved(tmp_path, Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "image.jpg")
    np.testing.assert_allclose(read_image(path, (4, 4), 3)[0, 0], [255, 0, 0], atol=4)
    np.testing.assert_allclose(read_image(path, (4, 4), 1)[0, 0], [76], atol=4)


@pytest.mark.parametrize("width, height", [(1, 200_000), (2_000_000, 1)])
def test_read_image_takes_long_and_thin_pictures(tmp_path, width, height):
    path = saved(tmp_path, Image.new("1", (width, height), 1))
    assert (read_image(path, (3, 4), 1) == 255).all()


def test_read_image_refuses_what_would_be_large_when_scaled(tmp_path):
    """2,000,000 x 1 pixels that cover (3, 70) are 140,000,000 x 70: 10 GB, all but the middle cut off."""
    path = saved(tmp_path, Image.new("1", (1, 2_000_000), 1))
    with pytest.raises(ImageError, match="image.png: a picture of 2000000 x 1 pixels is too long and thin: scaled to "
                                         "140000000 x 70 it has more than 64 million; cut it first"):
        read_image(path, (3, 70), 1)


def png_header(width, height):
    """A PNG that promises width x height pixels and holds none of them."""
    def chunk(name, data):
        body = name + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("width, height", [(8001, 8000), (10_000, 10_000), (100_000, 100_000)])
def test_read_image_refuses_large_images_before_decoding(tmp_path, width, height):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(width, height))
    with pytest.raises(ImageError, match="bomb.png has more than 64 million pixels"):
        read_image(path, (28, 28), 1)


def test_read_image_names_what_is_wrong(tmp_path):
    path = saved(tmp_path, Image.fromarray(random_images(40, 40, 3)))
    with pytest.raises(FileNotFoundError, match="nowhere.png"):
        read_image(tmp_path / "nowhere.png", (4, 4), 1)
    with pytest.raises(ValueError, match=r"channels must be 1 \(grey\) or 3 \(colour\), not 4"):
        read_image(path, (4, 4), 4)
    for size in (28, (0, 4), (4, 4, 3), (4.0, 4.0)):
        with pytest.raises(ValueError, match="size must be two integers >= 1"):
            read_image(path, size, 1)
    gif = saved(tmp_path, Image.new("L", (4, 4)), "image.gif")
    for unfit in (gif, __file__):
        with pytest.raises(ImageError, match="not an image that minivit reads: .*JPEG, PNG or W"):
            read_image(unfit, (4, 4), 1)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ImageError, match="image.png is damaged: it cannot be decoded"):
        read_image(path, (4, 4), 3)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_a_mutated_file_is_decoded_or_refused(tmp_path, suffix):
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.fromarray(random_images(16, 16, 3))
    good = saved(tmp_path, image, f"image.{suffix}", exif=exif).read_bytes()
    generator = np.random.default_rng(0)
    path = tmp_path / "mutated"
    for _ in range(100):
        content = bytearray(good)
        for _ in range(generator.integers(1, 6)):
            content[generator.integers(len(content))] = generator.integers(256)
        path.write_bytes(content[:generator.integers(1, len(content) + 1)]
                         if generator.random() < 0.3 else content)
        try:
            assert read_image(path, (8, 8), 3).shape == (8, 8, 3)
        except ImageError:
            pass
