"""Files of Keras that attack their reader, or are damaged."""

import random
import struct
import subprocess
import sys
import tracemalloc
import zipfile

import numpy as np
import pytest

from alexnet.errors import DataError
from alexnet.formats import keras_file
from alexnet.formats.hdf5 import HDF5File
from tests.alexnet.formats.keras_models import FLATTEN, LAYOUTS, conv, dense, kernel, write

h5py = pytest.importorskip("h5py", reason="h5py reads and writes files of Keras")


def assert_refused(path, most_memory=1 << 22):
    """The message of the DataError, after little memory was taken."""
    tracemalloc.start()
    try:
        with pytest.raises(DataError) as caught:
            keras_file.read(path)
        assert tracemalloc.get_traced_memory()[1] < most_memory
    finally:
        tracemalloc.stop()
    assert path.name in str(caught.value) and str(caught.value).isprintable()
    return str(caught.value)


def external_link(own, tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as other:
        other["x"] = kernel(3, 3, 3, 4)
    own["0"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/x")


def soft_link(own, tmp_path):
    own["0"] = h5py.SoftLink("/x")


def cyclic_links(own, tmp_path):
    own["0"], own["1"] = h5py.SoftLink(own.name + "/1"), h5py.SoftLink(own.name + "/0")


def external_storage(own, tmp_path):
    (tmp_path / "secret").write_bytes(bytes(432))
    own.create_dataset("0", (3, 3, 3, 4), "f4", external=[(str(tmp_path / "secret"), 0, 432)])


def virtual(own, tmp_path):
    layout = h5py.VirtualLayout((3, 3, 3, 4), "f4")
    layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "x", (3, 3, 3, 4))
    own.create_virtual_dataset("0", layout)


def gzip_bomb(own, tmp_path):
    shape = (1 << 10, 1 << 10, 4, 1)
    own.create_dataset("0", data=np.zeros(shape, "f4"), compression="gzip")


def huge_in_pieces(own, tmp_path):
    own.create_dataset("0", (1 << 20, 1 << 20, 1 << 10, 1), "f4", chunks=(64, 64, 1, 1))


def huge_without_numbers(own, tmp_path):
    own.create_dataset("0", (1 << 20, 1 << 20, 1 << 10, 1), "f4")


def texts(own, tmp_path):
    own.create_dataset("0", data=["a" * 9] * 9, dtype=h5py.string_dtype())


def rows_of_any_length(own, tmp_path):
    own.create_dataset("0", (4,), h5py.vlen_dtype(np.dtype("f4")))


def whole_numbers(own, tmp_path):
    own["0"] = kernel(3, 3, 3, 4).astype(np.int8)


def complex_numbers(own, tmp_path):
    own["0"] = kernel(3, 3, 3, 4).astype(np.complex64)


def named_fields(own, tmp_path):
    own.create_dataset("0", (3, 3, 3, 4), np.dtype([("a", "f4")]))


def no_shape(own, tmp_path):
    own["0"] = h5py.Empty("f4")


def many_axes(own, tmp_path):
    own["0"] = np.zeros((1,) * 20, "f4")


def a_group(own, tmp_path):
    own.create_group("0")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (external_link, "is a link to another file"),
        (soft_link, "is a link to a path"),
        (cyclic_links, "is a link to a path"),
        (external_storage, "are in another file"),
        (virtual, "in pieces"),
        (gzip_bomb, "compressed"),
        (huge_in_pieces, "in pieces"),
        (huge_without_numbers, "more than the file has"),
        (texts, "no floating-point numbers"),
        (rows_of_any_length, "no floating-point numbers"),
        (whole_numbers, "'int8', no floating-point numbers"),
        (complex_numbers, "no floating-point numbers"),
        (named_fields, "no floating-point numbers"),
        (no_shape, "of shape None"),
        (many_axes, "of shape"),
        (a_group, "no array"),
    ],
)
def test_what_keras_never_writes_is_refused_by_its_place(read_keras, tmp_path, make, reason):
    read_keras([conv()], "keras 3, weights")
    with h5py.File(tmp_path / "net.keras", "a") as file:
        own = file["layers/conv2d/vars"]
        del own["0"]
        make(own, tmp_path)
    message = assert_refused(tmp_path / "net.keras", 1 << 24 if make is gzip_bomb else 1 << 22)
    assert reason in message and "conv2d" in message


def test_one_array_under_many_names_takes_no_more_memory_than_the_file_has(tmp_path):
    with h5py.File(tmp_path / "net.h5", "w") as file:
        file["layers/dense/vars/0"] = np.zeros((512, 512), "f4")
        for number in range(1, 50):
            file[f"layers/dense_{number}"] = file["layers/dense"]
    assert "more than the file has" in assert_refused(tmp_path / "net.h5", 1 << 23)


def test_a_group_inside_itself_is_no_loop(tmp_path):
    with h5py.File(tmp_path / "net.h5", "w") as file:
        group = file.create_group("layers")
        group["layers"] = group["vars"] = group["dense"] = group
    assert "arrays of layer 'layers'" in assert_refused(tmp_path / "net.h5")


@pytest.mark.parametrize("attribute", ["layer_names", "weight_names", "model_config"])
def test_attributes_of_other_kinds_are_errors_in_words(read_keras, tmp_path, attribute):
    for value in (
        np.zeros(4),
        h5py.Empty("S1"),
        np.array([b"\xff"]),
        np.array([b"../conv2d", b"/", b"."]),
        ["a", "b" * 1000],
        np.zeros(20_000, "S2"),
    ):
        read_keras(
            [conv()], "keras 2, model" if attribute == "model_config" else "keras 2, weights"
        )
        with h5py.File(tmp_path / "net.keras", "a") as file:
            node = file["conv2d"] if attribute == "weight_names" else file
            kind = h5py.string_dtype() if isinstance(value, list) else None
            node.attrs.create(attribute, value, dtype=kind)
        assert_refused(tmp_path / "net.keras")


