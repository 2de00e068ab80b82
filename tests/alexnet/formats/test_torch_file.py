"""State dicts of PyTorch: what torch.save writes is read, and nothing in a file is run."""

import argparse
import pathlib
import struct
import zipfile

import numpy as np
import pytest

from alexnet.errors import DataError
from alexnet.formats import torch_file
from tests.alexnet.formats.hostile_pickles import global_
from tests.alexnet.formats.torch_by_hand import ARRAYS, PICKLE, archive, chain, holds_arrays, read


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch writes the files that are read here")


FORMS = pytest.mark.parametrize("zipped", [True, False], ids=["archive", "chain"])


def save(torch, content, path, zipped=True):
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return torch_file.read(path)


def alexnet(torch):
    """torchvision's AlexNet with fewer kernels: the same names."""
    nn = torch.nn
    model = nn.Module()
    model.features, model.classifier = nn.Sequential(), nn.Sequential()
    sizes = {0: (3, 6, 11), 3: (6, 9, 5), 6: (9, 8, 3), 8: (8, 7, 3), 10: (7, 7, 3)}
    for number, (before, out, kernel) in sizes.items():
        model.features.add_module(str(number), nn.Conv2d(before, out, kernel))
    for number, (before, out) in {1: (63, 11), 4: (11, 11), 6: (11, 10)}.items():
        model.classifier.add_module(str(number), nn.Linear(before, out))
    return model


def assert_weights(network, state, dtype="float32"):
    """The network has the weights of a state dict of PyTorch, and its names."""
    arrays = {
        f"{layer.name}.{part}": array
        for layer in network.layers
        for part, array in layer.arrays.items()
    }
    assert list(arrays) == list(state)
    for name, array in arrays.items():
        assert array.dtype == dtype and array.flags.c_contiguous
        assert np.array_equal(array, state[name].detach().double().numpy())


# --- what torch writes ----------------------------------------------------------------------------


@FORMS
def test_a_state_dict_with_torchvision_names_is_read(torch, tmp_path, zipped):
    state = alexnet(torch).state_dict()
    network = save(torch, state, tmp_path / "a.pth", zipped)
    assert_weights(network, state)
    assert (network.format, network.spec) == ("a PyTorch state dict", "torchvision")
    assert (network.channels, network.flatten, network.complete) == ("rgb", "chw", False)
    assert network.record == {} and network.layers[3].name == "features.8"


@FORMS
def test_a_state_dict_in_a_checkpoint_is_found(torch, tmp_path, zipped):
    model = torch.nn.DataParallel(alexnet(torch))
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    sum(parameter.sum() for parameter in model.parameters()).backward()
    optimizer.step()
    content = {
        "epoch": 3, "arch": "alexnet", "state_dict": model.state_dict(), "rates": (0.1, [1e-3]),
        "best": np.float64(0.5), "optimizer": optimizer.state_dict(), "device": model.device_ids,
        "args": argparse.Namespace(data=pathlib.Path("/data"), lr=0.1, gpu=torch.device("cpu")),
        "dtype": torch.float32, "size": torch.Size([1, 3]), "seen": {1, 2}, 7: 2**80, "z": 1 + 2j,
    }  # fmt: skip
    network = save(torch, content, tmp_path / "a.pth", zipped)
    assert_weights(network, model.module.state_dict())
    assert network.spec == "torchvision"


@pytest.mark.parametrize("key", ["model", "model_state_dict", "net", "my own key"])
def test_the_key_of_the_state_dict_may_be_any_if_there_is_one(torch, tmp_path, key):
    state = alexnet(torch).state_dict()
    assert_weights(save(torch, {"epoch": 1, key: state}, tmp_path / "a.pth"), state)


def test_of_two_state_dicts_a_known_key_is_taken_else_they_are_named(torch, tmp_path):
    one, other = alexnet(torch).state_dict(), alexnet(torch).state_dict()
    assert_weights(
        save(torch, {"state_dict_ema": other, "state_dict": one}, tmp_path / "a.pth"), one
    )
    with pytest.raises(DataError, match="several dicts of tensors; its keys are left, right"):
        save(torch, {"left": one, "right": other}, tmp_path / "a.pth")


