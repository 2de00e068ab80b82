"""Caffe's weights in NumPy dicts: every way of writing one, and files that are none."""

import io
import os
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from alexnet.errors import DataError
from alexnet.formats import numpy_dict
from alexnet.weights.file_network import arranged
from tests.alexnet.formats.hostile_pickles import ATTACKS, DEEP, MARKER, global_, text

GENERATOR = np.random.default_rng(0)


def array(*shape):
    return GENERATOR.standard_normal(shape).astype(np.float32)


# conv2 has two groups; fc6 reads maps of 2 x 2 pixels and 6 channels.
LAYERS = {
    "conv1": [array(3, 5, 3, 4), array(4)],
    "conv2": [array(3, 3, 2, 6), array(6)],
    "fc6": [array(24, 7), array(7)],
    "fc7": [array(7, 2), array(2)],
}


def npy(program: bytes) -> bytes:
    """An .npy file of an array of objects with this pickle."""
    file = io.BytesIO()
    header = {"descr": "|O", "fortran_order": False, "shape": ()}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + program


def outer(content, protocol):
    return npy(pickle.dumps(np.array(content, object), protocol))


def assert_layers(network, layers=LAYERS):
    assert (network.format, network.spec) == ("Caffe weights in a NumPy dict", "caffe")
    assert (network.channels, network.flatten, network.complete) == ("bgr", "hwc", False)
    assert [layer.name for layer in network.layers] == list(layers)
    for layer, (weights, biases) in zip(network.layers, layers.values(), strict=True):
        weight = layer.arrays["weight"]
        assert weight.dtype == np.float32 and weight.flags.c_contiguous
        expected = weights.transpose(3, 2, 0, 1) if weights.ndim == 4 else weights.T
        assert np.array_equal(weight, expected)
        assert np.array_equal(layer.arrays["bias"], biases)


@pytest.mark.parametrize("protocol", range(6))
def test_every_protocol_is_read(tmp_path, protocol):
    (tmp_path / "a.npy").write_bytes(outer(LAYERS, protocol))
    assert_layers(numpy_dict.read(tmp_path / "a.npy"))


def test_what_numpy_saves_is_read_and_ordered_by_the_names(tmp_path):
    np.save(tmp_path / "a.npy", dict(reversed(LAYERS.items())))
    assert_layers(numpy_dict.read(tmp_path / "a.npy"))
    named = {f"x_{name}": arrays for name, arrays in reversed(LAYERS.items())}
    np.save(tmp_path / "a.npy", named)
    assert_layers(numpy_dict.read(tmp_path / "a.npy"), named)


def test_caffe_tensorflow_names_the_arrays(tmp_path):
    named = {key: {"weights": w, "biases": b} for key, (w, b) in LAYERS.items()}
    np.save(tmp_path / "a.npy", named)
    assert_layers(numpy_dict.read(tmp_path / "a.npy"))


def python_2(protocol):
    """The file as Python 2 and NumPy 1 write it: strings, and numpy.core."""

    def string(data):
        if protocol == 0:
            return b"S" + repr(data)[1:].encode() + b"\n"
        return b"T" + len(data).to_bytes(4, "little") + data

    def dtype(code, order):
        made = global_("numpy", "dtype") + b"(" + string(code) + b"I0\nI1\ntR"
        return (
            made + b"(I3\n" + string(order) + b"NNNI-1\nI-1\nI%d\ntb" % (63 if code == b"O8" else 0)
        )

    def made(shape, dtype, content):
        sizes = b"(" + b"".join(b"I%d\n" % size for size in shape) + b"t"
        empty = global_("numpy.core.multiarray", "_reconstruct") + b"("
        empty += global_("numpy", "ndarray") + b"(I0\nt" + string(b"b") + b"tR"
        return empty + b"(I1\n" + sizes + dtype + b"I00\n" + content + b"tb"

    def numbers(array):
        return made(array.shape, dtype(b"f4", b"<"), string(array.tobytes()))

    items = b"".join(
        string(name.encode()) + b"(" + b"".join(map(numbers, arrays)) + b"ls"
        for name, arrays in LAYERS.items()
    )
    return npy(made((), dtype(b"O8", b"|"), b"((d" + items + b"l") + b".")


@pytest.mark.parametrize("protocol", [0, 2])
def test_a_file_by_python_2_is_read(tmp_path, protocol):
    (tmp_path / "a.npy").write_bytes(python_2(protocol))
    assert_layers(numpy_dict.read(tmp_path / "a.npy"))