def test_archives_that_are_bombs_or_lack_a_part_are_refused(read_keras, tmp_path):
    path = tmp_path / "net.keras"
    read_keras([conv()])
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}

    def pack(**changes):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in (parts | changes).items():
                if content is not None:
                    archive.writestr(name, content)

    pack()  # packed again, with compression
    assert len(keras_file.read(path).layers) == 1
    pack(**{"../../escape": b"x", "/etc/passwd": b"x"})
    assert len(keras_file.read(path).layers) == 1 and not (tmp_path.parent / "escape").exists()
    pack(**{"model.weights.h5": bytes(1 << 24)})
    assert "model.weights.h5 has 16,777,216 bytes" in assert_refused(path)
    pack(**{"config.json": b"[" * (1 << 23)})
    assert "config.json has 8,388,608 bytes" in assert_refused(path)
    pack(**{"config.json": b"[" * 100_000})
    assert "no JSON" in assert_refused(path)
    pack(**{"config.json": b"\xff"})
    assert_refused(path)
    pack(**{"config.json": None})
    assert "without config.json, so no .keras file" in assert_refused(path)
    pack(**{"model.weights.h5": b"not HDF5"})
    assert "no HDF5" in assert_refused(path)


def test_other_files_are_refused_in_words(tmp_path):
    assert "No such file" in assert_refused(tmp_path / "missing.h5")
    assert "it is a folder, a pipe or a device" in assert_refused(tmp_path)
    for content in (b"", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", b"\x89PNG" * 20):
        (tmp_path / "a.h5").write_bytes(content)
        assert_refused(tmp_path / "a.h5")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["x"] = 1
    assert "none of Keras" in assert_refused(tmp_path / "b.h5")


READ_ALL = """
import sys
from pathlib import Path
from alexnet.errors import DataError
from alexnet.formats import keras_file
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        print(path.name, keras_file.read(path).format)
    except DataError as error:
        assert path.name in str(error)
        print(path.name, "error")
"""


def test_a_damaged_file_is_a_network_or_an_error_in_words(tmp_path):
    """In a process of its own, since a mistake in the HDF5 library may crash it or never return."""
    generator = random.Random(18)
    (tmp_path / "files").mkdir()
    layers = [conv(), FLATTEN, dense(use_bias=False)]
    for layout in LAYOUTS:
        write(tmp_path / "net.keras", layers, layout)
        whole = (tmp_path / "net.keras").read_bytes()
        files = [whole[: generator.randrange(len(whole))] for _ in range(50)]
        for _ in range(100):
            place = generator.randrange(len(whole))
            flipped = whole[place] ^ 1 << generator.randrange(8)
            files.append(whole[:place] + bytes([flipped]) + whole[place + 1 :])
        for number, content in enumerate(files):
            (tmp_path / "files" / f"{layout}-{number:03}").write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", READ_ALL, str(tmp_path / "files")],
        capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-200:] + done.stderr[-2000:]
    answers = [line.rpartition(" ")[2] for line in done.stdout.splitlines()]
    assert len(answers) == 600 and 200 < answers.count("error") < 400


def test_a_heap_that_hdf5_never_leaves_is_an_error(tmp_path):
    path = tmp_path / "net.h5"
    write(path, [conv()], "keras 2, weights")
    content = path.read_bytes()
    place = content.index(b"GCOL")
    sizes = []
    while True:  # each object: index, uses, 0, size
        place = place + 16 if not sizes else place + 16 + -(-sizes[-1] // 8) * 8
        sizes.append(int.from_bytes(content[place + 8 : place + 16], "little"))
        if content[place : place + 2] == b"\0\0":
            break
    path.write_bytes(content[: place + 8] + bytes(8) + content[place + 16 :])
    assert "heap of texts is damaged" in assert_refused(path)


def test_long_texts_take_no_memory(tmp_path):
    path = tmp_path / "net.h5"
    write(path, [conv()], "keras 2, weights")
    with h5py.File(path, "a") as file:
        file.attrs["layer_names"] = ["a" * 30_000] * 2
    content = path.read_bytes()
    place = content.index(struct.pack("<I", 30_000))  # length, address, index: two of them
    one, two = content[place : place + 16], content[place + 16 : place + 32]
    for length, reason in ((1 << 31, "too long"), (30_001, "not in the file"), (30_000, "")):
        claim = struct.pack("<I", length) + one[4:]
        path.write_bytes(content[:place] + claim + two + content[place + 32 :])
        assert reason in assert_refused(path)
    with h5py.File(path, "a") as file:
        file.attrs["layer_names"] = ["a"] * 1001
    assert "too long" in assert_refused(path)


@pytest.mark.parametrize("libver", ["earliest", "v110", "latest"])
@pytest.mark.parametrize("fixed", [False, True])
def test_texts_are_read_from_each_version_of_the_format(tmp_path, libver, fixed):
    names = ["conv2d", "", "größer"] + [f"layer_{number}" for number in range(60)]
    with h5py.File(tmp_path / "a.h5", "w", libver=libver) as file:
        group = file.create_group("a")
        for number in range(6):  # so that the header goes on elsewhere
            group.attrs[f"note {number}"] = "x" * 100
        group.attrs["one"] = "text"
        group.attrs["names"] = np.array([n.encode() for n in names]) if fixed else names
    with HDF5File(tmp_path / "a.h5") as file:
        group = file.group(file.root, "a")
        assert file.texts(group, "names") == names
        assert file.texts(group, "one") == ["text"]
        assert file.texts(group, "two") is None
