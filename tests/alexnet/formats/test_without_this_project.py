"""Files written here, opened where neither tinynet nor alexnet can be imported: onnxruntime, NumPy
and PyTorch give the predictions of alexnet.predict, with nothing but what the files say."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from alexnet import formats, predict
from tests.alexnet.formats.small_checkpoints import small

for package in ("onnx", "onnxruntime", "safetensors", "torch"):
    pytest.importorskip(package, reason=f"the package {package} is not installed")

# What both programs begin with: this project blocked, and an image prepared by the metadata alone.
START = """
import json, sys
for name in ("tinynet", "alexnet"):
    sys.modules[name] = None
    try:
        __import__(name)
    except ImportError:
        continue
    sys.exit(f"{name} was imported")
import numpy as np
from PIL import Image

def prepared(photo, metadata, size):
    fields = {key: json.loads(metadata[key]) for key in ("classes", "normalization", "stored_size")}
    image = Image.open(photo)
    short, stored = min(image.size), fields["stored_size"]
    left, top = (image.width - short) // 2, (image.height - short) // 2
    box = (left, top, left + short, top + short)
    image = image.resize((stored, stored), Image.Resampling.BILINEAR, box=box)
    edge = (stored - size) // 2
    pixels = np.asarray(image)[edge : edge + size, edge : edge + size].transpose(2, 0, 1)
    mean, divisor = (
        np.array(fields["normalization"][key], np.float32) for key in ("mean", "divisor")
    )
    return fields["classes"], ((pixels - mean) / divisor)[None].astype(np.float32)

def answer(classes, logits):
    powers = np.exp(logits[0].astype(np.float64) - logits.max())
    print(json.dumps(dict(zip(classes, (powers / powers.sum()).tolist()))))
"""

ONNX = """
import onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
(images,) = session.get_inputs()
metadata = session.get_modelmeta().custom_metadata_map
classes, x = prepared(sys.argv[2], metadata, images.shape[2])
answer(classes, session.run(["logits"], {images.name: x})[0])
"""

# bvlc_alexnet: BVLC/caffe, models/bvlc_alexnet/deploy.prototxt.
TENSORS = """
from safetensors import safe_open
import torch
from torch.nn import functional as F
with safe_open(sys.argv[1], "pt") as file:
    metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}
build = json.loads(metadata["build"])
assert build["spec"] == "caffe"
classes, x = prepared(sys.argv[2], metadata, build["image_size"])

def layer(name):
    return tensors[f"{name}.weight"], tensors[f"{name}.bias"]

def lrn(x):
    return F.local_response_norm(x, 5, alpha=1e-4, beta=0.75, k=1.0)

def pool(x):
    return F.max_pool2d(x, 3, 2, ceil_mode=True)

x = torch.from_numpy(x)
x = pool(lrn(F.relu(F.conv2d(x, *layer("conv1"), stride=4))))
x = pool(lrn(F.relu(F.conv2d(x, *layer("conv2"), padding=2, groups=2))))
x = F.relu(F.conv2d(x, *layer("conv3"), padding=1))
x = F.relu(F.conv2d(x, *layer("conv4"), padding=1, groups=2))
x = pool(F.relu(F.conv2d(x, *layer("conv5"), padding=1, groups=2))).flatten(1)
x = F.relu(F.linear(x, *layer("fc6")))
x = F.relu(F.linear(x, *layer("fc7")))
answer(classes, F.linear(x, *layer("fc8")).numpy())
"""


@pytest.mark.parametrize(
    ("ending", "program", "mean_image"), [(".onnx", ONNX, False), (".safetensors", TENSORS, True)]
)
def test_the_file_alone_gives_the_same_predictions(tmp_path, capsys, ending, program, mean_image):
    draw = np.random.default_rng(0)
    image = Image.fromarray(draw.integers(0, 256, (9, 13, 3), dtype=np.uint8))
    image.resize((190, 141)).save(tmp_path / "photo.png")
    saved = small("caffe", image_size=99, mean_image=mean_image, width=0.05)
    formats.write(saved, tmp_path / f"a{ending}")
    saved.save(tmp_path / "a.npz")
    command = [sys.executable, "-c", START + program, f"a{ending}", "photo.png"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    theirs = json.loads(done.stdout)
    flags = ["--json", "--topk", "7", "--backend", "numpy", "--threads", "1"]
    assert predict.main([str(tmp_path / "a.npz"), str(tmp_path / "photo.png"), *flags]) == 0
    rows = json.loads(capsys.readouterr().out)[0]["classes"]
    ours = {row["class"]: row["probability"] for row in rows}
    assert list(theirs) == saved.classes and set(ours) == set(theirs)
    assert max(ours.values()) - min(ours.values()) > 0.05  # the network tells the classes apart
    assert all(abs(theirs[name] - share) < 1e-5 for name, share in ours.items())
    assert max(theirs, key=theirs.get) == rows[0]["class"]