def test_python_itself_reads_the_file_that_stands_for_python_2(tmp_path):
    (tmp_path / "a.npy").write_bytes(python_2(2))
    loaded = np.load(tmp_path / "a.npy", allow_pickle=True, encoding="bytes").item()
    assert all(np.array_equal(loaded[name.encode()][0], LAYERS[name][0]) for name in LAYERS)


def test_biases_may_be_left_out_and_other_floats_are_read(tmp_path):
    weights = LAYERS["fc6"][0]
    content = {"a": [weights.astype(">f4")], "b": [np.asfortranarray(weights.astype("f8"))]}
    np.save(tmp_path / "a.npy", content | {"c": (weights.astype("f2"),)})
    a, b, c = (layer.arrays for layer in numpy_dict.read(tmp_path / "a.npy").layers)
    assert set(a) == set(b) == set(c) == {"weight"}
    assert [arrays["weight"].dtype for arrays in (a, b, c)] == ["float32", "float64", "float32"]
    assert np.array_equal(a["weight"], weights.T) and np.array_equal(b["weight"], weights.T)


def test_the_network_computes_what_the_arrays_mean(tmp_path):
    """conv of a BGR image, and fc6 of maps as (rows, columns, channels): with loops."""
    np.save(tmp_path / "a.npy", {"conv1": LAYERS["conv2"], "fc6": LAYERS["fc6"]})
    conv, fc = (
        layer.arrays["weight"] for layer in arranged(numpy_dict.read(tmp_path / "a.npy")).layers
    )
    hwio, rows = LAYERS["conv2"][0], LAYERS["fc6"][0]
    rgb, maps = array(2, 3, 3), array(6, 2, 2)
    bgr = rgb[::-1]
    for out in range(6):
        expected = sum(
            hwio[r, c, i, out] * bgr[i, r, c] for r in range(3) for c in range(3) for i in range(2)
        )
        assert (conv[out] * rgb).sum() == pytest.approx(expected, abs=1e-5)
    np.testing.assert_allclose(fc @ maps.ravel(), maps.transpose(1, 2, 0).ravel() @ rows, rtol=1e-4)


def saved(content):
    file = io.BytesIO()
    np.save(file, content, allow_pickle=True)
    return file.getvalue()


