"""Files of weights by other projects: what PyTorch, NumPy and Transformers wrote is read as they mean it; whatever is
damaged, or made to do harm, is refused, and nothing in it is run.

The fuzz changes good files at random. MINIVIT_FUZZ=20000 pytest -k fuzz runs it for long.
"""
import io
import json
import os
import pickle
import random
import shutil
import struct
import time
import tracemalloc
import zipfile
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from minivit.weights.files import read_checkpoint, write_npz
from minivit.weights.store import WeightsError, write_safetensors

FILES = Path(__file__).parent / "golden" / "files"
FUZZ = int(os.environ.get("MINIVIT_FUZZ", "250"))
DTYPES = {"float32", "float64", "int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8", "bool"}


# What good files hold

def expected(file):
    """{name: array} as PyTorch has it."""
    with np.load(FILES / "expected.npz") as arrays:
        return {name.removeprefix(f"{file}:"): arrays[name] for name in arrays.files if name.startswith(f"{file}:")}


def assert_same(arrays, others):
    assert arrays.keys() == others.keys() and arrays
    for name, array in arrays.items():
        assert (array.dtype, array.shape) == (others[name].dtype, others[name].shape), name
        assert array.tobytes() == others[name].tobytes(), name          # also nan and -0.0


@pytest.mark.parametrize("file, kind, part", [
    ("types.safetensors", "safetensors", ""), ("types.pth", "pth", ""), ("types.npz", "npz", ""),
    ("views.pth", "pth", ""), ("training.pth", "pth", "model"), ("parameters.pth", "pth", "state_dict"),
    ("ema.pth", "pth", "model_ema"), ("google.npz", "npz", ""), ("vit", "huggingface folder", "")])
def test_arrays_are_those_that_were_saved(file, kind, part):
    checkpoint = read_checkpoint(FILES / file)
    assert (checkpoint.kind, checkpoint.part) == (kind, part)
    assert_same(checkpoint.arrays, expected(file))
    assert {array.dtype.name for array in checkpoint.arrays.values()} <= DTYPES


@pytest.mark.parametrize("folder", ["vit", "vit-shards", "vit-bin"])
def test_a_folder_brings_its_configuration(folder):
    checkpoint = read_checkpoint(str(FILES / folder))
    assert_same(checkpoint.arrays, expected("vit"))
    assert checkpoint.kind == "huggingface folder" and checkpoint.config["hidden_size"] == 8
    assert checkpoint.preprocessor.get("image_mean") == (None if folder == "vit-shards" else [0.5, 0.5, 0.5])


def test_metadata_of_safetensors_is_the_config():
    assert read_checkpoint(FILES / "types.safetensors").config == {"format": "pt"}
    assert read_checkpoint(FILES / "types.pth").config == {}


def test_a_file_beside_a_config_is_just_a_file():
    checkpoint = read_checkpoint(FILES / "vit" / "model.safetensors")
    assert (checkpoint.kind, checkpoint.config) == ("safetensors", {"format": "pt"})


@pytest.mark.parametrize("file", ["types.safetensors", "types.pth", "types.npz"])
@pytest.mark.parametrize("name", ["weights", "x.npz", "x.pth", "x.safetensors", "config.json"])
def test_the_content_decides_not_the_name(tmp_path, file, name):
    shutil.copy(FILES / file, tmp_path / name)
    assert_same(read_checkpoint(tmp_path / name).arrays, expected(file))


