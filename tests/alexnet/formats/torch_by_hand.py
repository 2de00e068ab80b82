"""Files of torch.save, made without PyTorch."""

import io
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np

from alexnet.formats import torch_file, torch_write

ARRAYS = {
    "conv1.weight": np.random.default_rng(0).standard_normal((4, 3, 5, 5)).astype(np.float32),
    "conv1.bias": np.arange(4, dtype=np.float32),
    "fc2.weight": np.random.default_rng(1).standard_normal((7, 8)),
}
PICKLE = torch_write._pickle(ARRAYS)
SYSTEM = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}


def archive(main, members=None, compression=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as opened:
        opened.writestr("a/data.pkl", main)
        if members is None:
            members = {f"data/{n}": a.tobytes() for n, a in enumerate(ARRAYS.values())}
        for name, data in members.items():
            opened.writestr(f"a/{name}", data)
    return file.getvalue()


def storages(arrays=ARRAYS):
    return b"".join(struct.pack("<q", a.size) + a.tobytes() for a in arrays.values())


def chain(main, keys=("0", "1", "2"), data=None, magic=torch_file._MAGIC, protocol=1001):
    head = b"".join(pickle.dumps(value, 2) for value in (magic, protocol, SYSTEM))
    return head + main + pickle.dumps(list(keys), 2) + (storages() if data is None else data)


def read(content, path="a.pth"):
    Path(path).write_bytes(content)
    return torch_file.read(path)


def holds_arrays(network):
    arrays = {f"{la.name}.{part}": a for la in network.layers for part, a in la.arrays.items()}
    return all(np.array_equal(arrays[name], array) for name, array in ARRAYS.items())
