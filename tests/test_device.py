"""Tensors, operations and modules on a device: on a strict stand-in for CuPy everywhere, on a GPU where there is one.

Every row of the table of cases, in the forms that run on a device, against the array form on NumPy; and what is said
where something does not fit. Training is in test_device_training.py.
"""
import numpy as np
import pytest

from minivit import Tensor, nn, ops, randomness, using
from minivit.backend import beside, device_of, on_device, to_device, to_host, usable, why_no_cuda, xp_of
from minivit.function import FUNCTIONS
from minivit.gradcheck import CASES
from minivit.models import create
from minivit.streams import stream
from minivit.tape import walk
from minivit.train import Classification
from minivit.weights import save

TINY = dict(embed_dim=16, num_heads=2, depth=1, zero_head=False)


def forms_on_a_device():
    for case in CASES.values():
        function = FUNCTIONS[case.covers[0]]
        yield pytest.param(case, "composed", np.float64, id=f"{case.name}-composed")
        if function.portable and "composed" in function.forms:
            yield pytest.param(case, "array", np.float64, id=f"{case.name}-array")
        if "cuda" in function.forms:
            yield pytest.param(case, "cuda", np.float32, id=f"{case.name}-cuda")


def run(case, shape, form, dtype, device="cpu"):
    """{name: NumPy array} of all outputs and gradients of a row on a device."""
    function, inputs = case.make(stream(0, place=case.name), shape)
    tensors = [Tensor(to_device(x.astype(np.float32).astype(dtype), device), requires_grad=True)
               for x in inputs.values()]
    with using(form), randomness(seed=0):
        outputs = function(*tensors)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    rng = stream(0, place="output gradients")
    loss = 0
    for output in outputs:
        dy = Tensor(to_device(rng.standard_normal(output.shape).astype(dtype), output.device))
        loss = loss + (output * dy).sum().to(device)
    loss.backward()
    found = {f"output {k}": output.data for k, output in enumerate(outputs)}
    found |= {f"d{name}": tensor.grad for name, tensor in zip(inputs, tensors)}
    places = {device_of(array) for name, array in found.items() if array is not None and case.name != "to"}
    assert places <= {device}
    return {name: to_host(array) for name, array in found.items() if array is not None}


@pytest.mark.parametrize("case, form, dtype", list(forms_on_a_device()))
def test_every_operation_is_the_same_on_a_device(cuda, case, form, dtype):
    for shape in case.shapes:
        truth = run(case, shape, "array", np.float64)
        found = run(case, shape, form, dtype, "cuda")
        assert found.keys() == truth.keys()
        for name, expected in truth.items():
            assert found[name].dtype == dtype
            error = np.abs(found[name] - expected).max(initial=0.0) / max(np.abs(expected).max(initial=0.0), 1e-6)
            assert error <= (1e-12 if dtype == np.float64 else 2e-5), f"{name} at {shape} is off by {error:.1e}"


# Tensors

def test_a_tensor_moves_and_says_where_it_is(cuda):
    x = Tensor([[1.0, 2.0]])
    there = x.to("cuda")
    assert (x.device, there.device, there.to("cpu").device) == ("cpu", "cuda", "cpu")
    assert x.to("cpu") is x and there.to("cuda") is there and there.to("cuda:0") is there
    assert there.to("cpu").numpy().tolist() == [[1, 2]] and there.dtype == np.float32
    assert "float32, cuda)" in repr(there)


def test_gradients_find_their_way_back_between_devices(cuda):
    x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x.to("cuda") * 2
    (y.to("cpu") * x).sum().backward()
    assert isinstance(x.grad, np.ndarray) and x.grad.tolist() == [4, 8, 12]


@pytest.mark.parametrize("combine", [
    lambda t, a: t + a, lambda t, a: a * t, lambda t, a: t @ a, lambda t, a: t < a, lambda t, a: Tensor(a) - t,
    lambda t, a: ops.where(a > 0, t, 0.0), lambda t, a: ops.maximum(t, a), lambda t, a: ops.concat([t, Tensor(a)])],
    ids=["+", "reversed", "@", "<", "tensors", "where", "maximum", "concat"])
def test_devices_do_not_mix(cuda, combine):
    with pytest.raises(TypeError, match=r"arrays on cpu and cuda cannot meet in one operation.*with .to\('cuda'\)"):
        combine(Tensor([1.0, 2.0]).to("cuda"), np.float32([3, 4]))