@pytest.mark.parametrize(
    "change",
    [
        lambda name: f"module.{name}",
        lambda name: f"_orig_mod.module.{name}",
        lambda name: name.replace("features.", "features.module."),  # PyTorch's ImageNet example
        lambda name: f"model.{name}",
    ],
)
def test_words_of_wrappers_in_names_are_dropped(torch, tmp_path, change):
    state = alexnet(torch).state_dict()
    changed = {change(name): tensor for name, tensor in state.items()}
    network = save(torch, changed, tmp_path / "a.pth")
    assert_weights(network, state)
    assert network.spec == "torchvision"


def test_names_that_differ_only_in_module_are_refused(torch, tmp_path):
    state = {"fc6.weight": torch.ones(2, 2), "module.fc6.weight": torch.ones(2, 2)}
    with pytest.raises(DataError, match="differ only in the word module"):
        save(torch, state, tmp_path / "a.pth")


@FORMS
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_every_dtype_of_floats_is_read(torch, tmp_path, zipped, dtype):
    state = {"fc6.weight": torch.randn(3, 4), "fc6.bias": torch.tensor([1e-3, -2.0, 0.0])}
    state = {name: tensor.to(getattr(torch, dtype)) for name, tensor in state.items()}
    network = save(torch, state, tmp_path / "a.pth", zipped)
    assert_weights(network, state, "float64" if dtype == "float64" else "float32")


@FORMS
def test_parameters_and_norms_with_counts_of_batches_are_read(torch, tmp_path, zipped):
    norm = torch.nn.BatchNorm2d(3)
    norm.weight.extra = "an attribute"
    state = {f"norm1.{name}": value for name, value in norm.state_dict(keep_vars=True).items()}
    assert "norm1.num_batches_tracked" in state
    network = save(torch, state, tmp_path / "a.pth", zipped)
    del state["norm1.num_batches_tracked"]
    assert_weights(network, state)


@FORMS
def test_views_of_one_storage_are_read(torch, tmp_path, zipped):
    """Slices with offsets, a transposed matrix, steps, and a part that repeats within bounds."""
    memory = torch.randn(5, 4, 6)
    state = {
        "a.weight": memory[2], "b.weight": memory[3].T, "c.weight": memory[1:4, ::2, 3],
        "d.weight": memory[0, 1:2].expand(3, 6), "e.weight": memory.as_strided((4, 3), (1, 1)),
    }  # fmt: skip
    assert_weights(save(torch, state, tmp_path / "a.pth", zipped), state)


def test_names_are_ordered_by_their_numbers(torch, tmp_path):
    state = alexnet(torch).state_dict()
    network = save(torch, dict(sorted(state.items())), tmp_path / "a.pth")
    assert [layer.name for layer in network.layers] == list(
        dict.fromkeys(n[:-7] for n in state if n.endswith("weight"))
    )


@FORMS
def test_a_whole_model_is_refused_in_words(torch, tmp_path, zipped):
    model = torch.nn.Sequential(torch.nn.Linear(2, 2))
    reason = r"names torch.nn.modules.container.Sequential.*nothing was run.*save model.state_dict"
    with pytest.raises(DataError, match=reason):
        save(torch, model, tmp_path / "a.pth", zipped)
    with pytest.raises(DataError, match=r"save model.state_dict\(\)"):
        save(torch, {"model": model, "epoch": 2}, tmp_path / "a.pth", zipped)