def test_folders_prefer_safetensors_and_know_bin_in_shards(tmp_path):
    shutil.copytree(FILES / "vit-bin", tmp_path / "both")
    shutil.copy(FILES / "types.safetensors", tmp_path / "both" / "model.safetensors")
    assert_same(read_checkpoint(tmp_path / "both").arrays, expected("types.safetensors"))

    shutil.copytree(FILES / "vit-bin", tmp_path / "shards")
    (tmp_path / "shards" / "pytorch_model.bin").rename(tmp_path / "shards" / "pytorch_model-1.bin")
    places = dict.fromkeys(expected("vit"), "pytorch_model-1.bin")
    (tmp_path / "shards" / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": places}))
    assert_same(read_checkpoint(tmp_path / "shards").arrays, expected("vit"))


@pytest.mark.skipif(os.name != "posix", reason="links need no rights on POSIX only")
def test_links_are_followed_as_in_the_cache_of_hugging_face(tmp_path):
    for path in (FILES / "vit").iterdir():
        (tmp_path / path.name).symlink_to(path)
    assert_same(read_checkpoint(tmp_path).arrays, expected("vit"))


def test_tied_weights_share_memory_and_nothing_can_be_written_into():
    arrays = read_checkpoint(FILES / "views.pth").arrays
    assert np.shares_memory(arrays["base"], arrays["tied"])
    assert np.shares_memory(arrays["half"], arrays["half transposed"])
    for file in ("views.pth", "types.safetensors", "types.npz", "types.pth"):
        for array in read_checkpoint(FILES / file).arrays.values():
            with pytest.raises(ValueError, match="read-only"):
                array[...] = 0


def test_every_half_is_widened_exactly(tmp_path):
    """All 65,536 patterns of bits, in all three formats."""
    bits = np.arange(65536, dtype=np.uint16)
    upper_half = (bits.astype(np.uint32) << 16).view(np.float32)
    header = json.dumps({"half": {"dtype": "F16", "shape": [65536], "data_offsets": [0, 131072]},
                         "brain": {"dtype": "BF16", "shape": [65536], "data_offsets": [131072, 262144]}})
    (tmp_path / "a").write_bytes(safetensors(header, bits.tobytes() * 2))
    half, brain = (tensor(0, (65536,), (1,), key=key, kind=kind, count=65536)
                   for key, kind in (("0", "Half"), ("1", "BFloat16")))
    (tmp_path / "b").write_bytes(pth({"half": half, "brain": brain}, {"0": bits.tobytes(), "1": bits.tobytes()}))
    np.savez(tmp_path / "c.npz", half=bits.view(np.float16), brain=bits.view("V2"))
    for file in ("a", "b", "c.npz"):
        arrays = read_checkpoint(tmp_path / file).arrays
        np.testing.assert_array_equal(arrays["brain"].view(np.uint32), upper_half.view(np.uint32))
        np.testing.assert_array_equal(arrays["half"], bits.view(np.float16).astype(np.float32))


def test_only_the_state_dict_is_read(tmp_path):
    """The optimizer's numbers stay on the disk: that they are damaged here is not even noticed."""
    data = pth({"model": {"x": tensor(0, (2,), (1,), count=2)}, "optimizer": tensor(0, (2,), (1,), count=2, key="1")},
               {"0": b"ABCDEFGH", "1": b"ABCDxxxx"})
    (tmp_path / "x").write_bytes(data.replace(b"xxxx", b"yyyy"))
    assert read_checkpoint(tmp_path / "x").arrays["x"].tobytes() == b"ABCDEFGH"
    (tmp_path / "x").write_bytes(data.replace(b"EFGH", b"efgh"))
    with pytest.raises(WeightsError, match="data/0' in its zip cannot be read .*CRC"):
        read_checkpoint(tmp_path / "x")


@pytest.mark.parametrize("kind, bound", [("F32", 1.2), ("npz", 1.2), ("Float", 1.2), ("BF16", 2.5), ("BFloat16", 2.5)])
def test_memory_is_that_of_the_arrays(tmp_path, kind, bound):
    """In multiples of the file; widened to float32, the arrays alone are twice as large as a file of bfloat16."""
    path, count, names = tmp_path / "x", 200_000, "abcdefgh"
    size = count * (2 if kind.startswith("B") else 4)
    if kind == "npz":
        write_npz(path, {name: np.zeros(count, np.float32) for name in names})
    elif "loat" in kind:
        tensors = {name: tensor(0, (count,), (1,), key=name, kind=kind, count=count) for name in names}
        path.write_bytes(pth(tensors, dict.fromkeys(names, bytes(size))))
    else:
        header = {name: entry(i * size, (i + 1) * size, [count], kind) for i, name in enumerate(names)}
        path.write_bytes(safetensors(header, bytes(size * len(names))))
    tracemalloc.start()
    checkpoint = read_checkpoint(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(checkpoint.arrays) == 8 and peak < bound * path.stat().st_size


# What is written

ARRAYS = {"params/b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.array(7), "empty": np.zeros((0, 2)),
          "mask": np.array([True, False]), "half": np.array([1.5], np.float16)}
WRITERS = pytest.mark.parametrize("write", [write_npz, lambda path, arrays: write_safetensors(path, arrays, {})],
                                  ids=["npz", "safetensors"])


@WRITERS
def test_others_read_what_is_written(tmp_path, write):
    write(tmp_path / "one", ARRAYS)
    assert_same(dict((np.load if write is write_npz else load_file)(tmp_path / "one")), ARRAYS)
    assert_same(read_checkpoint(tmp_path / "one").arrays, ARRAYS | {"half": np.array([1.5], np.float32)})


@WRITERS
def test_equal_content_makes_equal_bytes(tmp_path, write):
    write(tmp_path / "one", ARRAYS)
    other = {name: np.asarray(array, array.dtype.newbyteorder(">"), order="F")
             for name, array in reversed(ARRAYS.items())}
    write(tmp_path / "other", other)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_metadata_is_written(tmp_path):
    write_safetensors(tmp_path / "x", ARRAYS, {"format": "pt"})
    assert read_checkpoint(tmp_path / "x").config == {"format": "pt"}


@WRITERS
@pytest.mark.parametrize("array", [np.array([None]), np.array(["text"]), np.zeros(2, "F")], ids=lambda a: a.dtype.name)
def test_what_could_not_be_read_is_not_written(tmp_path, write, array):
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(WeightsError, match=f"file.* a .*{array.dtype}"):
        write(tmp_path / "file", {"a": array})
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_names_that_could_not_be_read_are_not_written(tmp_path):
    with pytest.raises(WeightsError, match="file cannot hold '../x': the name leads out"):
        write_npz(tmp_path / "file", {"../x": np.zeros(1)})
    with pytest.raises(WeightsError, match="file cannot hold an array named __metadata__"):
        write_safetensors(tmp_path / "file", {"__metadata__": np.zeros(1)}, {})
    assert not list(tmp_path.iterdir())


# Files made by hand

Name = namedtuple("Name", "module name")                    # GLOBAL
Call = namedtuple("Call", "function arguments")             # REDUCE
Outside = namedtuple("Outside", "identity")                 # BINPERSID


def assemble(value):
    """The pickle of a value, without its first and last instruction. pickle itself would import what it names."""
    match value:
        case bytes():                                       # instructions
            return value
        case Name(module, name):
            return f"c{module}\n{name}\n".encode()
        case Call(function, arguments):
            return assemble(function) + assemble(arguments) + b"R"
        case Outside(identity):
            return assemble(identity) + b"Q"
        case dict():
            return b"}(" + b"".join(assemble(key) + assemble(item) for key, item in value.items()) + b"u"
        case list():
            return b"](" + b"".join(map(assemble, value)) + b"e"
        case tuple():
            return b"(" + b"".join(map(assemble, value)) + b"t"
        case str():
            return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
        case _:
            return pickle.dumps(value, protocol=2)[2:-1]


def program(value):
    return b"\x80\2" + assemble(value) + b"."


def tensor(offset=0, shape=(2, 3), strides=(3, 1), key="0", kind="Float", count=6):
    storage = Outside(("storage", Name("torch", f"{kind}Storage"), key, "cpu", count))
    return Call(Name("torch._utils", "_rebuild_tensor_v2"),
                (storage, offset, shape, strides, False, Call(Name("collections", "OrderedDict"), ())))


SIX = np.arange(6, dtype=np.float32).reshape(2, 3)


def pth(value, storages=None, byteorder=b"little", method=zipfile.ZIP_STORED):
    storages = {"0": SIX.tobytes()} if storages is None else storages
    return zipped({"x/data.pkl": program(value), "x/byteorder": byteorder}
                  | {f"x/data/{key}": data for key, data in storages.items()}, method)


def zipped(members, method=zipfile.ZIP_STORED):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content, method)
    return data.getvalue()


def npy(header, numbers=SIX.tobytes(), version=1):
    header = header.encode("latin-1")
    length = len(header).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + length + header + numbers


def described(descr="'<f4'", shape="(2, 3)", fortran="False"):
    return f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n"


def npz(data):
    """An .npz of one array: the bytes of its .npy, or the text of its header."""
    return zipped({"x.npy": npy(data) if isinstance(data, str) else data})


def safetensors(header, data=SIX.tobytes()):
    header = json.dumps(header) if isinstance(header, dict) else header
    header = header.encode() if isinstance(header, str) else header
    return len(header).to_bytes(8, "little") + header + data


def entry(begin=0, end=24, shape=(2, 3), dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


@pytest.mark.parametrize("data", [
    pth({"x": tensor()}), pth({"x": tensor()}, method=zipfile.ZIP_DEFLATED),
    zipped({"x/data.pkl": program({"x": tensor()}), "x/data/0": SIX.tobytes()}), npz(described()),
    npz(npy(described(), version=2)), npz(npy(described("'>f4'"), SIX.astype(">f4").tobytes(), 3)),
    npz(npy(described(fortran="True"), SIX.T.tobytes())), safetensors({"x": entry()})])
def test_files_made_by_hand_are_read(tmp_path, data):
    """So those below are refused for what is wrong with them alone."""
    (tmp_path / "x").write_bytes(data)
    assert_same(read_checkpoint(tmp_path / "x").arrays, {"x": SIX})


# Malice and damage. What these pickles would do is make the file `executed` in the current folder, a test's own.

TOUCH, WRITE = ("touch executed",), ("open('executed', 'w').close()",)
SYSTEM = Call(Name("os", "system"), TOUCH)
LIVE = {
    "os.system": (SYSTEM, "would import 'os system'"),
    "posix.system": (Call(Name("posix", "system"), TOUCH), "would import 'posix system'"),
    "os.mkdir": (Call(Name("os", "mkdir"), ("executed",)), "would import 'os mkdir'"),
    "subprocess": (Call(Name("subprocess", "check_call"), (["touch", "executed"],)), "import 'subprocess check_call'"),
    "eval": (Call(Name("builtins", "eval"), WRITE), "import 'builtins eval'"),
    "exec, by its old name": (Call(Name("__builtin__", "exec"), WRITE), "import '__builtin__ exec'"),
    "runpy": (Call(Name("runpy", "_run_code"), (*WRITE, {})), "import 'runpy _run_code'"),
    "getattr": (Call(Call(Name("builtins", "getattr"), (Name("posixpath", "os"), "system")), TOUCH),
                "import 'builtins getattr'"),
    "partial": (Call(Call(Name("functools", "partial"), (Name("os", "system"), *TOUCH)), ()), "'functools partial'"),
    "in a state dict": ({"x": SYSTEM}, "import 'os system'"),
    "beside a state dict": ({"epoch": 3, "args": [SYSTEM]}, "import 'os system'"),
    "thrown away": (assemble(SYSTEM) + b"0N", "import 'os system'"),
    "from the memo": (b"cos\nsystem\nq\0" + b"0h\0" + assemble(TOUCH) + b"R", "import 'os system'"),
    "STACK_GLOBAL": (assemble("os") + assemble("system") + b"\x93" + assemble(TOUCH) + b"R",
                     "instruction STACK_GLOBAL"),
    "protocol 4": (b"\x8c\2os\x8c\6system\x93" + assemble(TOUCH) + b"R", "instruction SHORT_BINUNICODE"),
    "INST": (b"(" + assemble(*TOUCH) + b"ios\nsystem\n", "instruction INST"),
    "OBJ": (b"(cos\nsystem\n" + assemble(*TOUCH) + b"o", "import 'os system'"),
}
PICKLES = {
    "nt.system": (Call(Name("nt", "system"), TOUCH), "import 'nt system'"),
    "a module": (Call(Name("timm.models", "VisionTransformer"), ()), "save only model.state_dict"),
    "old tensors": (Call(Name("torch._utils", "_rebuild_tensor"), ()), "import 'torch._utils _rebuild_tensor'"),
    "attribute of a known name": (Name("argparse", "Namespace.__init__"), "import 'argparse Namespace.__init__'"),
    "bytes": (Call(Name("_codecs", "encode"), ("x", "latin1")), "import '_codecs encode'"),
    "EXT1": (b"\x82\1", "instruction EXT1"),
    "EXT2": (b"\x83\1\0", "instruction EXT2"),
    "EXT4": (b"\x84\1\0\0\0", "instruction EXT4"),
    "PERSID": (b"Pstorage\n", "instruction PERSID"),
    "NEWOBJ_EX": (b"cargparse\nNamespace\n)}\x92", "instruction NEWOBJ_EX"),
    "NEWOBJ with arguments": (b"cargparse\nNamespace\nK\1\x85\x81", "calls argparse Namespace with"),
    "calling a text": (Call("os.system", TOUCH), "calls 'os.system', which is no function"),
    "calling a storage": (Call(Name("torch", "FloatStorage"), (2 ** 40,)), "calls torch FloatStorage with"),
    "calling with no tuple": (Call(Name("torch", "Size"), [1]), "calls torch Size with"),
    "a tensor of no storage": (Call(Name("torch._utils", "_rebuild_tensor_v2"), (1, 0, (1,), (1,), False, None)),
                               "calls torch._utils _rebuild_tensor_v2 with"),
    "BUILD on a name": (b"cargparse\nNamespace\n}b", "sets attributes of <Name>"),
    "BUILD on a dictionary": (b"}}b", "sets attributes of {}"),
    "BUILD with slots": (b"ccollections\nOrderedDict\n)RN}\x86b", "sets attributes of"),
    "a file outside": (Outside(("file", "/etc/passwd")), "refers to .* outside itself"),
    "an id that is no tuple": (Outside("0"), "refers to '0' outside itself"),
    "a storage of a size": (Outside(("storage", Name("torch", "Size"), "0", "cpu", 6)), "expected a storage"),
    "appending to a tuple": (b")K\1a", r"appends to \(\)"),
    "items of a list": (b"]K\1K\1s", r"sets items of \[\]"),
    "an item without a value": (b"}(K\1u", "sets items of"),
    "nothing on the stack": (b"R", "makes no sense"),
    "nothing in the memo": (b"h\1", "makes no sense.*KeyError"),
    "two results": (b"NN", "makes no sense"),
    "a mark left": (b"(N", "does not end where"),
    "a text with odd escapes": (b"S'\\o'\n", "instruction STRING"),
    "a text that is long and wrong": (b"S" + b"x" * 5000 + b"\n", "makes no sense"),
    "a text that is cut": (b"X\xff\xff\xff\x7fabc", "makes no sense"),
    "a text that is not UTF-8": (b"X\1\0\0\0\xff", "makes no sense"),
    "no such instruction": (b"\xff", "makes no sense"),
    "after the end": (b"N." * 2, "does not end where"),
    "a large pickle": (b"N0" * 600_000 + b"N", "more than 1048576"),
    "a deep pickle": (b"(" * 500_000, "deeper than 100"),
    "dictionaries": (b"}" * 200_000, "makes no sense"),
    "a hash that takes for ever": (b"}(" + b")" + b"q\0h\0\x86" * 60 + b"Nu", "neither texts nor small integers"),
    "equal hashes": ({(2 ** 61 - 1) * n: 0 for n in range(1, 20_000)}, "neither texts nor small integers"),
    "a billion laughs": (b")" + b"q\0h\0\x86" * 60, "is no state dict"),
    "a list in itself": (b"]q\0h\0a", "is no state dict"),
    "no state dict": ({"epoch": 3, "net": {"x": tensor()}}, "has none under model, state_dict, model_ema"),
    "an empty one": ({"model": {}}, "is no state dict"),
    "a tensor alone": (tensor(), "<StoredTensor>"),
    "numbers among tensors": ({"model": {"x": tensor(), "y": 3}}, "is no state dict"),
    "names that are numbers": ({1: tensor()}, "is no state dict"),
    "one storage, two types": ([tensor(), tensor(kind="Int")], "has 24 bytes.*6 numbers of I32"),
}
TENSORS = {
    "offset": (tensor(offset=1), "leaves its storage of 6"),
    "negative offset": (tensor(offset=-1), "leaves its storage"),
    "strides": (tensor(strides=(3, 2)), "leaves its storage"),
    "negative stride": (tensor(3, strides=(-3, 1)), "leaves"),
    "strides of 2 ** 600": (tensor(strides=(2 ** 600, 1)), "leaves its storage"),
    "few strides": (tensor(strides=(3,)), "leaves its storage"),
    "no strides": (tensor(strides=None), "leaves its storage"),
    "strides of texts": (tensor(strides=("3", "1")), "leaves its storage"),
    "shape": (tensor(shape=(3, 3)), "leaves its storage"),
    "negative length": (tensor(shape=(-2, 3)), "integers >= 0"),
    "a text as shape": (tensor(shape="ab"), "integers >= 0"),
    "a float in a shape": (tensor(shape=(2.0, 3)), "integers"),
    "a shape that overflows": (tensor(shape=(2 ** 40, 2 ** 40), strides=(0, 0)), "more than any memory"),
    "nothing of a shape that overflows": (tensor(shape=(0, 2 ** 62), strides=(0, 0)), "more than any memory"),
    "100 axes": (tensor(shape=(1,) * 100, strides=(1,) * 100), "at most 32 axes"),
    "a terabyte of one number": (tensor(shape=(2 ** 38,), strides=(0,)), "repeats the 6 numbers of its storage"),
    "more than there is": (tensor(count=7), "has 24 bytes.*7 numbers of F32 there, which take 28"),
    "less than there is": (tensor(shape=(1,), strides=(1,), count=1), "has 24 bytes"),
    "a negative number of numbers": (tensor(count=-6), "has 24 bytes"),
    "another type": (tensor(kind="Double"), "has 24 bytes.*6 numbers of F64 there, which take 48"),
    "complex": (tensor(kind="ComplexFloat", count=3), "import 'torch ComplexFloatStorage'"),
    "no such storage": (tensor(key="1"), "no 'x/data/1' in its zip"),
    "a storage elsewhere": (tensor(key="../../../etc/passwd"), "no 'x/data/../../../etc/passwd' in its zip"),
}


FLAGS, METHOD, CHECKSUM, PACKED, SIZE, PLACE = (8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (42, 4)


def lying(data, field, value):
    """A zip whose directory says something else in a field (its offset and length) of its last member."""
    place, length = data.rindex(b"PK\1\2") + field[0], field[1]
    return data[:place] + value.to_bytes(length, "little") + data[place + length:]


GOOD, ZEROS = pth({"x": tensor()}), zipped({"x.npy": npy(described(shape="(10000000,)"), bytes(40_000_000))}, 8)
ZIPS = {
    "a name that climbs": (zipped({"../../executed": b""}), "'../../executed' in its zip leads out of it"),
    "climbing on the way": (zipped({"x/data.pkl": b"", "x/../../executed": b""}), "leads out of it"),
    "an absolute name": (zipped({"/tmp/executed.npy": npy(described())}), "leads out of it"),
    "a name of Windows'": (zipped({"..\\executed.npy": npy(described())}), "leads out of it"),
    "a name with a zero": (zipped({"x.npyQ": b""}).replace(b"x.npyQ", b"x.npy\0"), r"'x.npy\\x00' in its zip leads"),
    "one name twice": (zipped({"x.npy": npy(described()), "y.npy": b""}).replace(b"y.npy", b"x.npy"), "'x.npy' twice"),
    "bomb": (ZEROS, "is a zip bomb: its .* bytes claim"),
    "less than it claims": (lying(zipped({"x.npy": npy(described())}, 8), SIZE, 500), "has 94 bytes, expected 500"),
    "bomb that denies it": (lying(ZEROS, SIZE, 200), "'x.npy' in its zip cannot be read"),
    "members in one another": (lying(lying(zipped({"x.npy": bytes(500), "y.npy": b""}), PACKED, 500), SIZE, 500),
                               "is a zip bomb"),
    "larger than it is": (lying(GOOD, SIZE, 2 ** 31),
                          "lies there as it is, in 24 bytes, and claims to have 2147483648"),
    "twice larger than it is": (lying(lying(GOOD, PACKED, 2 ** 30), SIZE, 2 ** 30), "is a zip bomb"),
    "a wrong checksum": (lying(GOOD, CHECKSUM, 7), "'x/data/0' in its zip cannot be read .*CRC"),
    "elsewhere": (lying(GOOD, PLACE, 10 ** 9), "'x/data/0' in its zip cannot be read"),
    "another member's": (lying(GOOD, PLACE, 0), "'x/data/0' in its zip cannot be read"),
    "encrypted": (lying(GOOD, FLAGS, 1), "is encrypted"),
    "bzip2": (zipped({"x.npy": b"x"}, 12), "packed by something"),
    "lzma": (zipped({"x.npy": b"x"}, 14), "packed by something"),
    "method 99": (lying(GOOD, METHOD, 99), "packed by"),
    "directory of 4 GB": (GOOD[:-10] + b"\xff" * 8 + GOOD[-2:], "no whole zip"),
    "no end": (GOOD[:-30], "is damaged: it is no whole zip"),
    "half": (GOOD[:len(GOOD) // 2], "no whole zip"),
    "the signature alone": (b"PK\3\4", "no whole zip"),
    "empty zip": (zipped({}), r"begins with b'PK\\x05"),
    "a zip of others": (zipped({"word/document.xml": b"<x/>"}), "is a zip of .*'word/document.xml'"),
    "two pickles": (zipped({"x/data.pkl": b"N.", "y/data.pkl": b"N."}), "is a zip of"),
    "no storages": (pth({"x": tensor()}, {}), "there is no 'x/data/0' in its zip"),
    "big-endian": (pth({"x": tensor()}, byteorder=b"big"), "its numbers are big-endian"),
}
CALLING = described("__import__('os').system('touch executed')")
NPZ = {
    "objects": (npz(npy(described("'|O'"), program(SYSTEM))), "'|O'.*Python objects, which would have to be unpickled"),
    "half a header": (npz(b"\x93NUMPY\1\0"), "'x.npy' begins with .* expected NumPy's header"),
    "a call": (npz(CALLING), "'x.npy' begins with"),
    "another call": (npz(described(shape=f"[{WRITE[0]}]")), "begins with"),
    "fields": (npz(described("[('a', '<f4')]")), "begins with"),
    "texts": (npz(described("'<U6'")), "is of type '<U6'"),
    "complex": (npz(described("'<c8'", "(3,)")), "is of type '<c8'"),
    "dates": (npz(described("'<M8'")), "is of type '<M8'"),
    "nothing known": (npz(described("'|V3'")), "is of type '|V3'"),
    "half a type": (npz(described("'f4'")), "begins with"),
    "a huge shape": (npz(described(shape="(1000000, 1000000)")), "24 bytes of numbers, and f4 .* takes 4000000000000"),
    "a shape that overflows": (npz(described(shape="(4294967296, 4294967296, 4)")), "more than any memory"),
    "nothing of a shape that overflows": (npz(described(shape="(0, 9223372036854775807)")), "more than any memory"),
    "a length of 300 digits": (npz(described(shape=f"({'9' * 300},)")), "more than any memory"),
    "a length of 9,000 digits": (npz(described(shape=f"({'9' * 9000},)")), "begins with"),
    "a negative length": (npz(described(shape="(-2, -3)")), "begins with"),
    "100 axes": (npz(described(shape=f"({'1,' * 100})")), "at most 32 axes"),
    "nested": (npz("(" * 60_000), "begins with"),
    "duplicates": (npz(described("'<f4', 'descr': '|O'")), "begins with"),
    "cut": (npz(npy(described(), bytes(23))), "23 bytes of numbers, and f4 .* takes 24"),
    "too long": (npz(npy(described(), bytes(25))), "25 bytes of numbers"),
    "no header": (npz(b"\x93NUMPY"), "begins with"),
    "a header longer than the file": (npz(b"\x93NUMPY\1\0\xff\xff{"), "begins with"),
    "empty": (npz(b""), "begins with b''"),
    "version 4": (npz(npy(described(), version=4)), "begins with"),
    "no npy": (npz(b"text"), "begins with b'text'"),
    "another format": (npz(npy(described()).replace(b"NUMPY", b"NUMPX")), "begins with"),
}
DEEP = b'{"x": ' + b"[" * 200_000
SAFETENSORS = {
    "a header of 8 EB": (b"\xff" * 7 + b"\x7f{", "announces a header of 9223372036854775807"),
    "a header longer than the file": (b"\x09" + bytes(7) + b"{}", "has 10 bytes and announces a header of 9"),
    "no header": (bytes(8) + b"{}", "its header is not JSON"),
    "no JSON": (safetensors("{x}"), "its header is not JSON"),
    "half a header": (safetensors(json.dumps({"x": entry()})[:-5]), "not JSON"),
    "deep": (safetensors(DEEP), "not JSON"),
    "no UTF-8": (safetensors(b'{"\xff": 1}'), "not JSON"),
    "digits": (safetensors('{"x": ' + "9" * 5000 + "}"), "not JSON"),
    "two objects": (safetensors("{}{}"), "not JSON"),
    "no arrays": (safetensors({}, b""), "holds no arrays"),
    "a name twice": (safetensors('{"x": 1, "x": 2}'), "its header has the key 'x' twice"),
    "a key twice": (safetensors('{"x": {"dtype": "F32", "dtype": "F64"}}'), "has the key 'dtype' twice"),
    "metadata of numbers": (safetensors({"__metadata__": {"a": 1}}), "its metadata must be text"),
    "metadata in a list": (safetensors({"__metadata__": []}), "its metadata must be text"),
    "no entry": (safetensors({"x": 3}), "says 3 of 'x'"),
    "no shape": (safetensors({"x": {"dtype": "F32"}}), "says .* of 'x'"),
    "more than an entry": (safetensors({"x": entry() | {"call": "os.system"}}),
                           "expected dtype, shape and data_offsets"),
    "unknown type": (safetensors({"x": entry(dtype="F23")}), "unknown type .*did you mean 'F32'"),
    "8-bit floats": (safetensors({"x": entry(dtype="F8_E4M3", end=6)}, bytes(6)), "unknown type"),
    "a list as type": (safetensors({"x": entry(dtype=["F32"])}), "says .* of 'x'"),
    "negative length": (safetensors({"x": entry(shape=(-2, -3))}), "integers >= 0"),
    "a float in a shape": (safetensors({"x": entry(shape=(2.0, 3))}), "integers >= 0"),
    "true in a shape": (safetensors({"x": entry(shape=(True, 6))}), "integers >= 0"),
    "nan in a shape": (safetensors('{"x": {"dtype": "F32", "shape": [NaN], "data_offsets": [0, 24]}}'),
                       "integers >= 0"),
    "a text as shape": (safetensors({"x": entry(shape="23")}), "integers >= 0"),
    "a shape that overflows": (safetensors({"x": entry(shape=(2 ** 62, 4, 2 ** 62))}), "more than any memory"),
    "nothing of a shape that overflows": (safetensors({"x": entry(0, 0, (0, 2 ** 63))}, b""), "more than any memory"),
    "100,000 axes": (safetensors({"x": entry(shape=(1,) * 10 ** 5)}), "at most 32 axes"),
    "another size": (safetensors({"x": entry(shape=(2, 4))}), "bytes 0 to 24, and F32 of shape .* takes 32"),
    "one offset": (safetensors({"x": entry() | {"data_offsets": [0]}}), "expected two integers"),
    "no offsets": (safetensors({"x": entry() | {"data_offsets": 24}}), "expected two integers"),
    "offsets of floats": (safetensors({"x": entry(0.0, 24.0)}), "expected two integers"),
    "negative offset": (safetensors({"x": entry(-24, 0)}), "bytes -24 to 0"),
    "backwards": (safetensors({"x": entry(24, 0)}), "bytes 24 to 0"),
    "a hole at first": (safetensors({"x": entry(4, 28)}), "4"),
    "a hole": (safetensors({"x": entry(), "y": entry(28, 52)}, bytes(52)), "'y' begins at byte 28, expected 24"),
    "overlap": (safetensors({"x": entry(), "y": entry(20, 44)}, bytes(44)), "'y' begins at byte 20, expected 24"),
    "one on the other": (safetensors({"x": entry(), "y": entry()}), "'y' begins at byte 0, expected 24"),
    "beyond the file": (safetensors({"x": entry(0, 2 ** 40, [2 ** 38])}), "bytes, and its header describes"),
    "cut": (safetensors({"x": entry()}, bytes(23)), "it has 96 bytes, and its header describes 97. Download it again"),
    "bytes at the end": (safetensors({"x": entry()}, bytes(25)), "bytes, and its header describes"),
}
OTHERS = {
    "empty": (b"", "has 0 bytes"),
    "text": (b"some words, no weights\n" * 9, "begins with b'some words"),
    "PNG": (b"\x89PNG\r\n\x1a\n" + bytes(50), "holds no weights: it has 58 bytes and begins with"),
    "old torch": ((FILES / "old.pth").read_bytes(), r"before 1.6.*torch.save\(torch.load\(path, weights_only=True"),
    "a module": ((FILES / "module.pth").read_bytes(), "'torch.nn.modules.linear Linear'.*save only model.state_dict"),
    "bare pickle": (program(SYSTEM), "is a bare pickle"),
    "old bare pickle": (b"cos\nsystem\n.", "holds no weights"),
    "npy": (npy(described()), "one array without a name"),
    "HDF5": (b"\x89HDF\r\n\x1a\n", "is an HDF5 file"),
    "LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    "web page": (b"<!DOCTYPE html><html>", "is a web page"),
    "JSON": (b'{"x": {"a": 1}}', "holds no weights"),
    "gzip": (b"\x1f\x8b\x08" + bytes(20), "holds no weights"),
    "zeros": (bytes(1000), "holds no weights"),
}


@pytest.fixture
def refused(tmp_path, monkeypatch):
    """A function that expects a path to be refused, soon and in little memory, with nothing run."""
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")

    def refuse(path, message, memory=100e6):
        tracemalloc.start()
        start = time.perf_counter()
        try:
            with pytest.raises(WeightsError, match=f"{path.name}.*{message}") as caught:
                read_checkpoint(path)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert len(str(caught.value)) < 1000 and str(caught.value).isprintable()
        assert time.perf_counter() - start < 10 and peak < memory
        assert not list(Path().iterdir()) and len(list(tmp_path.iterdir())) <= 2
    return refuse


@pytest.mark.skipif(os.name != "posix", reason="they use POSIX's commands")
@pytest.mark.parametrize("value", [value for value, _ in LIVE.values()], ids=LIVE)
def test_the_pickles_are_live(tmp_path, monkeypatch, value):
    """Python's own unpickler does what they say, and the file that is looked for below appears."""
    monkeypatch.chdir(tmp_path)
    pickle.loads(program(value))
    assert (tmp_path / "executed").exists()


@pytest.mark.parametrize("value, message", (LIVE | PICKLES).values(), ids=LIVE | PICKLES)
def test_a_pickle_that_is_no_state_dict_is_refused(tmp_path, refused, value, message):
    (tmp_path / "x.pth").write_bytes(pth(value))
    refused(tmp_path / "x.pth", message)


@pytest.mark.parametrize("value, message", TENSORS.values(), ids=TENSORS)
def test_a_tensor_that_does_not_fit_its_storage_is_refused(tmp_path, refused, value, message):
    (tmp_path / "x.pth").write_bytes(pth({"model": {"x": value}}))
    refused(tmp_path / "x.pth", message)


@pytest.mark.parametrize("data, message", ZIPS.values(), ids=ZIPS)
def test_a_zip_that_lies_is_refused(tmp_path, refused, data, message):
    (tmp_path / "x.pth").write_bytes(data)
    refused(tmp_path / "x.pth", message)


@pytest.mark.parametrize("data, message", NPZ.values(), ids=NPZ)
def test_an_npz_of_anything_but_numbers_is_refused(tmp_path, refused, data, message):
    (tmp_path / "x.npz").write_bytes(data)
    refused(tmp_path / "x.npz", message)


@pytest.mark.parametrize("data, message", SAFETENSORS.values(), ids=SAFETENSORS)
def test_a_safetensors_header_that_lies_is_refused(tmp_path, refused, data, message):
    (tmp_path / "x.safetensors").write_bytes(data)
    refused(tmp_path / "x.safetensors", message)


def test_a_header_of_101_megabytes_is_not_even_read(tmp_path, refused):
    with open(tmp_path / "x", "wb") as file:
        file.write((101 * 10 ** 6).to_bytes(8, "little") + b"{")
        file.truncate(102 * 10 ** 6)
    refused(tmp_path / "x", "announces a header of 101000000", memory=1e6)


@pytest.mark.parametrize("data, message", OTHERS.values(), ids=OTHERS)
def test_other_files_are_refused(tmp_path, refused, data, message):
    (tmp_path / "x").write_bytes(data)
    refused(tmp_path / "x", message)


@pytest.mark.parametrize("file", ["types.safetensors", "types.pth", "types.npz", "google.npz"])
def test_a_file_cut_anywhere_is_refused(tmp_path, file):
    data, path = (FILES / file).read_bytes(), tmp_path / "cut"
    for length in [*range(0, len(data), 13), len(data) - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(WeightsError, match="cut"):
            read_checkpoint(path)


# Folders, links and devices

def index(places):
    return {"config.json": b"{}", "a.safetensors": safetensors({"x": entry()}),
            "model.safetensors.index.json": json.dumps(places if places is None else {"weight_map": places}).encode()}


FOLDERS = {
    "nothing": ({}, "is no folder with weights"),
    "no weights": ({"config.json": b"{}"},
                   "is no folder with weights: expected config.json and one of model.safetensors"),
    "no configuration": ({"model.safetensors": safetensors({"x": entry()})}, "is no folder with weights"),
    "a configuration of text": ({"config.json": b"hidden_size: 8", "pytorch_model.bin": GOOD},
                                "config.json .* is not JSON"),
    "a list": ({"config.json": b"[1]", "pytorch_model.bin": GOOD},
               r"config.json .* not a JSON object {...}, but \[1\]"),
    "a key twice": ({"config.json": b'{"a": 1, "a": 2}', "pytorch_model.bin": GOOD},
                    "config.json .* the key 'a' twice"),
    "a damaged preprocessor": ({"config.json": b"{}", "preprocessor_config.json": b"{", "pytorch_model.bin": GOOD},
                               "preprocessor_config.json is damaged"),
    "17 MB of configuration": ({"config.json": b" " * 17_000_000, "pytorch_model.bin": GOOD},
                               "or has more than 16777216"),
    "malicious weights": ({"config.json": b"{}", "pytorch_model.bin": pth(SYSTEM)}, "pytorch_model.bin .* 'os system'"),
    "damaged weights": ({"config.json": b"{}", "model.safetensors": b"", "pytorch_model.bin": GOOD}, "has 0 bytes"),
    "no map": (index(None), "index.json is damaged: it is not a JSON object"),
    "a list as map": (index(["x"]), "must give"),
    "a number as place": (index({"x": 3}), "its weight_map must give the name of a file"),
    "a shard that is not there": (index({"x": "b.safetensors"}), "'b.safetensors', which is no file beside it"),
    "a shard above": (index({"x": "../x.safetensors"}), "'../x.safetensors', which is no file beside it"),
    "a shard at the root": (index({"x": "/etc/passwd"}), "'/etc/passwd', which is no file beside it"),
    "the folder itself": (index({"x": "."}), "'.', which is no file"),
    "the one above": (index({"x": ".."}), "no file"),
    "no name": (index({"x": ""}), "'', which is no file"),
    "a name with a zero": (index({"x": "a\0"}), "which is no file"),
    "a long name": (index({"x": "a" * 5000}), "index.json cannot be read: File name too long"),
    "the index itself": (index({"x": "model.safetensors.index.json"}), "holds no weights"),
    "an array that is not there": (index({"x": "a.safetensors", "y": "a.safetensors"}),
                                   "holds other arrays than it does"),
    "another array": (index({"y": "a.safetensors"}), "says that a.safetensors holds other arrays than it does"),
    "no shards": (index({}), "holds no arrays"),
}


@pytest.mark.parametrize("files, message", FOLDERS.values(), ids=FOLDERS)
def test_a_folder_that_is_not_whole_is_refused(tmp_path, refused, files, message):
    (tmp_path / "folder").mkdir()
    for name, data in files.items():
        (tmp_path / "folder" / name).write_bytes(data)
    refused(tmp_path / "folder", message)


@pytest.mark.skipif(os.name != "posix", reason="links, pipes and devices are POSIX's")
def test_loops_pipes_and_devices_are_refused(tmp_path, refused):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "loop").symlink_to("loop")
    refused(tmp_path / "folder" / "loop", "cannot be read: Too many levels of symbolic links")
    os.mkfifo(tmp_path / "folder" / "pipe")
    refused(tmp_path / "folder" / "pipe", "is not a file with weights, but a device or a pipe")
    refused(Path("/dev/zero"), "is not a file with weights, but a device or a pipe")
    (tmp_path / "folder" / "model.safetensors").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "folder" / "config.json")
    refused(tmp_path / "folder", "config.json is not a file")
    (tmp_path / "folder" / "config.json").unlink()
    (tmp_path / "folder" / "config.json").write_text("{}")
    refused(tmp_path / "folder", "model.safetensors is not a file with weights")
    refused(tmp_path / "folder" / "config.json" / "x", "cannot be read: Not a directory")


def test_what_is_not_there_is_not_found(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_checkpoint(tmp_path / "nowhere")


# Fuzz

EDGES = [0, 1, 2, 24, 127, 128, 255, 256, 2 ** 15, 2 ** 16 - 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 63, 2 ** 64 - 1]


def mutated(data, chance):
    """The bytes with one to four changes of the kinds that damage and malice make."""
    data = bytearray(data)
    for _ in range(chance.choice([1, 1, 1, 2, 4])):
        place, end = sorted((chance.randrange(len(data) + 1), chance.randrange(len(data) + 1)))
        few = data[place:place + chance.randrange(1, 20)]
        match chance.randrange(7):
            case 0 if place < len(data):
                data[place] ^= 1 << chance.randrange(8)
            case 1 if place < len(data):
                data[place] = chance.choice(b"\0\1\xff0(.}])RbcQqh\x80\x81\x85\x86\x93" + chance.randbytes(3))
            case 2:
                number = chance.choice(EDGES).to_bytes(8, "little")[:chance.choice([1, 2, 4, 8])]
                data[place:place + len(number)] = number
            case 3:
                del data[place:place + len(few)]
            case 4:
                data[end:end] = few
            case 5:
                data[end:end + len(few)] = few
            case 6 if chance.random() < 0.3:
                del data[end:]
    return bytes(data)


def mutated_inside(data, chance):
    """The same in a member of a zip, or in the header of a safetensors file, with checksums and lengths that fit."""
    if data.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        likely = [name for name in members if name.endswith(("data.pkl", ".npy"))]
        name = chance.choice(likely if chance.random() < 0.8 else list(members))
        return zipped(members | {name: mutated(members[name], chance)}, chance.choice([0, 8]))
    end = 8 + int.from_bytes(data[:8], "little")
    return safetensors(mutated(data[8:end], chance), data[end:])


@pytest.mark.parametrize("mutate", [mutated, mutated_inside], ids=["outside", "inside"])
@pytest.mark.parametrize("file", ["types.safetensors", "types.pth", "views.pth", "training.pth", "types.npz",
                                  "google.npz"])
def test_fuzz(tmp_path, monkeypatch, file, mutate):
    """A changed file is refused by a WeightsError that names it, or read as arrays that can be used."""
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    good, path, read = (FILES / file).read_bytes(), tmp_path / "file", 0
    for seed in range(FUZZ):
        path.write_bytes(mutate(good, random.Random(f"{file} {seed}")))
        start = time.perf_counter()
        try:
            arrays = read_checkpoint(path).arrays
        except WeightsError as error:
            assert str(error).startswith(str(path)) and len(str(error)) < 1000 and str(error).isprintable(), seed
        else:
            read += 1
            for name, array in arrays.items():
                assert type(name) is str and type(array) is np.ndarray and array.dtype.name in DTYPES, seed
                assert array.nbytes < 2e6 and len(array.tobytes()) == array.nbytes, seed    # visits every element
        assert time.perf_counter() - start < 10, seed
    assert read < FUZZ and not list(Path().iterdir())