def test_labels_and_masks_do_not_mix_either(cuda):
    x = Tensor(np.zeros((2, 3), np.float32)).to("cuda")
    with pytest.raises(TypeError, match="cross_entropy: arrays on cpu and cuda cannot meet"):
        ops.cross_entropy(x, [0, 1])
    q = Tensor(np.zeros((1, 1, 2, 3), np.float32)).to("cuda")
    with pytest.raises(TypeError, match="arrays on cpu and cuda cannot meet"):
        ops.attention(q, q, q, np.ones((2, 2), bool))


@pytest.mark.parametrize("combine", [
    lambda t, a: a * t, lambda t, a: a - t, lambda t, a: a / t, lambda t, a: a + t], ids=["*", "-", "/", "+"])
def test_a_device_array_on_the_left_gives_a_tensor(cuda, combine):
    t, a = Tensor([1.0, 2.0], requires_grad=True).to("cuda"), Tensor([3.0, 4.0]).to("cuda").data
    y = combine(t, a)
    assert isinstance(y, Tensor) and y.requires_grad and y.device == "cuda"
    np.testing.assert_allclose(to_host(y.data), combine(np.float32([1, 2]), np.float32([3, 4])))


@pytest.mark.parametrize("convert", [np.asarray, np.array, Tensor.numpy], ids=["asarray", "array", "numpy"])
def test_a_device_tensor_is_no_numpy_array(cuda, convert):
    with pytest.raises(TypeError, match=r"is on cuda, and NumPy's arrays are on cpu: use t.to\('cpu'\)"):
        convert(Tensor([1.0]).to("cuda"))


def test_numbers_do_not_widen_and_lists_index(cuda):
    x = Tensor(np.arange(6, dtype=np.float32).reshape(2, 3), requires_grad=True)
    t = x.to("cuda")
    assert (t * 2 + np.float64(1) - True).dtype == np.float32
    picked = t[:, [2, 0, 2]]
    assert to_host(picked.data).tolist() == [[2, 0, 2], [5, 3, 5]]
    picked.sum().backward()
    assert x.grad.tolist() == [[1, 0, 2], [1, 0, 2]]


def test_a_class_index_outside_makes_the_loss_nan(cuda):
    logits = Tensor(np.zeros((2, 3), np.float32)).to("cuda")
    for wrong in (-1, 3):
        loss = ops.cross_entropy(logits, Tensor(np.array([0, wrong])).to("cuda"), label_smoothing=0.1)
        assert np.isnan(loss.item())
    assert ops.cross_entropy(logits, Tensor(np.array([0, 2])).to("cuda")).item() == pytest.approx(np.log(3), rel=1e-6)


@pytest.mark.parametrize("dtype, names", [(np.float32, {"layernorm"}), (np.float64, {"sqrt", "mul", "sum"})])
def test_the_default_form_is_cuda_in_float32_and_composed_in_float64(cuda, dtype, names):
    x, one = (Tensor(to_device(np.ones(shape, dtype), "cuda"), requires_grad=True) for shape in ((2, 3), (3,)))
    found = {node.name for node in walk(ops.layernorm(x, one, one).edge)}
    assert names <= found and ("layernorm" in found) == (dtype == np.float32)


def test_the_array_form_of_numpy_refuses_device_arrays(cuda):
    with using("array"), pytest.raises(ValueError, match="the array form of gelu is NumPy's"):
        ops.gelu(Tensor([1.0]).to("cuda"))


# Devices by name

@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cuda1", "", None, 1])
def test_an_unknown_device_is_refused(cuda, name):
    with pytest.raises(ValueError, match=f"there is no device {name!r}: write cpu, cuda"):
        Tensor([1.0]).to(name)


def test_a_gpu_too_many_is_refused(standin):
    with pytest.raises(ValueError, match=r"there is no device cuda:2: this machine has 2 GPU\(s\)"):
        Tensor([1.0]).to("cuda:2")


def test_auto_is_cuda_where_there_is_one(cuda):
    assert usable("auto") == "cuda" and why_no_cuda() is None