W, B = LAYERS["fc6"]
OTHERS = {
    "nothing": (b"", "no header of an array"),
    "no .npy file": (b"PK\x03\x04", "no header of an array"),
    "an array of numbers": (saved(W), r"holds an array of float32 \(24, 7\)"),
    "an array of objects": (saved(np.array([{}, {}], object)), r"holds an array of object \(2,\)"),
    "a list": (saved(np.array(None, object)), "holds a NoneType, no dict"),
    "no layers": (saved({}), "no weights of layers"),
    "a layer that is a number": (saved({"fc6": 3}), "fc6 is a int, no list"),
    "a layer that is an array": (saved({"fc6": W}), "fc6 is a ndarray, no list"),
    "a layer of three": (saved({"fc6": [W, B, B]}), "fc6 has 3 arrays"),
    "a layer of numbers": (saved({"fc6": [1.0, 2.0]}), "fc6 has weights that are no array"),
    "a layer of lists": (saved({"fc6": [[1.0], B]}), "fc6 has weights that are no array"),
    "a part without a name": (saved({"fc6": {"weights": W, "scale": B}}), "fc6 has scale"),
    "a key that is a number": (saved({6: [W, B]}), "no name of a layer"),
    "a layer of two names": (saved({"fc6": [W], b"fc6": [W]}), "fc6 is in it twice"),
    "whole numbers": (saved({"fc6": [W.astype(int), B]}), "fc6.weights is int64"),
    "dates": (saved({"fc6": [W.astype("M8[s]"), B]}), "array of 'M8', no numbers"),
    "text": (saved({"fc6": [W.astype(str), B]}), "array of 'U32', no numbers"),
    "NaN": (saved({"fc6": [W * np.nan, B]}), "168 numbers that are NaN"),
    "weights of three axes": (saved({"fc6": [W.reshape(2, 12, 7), B]}), r"weights \(2, 12, 7\)"),
    "biases that do not fit": (saved({"fc6": [W, W + 1]}), "bias of fc6 has the shape"),
    "an array again and again": (
        saved({f"fc{n}": [W, B] for n in range(200)}), "repeats the numbers",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", OTHERS)
def test_another_file_is_an_error_that_names_the_reason(tmp_path, what):
    content, reason = OTHERS[what]
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(DataError, match=f"a.npy cannot be read as Caffe weights .*{reason}"):
        numpy_dict.read(tmp_path / "a.npy")


def test_a_missing_file_a_folder_and_a_pipe_are_named(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name, reason in (("none", "No such file"), ("", "not a file"), ("pipe", "not a file")):
        with pytest.raises(DataError, match=reason):
            numpy_dict.read(tmp_path / name)


# --- attacks --------------------------------------------------------------------------------------

DTYPE, ARRAY = global_("numpy", "dtype"), global_("numpy", "ndarray")
EMPTY = global_("numpy.core.multiarray", "_reconstruct") + b"(" + ARRAY + b"(I0\ntU\x01btR"
OBJECT, FLOAT = (DTYPE + b"(" + text(code) + b"tR" for code in ("O8", "f4"))
FORGED = {
    "objects from bytes": (EMPTY + b"(I1\n)" + OBJECT + b"I00\nU\x08AAAAAAAAtb", "needs a list"),
    "numbers from a list": (EMPTY + b"(I1\n(I1\nt" + FLOAT + b"I00\n(I1\nltb", "made of bytes"),
    "more numbers than bytes": (EMPTY + b"(I1\n(I9\nt" + FLOAT + b"I00\nU\x04aaaatb", "reshape"),
    "an array of itself": (EMPTY + b"p1\n(I1\n)" + OBJECT + b"I00\n(g1\nltb", "_Array, no list"),
    "a type that is a tuple": (DTYPE + b"(" + b")" + 60 * b"2\x86" + b"tR", "needs a str"),
    "a call of ndarray": (ARRAY + b"((I2\nttR", "calls numpy.ndarray"),
    "a persistent id": (b"Pa\n", "instruction"),
    "text encoded again and again": (
        text(50_000 * "a") + b"p0\n0" + global_("_codecs", "encode") + b"p1\n0("
        + 500 * (b"g1\n(g0\n" + text("latin1") + b"tR") + b"t", "another way",
    ),
}  # fmt: skip


def inside(program):
    """A file in which a layer is the value of this program."""
    return npy(EMPTY + b"(I1\n)" + OBJECT + b"I00\n(}" + text("fc6") + program + b"sltb.")


def damaged():
    """300 files with changed bytes or cut short."""
    generator = np.random.default_rng(1)
    whole = [outer(LAYERS, protocol) for protocol in (0, 2, 4)] + [python_2(0), python_2(2)]
    for number in range(300):
        data = bytearray(whole[number % len(whole)])
        for place in generator.integers(0, min(len(data), 900), 1 + number % 3):
            data[place] = generator.integers(0, 256)
        yield bytes(data[: generator.integers(len(data))] if number % 4 == 0 else data)


@pytest.mark.parametrize("what", ATTACKS | FORGED)
def test_an_attack_is_an_error_that_names_the_reason(tmp_path, monkeypatch, what):
    monkeypatch.chdir(tmp_path)
    program, reason = (ATTACKS | FORGED)[what]
    Path("a.npy").write_bytes(inside(program))
    with pytest.raises(DataError, match=f"a.npy cannot be read as Caffe weights .*{reason}"):
        numpy_dict.read("a.npy")
    assert not Path(MARKER).exists()


def test_attacks_and_damage_take_little_memory_and_end_no_process(tmp_path):
    files = [inside(program) for program, _ in (ATTACKS | FORGED).values()]
    files += [inside(program) for program in DEEP.values()]
    files += [npy(EMPTY + b"(I1\n)" + OBJECT + b"I00\n(" + p + b"ltb.") for p in DEEP.values()]
    files += list(damaged())
    (tmp_path / "files").write_bytes(pickle.dumps(files))
    program = """
        import pickle, resource
        from alexnet.errors import DataError
        from alexnet.formats import numpy_dict
        from tests.alexnet.data.memory import peak_bytes
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
        before, read = peak_bytes(), 0
        for data in pickle.load(open("files", "rb")):
            open("a.npy", "wb").write(data)
            try:
                numpy_dict.read("a.npy")
                read += 1
            except DataError:
                pass
        print(peak_bytes() - before, read)
    """
    environment = {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True, text=True, timeout=120, cwd=tmp_path, env=os.environ | environment,
    )  # fmt: skip
    assert done.returncode == 0, (done.returncode, done.stderr)
    memory, read = map(int, done.stdout.split())
    assert memory < 64 << 20 and read < 200
    assert not (tmp_path / MARKER).exists()
