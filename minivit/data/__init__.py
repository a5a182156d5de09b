"""Data: from files to batches of normalised images, with NumPy alone.

    data = open_dataset("mnist5k")              # or cifar10, shapes-texture, photos:size=64, a file, a folder, ...
    loader = Loader(data.train, 128, data.mean, data.std, seed=0, augment=ShiftRotate())
    for batch in loader.epoch(0):
        batch.images, batch.labels              # float32 (B, C, Sy, Sx), int64 (B,)

A `DataSet` holds uint8 images as files have them, (n, Sy, Sx, C); a `Loader` shuffles, augments and
normalises them into float32, (B, C, Sy, Sx).

    how = Preprocessing((224, 224), crop_pct=0.9)               # what a trained model wants pictures to look like
    pixels = read_image("cat.jpg", how, channels=3)             # uint8 (Sy, Sx, C)
    images = normalise(pixels[None], how.mean, how.std)         # float32 (1, C, Sy, Sx)

Pillow is loaded only when pictures are read.
"""
from minivit.data.augment import Augmentation, ShiftRotate, shift_rotate
from minivit.data.dataset import DataSet, Split, mean_std, normalise
from minivit.data.folder import FolderOptions, image_folder
from minivit.data.idx import read_idx
from minivit.data.imagenet import imagenet_classes
from minivit.data.images import ImageError, image_pixels, read_image
from minivit.data.loader import Batch, Loader, LoaderError
from minivit.data.mnist import mnist5k, mnist_folder
from minivit.data.npz import npz, write_npz
from minivit.data.opening import open_dataset
from minivit.data.preprocess import Preprocessing
from minivit.data.shapes import ShapesOptions, shapes

__all__ = ["Augmentation", "Batch", "DataSet", "FolderOptions", "ImageError", "Loader", "LoaderError", "Preprocessing",
           "ShapesOptions", "ShiftRotate", "Split", "image_folder", "image_pixels", "imagenet_classes", "mean_std",
           "mnist5k", "mnist_folder", "normalise", "npz", "open_dataset", "read_idx", "read_image", "shapes",
           "shift_rotate", "write_npz"]
