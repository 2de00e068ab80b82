"""What kind of file another file seems to be, by its first bytes: for an error in words."""

import zipfile
from pathlib import Path

from alexnet.data.folder import IMAGE_ENDINGS

# Source: each format's own description of its first bytes.
_BEGINNINGS = [
    (b"\xff\xd8\xff", "a photo (JPEG)"),
    (b"\x89PNG\r\n\x1a\n", "an image (PNG)"),
    (b"GIF8", "an image (GIF)"),
    (b"RIFF", "an image (WebP), or a sound"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes"),
    (b"\x93NUMPY", "a single array (.npy)"),
    (b"\x80", "a Python pickle, as older PyTorch writes; pickles are never loaded"),
    (b"\x1f\x8b", "a compressed file (gzip)"),
    (b"{", "text or JSON"),
    (b"[", "text or JSON"),
]
_ENDINGS = {
    (".pth", ".pt"): "a file of PyTorch",
    (".caffemodel", ".prototxt"): "a file of Caffe",
    (".onnx",): "a file of ONNX",
    (".safetensors",): "a file of safetensors",
    IMAGE_ENDINGS: "an image",
}


def kind_of_file(path: Path) -> str:
    """What the file seems to be, in words; "" if it is an .npz file or cannot be told."""
    if not path.is_file():  # a pipe would be waited for
        return ""
    try:
        with open(path, "rb") as file:
            start = file.read(16)
        if start[:2] == b"PK" and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
            if any(name.endswith("data.pkl") for name in names):
                return "a file of PyTorch (a zip archive with a pickle; pickles are never loaded)"
            return "" if all(n.endswith(".npy") for n in names) else "a zip archive of other files"
    except Exception:  # the caller has an error already; this is only a remark on it
        return ""
    if not start:
        return "an empty file"
    kinds = [kind for beginning, kind in _BEGINNINGS if start.startswith(beginning)]
    kinds += [kind for endings, kind in _ENDINGS.items() if path.name.lower().endswith(endings)]
    return kinds[0] if kinds else ""