def test_without_cuda_the_reason_and_the_way_out_are_named():
    if why_no_cuda() is None:
        pytest.skip("there is a GPU here")
    assert usable("auto") == "cpu"
    with pytest.raises(ValueError, match="device cuda cannot be used: .*`minivit doctor` says what mends it"):
        Tensor([1.0]).to("cuda")
    with pytest.raises(ValueError, match="cannot be used"):
        create("vit_nano_patch7_28", **TINY).to("cuda:1")


def test_a_second_gpu_computes_where_its_arrays_are(standin):
    """The stand-in refuses what runs on another GPU than its arrays are on, as CUDA does."""
    x = Tensor(np.float32([[1, 2], [3, 4]]), requires_grad=True)
    there = x.to("cuda:1")
    assert there.device == "cuda:1" and standin.current == 0
    y = ops.gelu(there @ there) + there.exp()
    assert y.device == "cuda:1"
    y.sum().backward()
    y = ops.gelu(x @ x) + x.exp()
    first, x.grad = x.grad, None
    y.sum().backward()
    np.testing.assert_allclose(first, x.grad, rtol=1e-5)
    with pytest.raises(TypeError, match="arrays on cuda:1 and cuda cannot meet"):
        there.detach() + there.detach().to("cuda")
    with on_device("cuda:1"):
        assert device_of(xp_of(there.data).zeros(2)) == "cuda:1"


def test_arrays_are_moved_beside_others(cuda):
    here, there = np.float32([1, 2]), to_device(np.float32([3]), "cuda")
    assert beside(here, here) is here and device_of(beside(here, there)) == "cuda"
    assert to_host(beside(there, here)).tolist() == [3] and xp_of(1, None, here) is np
    assert to_device(np.asfortranarray(np.ones((2, 3))), "cuda").flags.c_contiguous


# Modules

def test_a_model_moves_with_its_constants(cuda):
    model = create("vit_nano_patch7_28", **TINY, pos_embed="sincos-2d")
    images = np.random.default_rng(0).standard_normal((2, 1, 28, 28)).astype(np.float32)
    expected = model(Tensor(images)).data
    assert model.device == "cpu" and model.to("cuda") is model and model.device == "cuda"
    assert {p.device for p in model.parameters()} == {"cuda"} and device_of(model.waves) == "cuda"
    np.testing.assert_allclose(to_host(model(Tensor(images).to("cuda")).data), expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(TypeError, match="arrays on cpu and cuda"):
        model(Tensor(images))
    assert model.to("cpu").device == "cpu" and device_of(model.waves) == "cpu"
    np.testing.assert_array_equal(model(Tensor(images)).data, expected)


def test_moving_a_model_drops_gradients(cuda):
    layer = nn.Linear(2, 2, rng=0)
    layer(Tensor([[1.0, 2.0]])).sum().backward()
    assert layer.weight.grad is not None and layer.to("cuda").weight.grad is None


def test_state_is_loaded_from_either_side(cuda):
    one, other = nn.Linear(2, 3, rng=0), nn.Linear(2, 3, rng=1).to("cuda")
    array = other.weight.data
    other.load_state_dict(one.state_dict())
    assert other.weight.data is array                                       # copied in place
    np.testing.assert_array_equal(to_host(other.weight.data), one.weight.data)
    third = nn.Linear(2, 3, rng=2)
    third.load_state_dict(other.state_dict())
    np.testing.assert_array_equal(third.weight.data, one.weight.data)


@pytest.mark.parametrize("format, name", [("minivit", "m.safetensors"), ("timm", "t.safetensors"), ("google", "g.npz")])
def test_a_model_on_a_device_is_saved_like_one_on_the_cpu(cuda, tmp_path, format, name):
    model = create("vit_nano_patch7_28", **TINY, gelu="tanh")
    save(model, tmp_path / f"cpu_{name}", format=format)
    save(model.to("cuda"), tmp_path / f"cuda_{name}", format=format)
    assert model.device == "cuda"
    assert (tmp_path / f"cpu_{name}").read_bytes() == (tmp_path / f"cuda_{name}").read_bytes()


def test_a_loss_over_two_heads_stays_on_the_device(cuda):
    model = create("deit_nano_distilled_patch7_28", **TINY).to("cuda")
    logits = model(Tensor(np.zeros((2, 1, 28, 28), np.float32)).to("cuda"))

    class Part:
        targets = to_device(np.array([1, 2]), "cuda")
    assert Classification(0.1)(logits, Part).device == "cuda"