def test_a_program_of_torchscript_is_refused_in_words(torch, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as file:  # torch.jit.save's members
        for name in ("data.pkl", "constants.pkl", "code/__torch__.py", "version"):
            file.writestr(f"a/{name}", b"")
    with pytest.raises(DataError, match="a program of TorchScript; save model.state_dict"):
        torch_file.read(tmp_path / "a.pt")


OTHERS = {
    "a tensor": (lambda torch: torch.ones(2), "holds a Tensor, no dict"),
    "a list": (lambda torch: [torch.ones(2)], "holds a list, no dict"),
    "nothing": (lambda torch: {}, "no dict of tensors"),
    "no tensors": (lambda torch: {"a": {"b": 1}}, "no dict of tensors; its keys are a"),
    "a tensor too deep": (lambda torch: {"a": {"b": {"c.weight": torch.ones(2, 2)}}}, "keys are a"),
    "whole numbers": (lambda torch: {"a.weight": torch.ones(2, 2).int()}, "a.weight is a IntSt"),
    "complex numbers": (lambda torch: {"a.weight": torch.ones(2, 2) * 1j}, "a.weight is a Complex"),
    "NaN": (lambda torch: {"a.weight": torch.ones(2, 2) * torch.nan}, "4 numbers that are NaN"),
    "an unknown name": (lambda torch: {"alpha": torch.ones(2)}, "alpha belongs to no layer"),
    "an optimizer": (
        lambda torch: torch.optim.SGD([torch.ones(1)], 0.1).state_dict(), "keys are state, param_",
    ),
    "sparse numbers": (lambda torch: {"a.weight": torch.eye(2).to_sparse()}, "_rebuild_sparse"),
    "an expanded number": (
        lambda torch: {"a.weight": torch.ones(1).expand(1000, 1000)}, "reads beyond or repeats",
    ),
}  # fmt: skip


@FORMS
@pytest.mark.parametrize("what", OTHERS)
def test_another_content_is_an_error_that_names_the_reason(torch, tmp_path, zipped, what):
    content, reason = OTHERS[what]
    with pytest.raises(DataError, match=f"a.pth cannot be read as a PyTorch .*{reason}"):
        save(torch, content(torch), tmp_path / "a.pth", zipped)


# --- files made by hand ---------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_files_made_by_hand_are_read_and_compressed_ones_too():
    assert holds_arrays(read(chain(PICKLE)))
    assert holds_arrays(read(archive(PICKLE)))
    assert holds_arrays(read(archive(PICKLE, compression=zipfile.ZIP_DEFLATED)))


def test_archives_of_the_other_order_of_bytes_are_read():
    members = {f"data/{n}": a.byteswap().tobytes() for n, a in enumerate(ARRAYS.values())}
    assert holds_arrays(read(archive(PICKLE, members | {"byteorder": b"big"})))
    little = {f"data/{n}": a.tobytes() for n, a in enumerate(ARRAYS.values())}
    assert holds_arrays(read(archive(PICKLE, little | {"byteorder": b"little"})))
    with pytest.raises(DataError, match="order of bytes is b'middle', where little and big fit"):
        read(archive(PICKLE, little | {"byteorder": b"middle"}))


def test_a_file_by_python_2_is_read():
    """Strings of bytes, and an OrderedDict from a list of lists."""

    def string(value):
        return b"U" + bytes([len(value)]) + value.encode()

    def tensor(array, number):
        kind = global_("torch", "FloatStorage" if array.itemsize == 4 else "DoubleStorage")
        numbers = [
            b"(" + b"".join(b"K" + bytes([n]) for n in values) + b"t"
            for values in (array.shape, [s // array.itemsize for s in array.strides])
        ]
        size = b"M" + struct.pack("<H", array.size)
        storage = b"(" + string("storage") + kind + string(number) + string("cuda:0") + size + b"Nt"
        arguments = storage + b"QK\x00" + b"".join(numbers)
        return global_("torch._utils", "_rebuild_tensor") + b"(" + arguments + b"tR"  # fmt: skip

    items = b"".join(
        b"(" + string(name) + tensor(array, str(number)) + b"l"
        for number, (name, array) in enumerate(ARRAYS.items())
    )
    ordered = global_("collections", "OrderedDict") + b"((" + items + b"ltR}" + string("x") + b"Nsb"
    assert holds_arrays(read(chain(b"\x80\x02" + ordered + b".")))
