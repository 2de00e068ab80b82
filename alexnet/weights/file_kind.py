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
    (b"\x80", "a Python pickle, as older PyTorch writes"),
    (b"\x1f\x8b", "a compressed file (gzip)"),
    (b"BZh", "a compressed file (bzip2)"),
    (b"\xfd7zXZ", "a compressed file (xz)"),
    (b"%PDF", "a PDF"),
    (b"version https://git-lfs", "a note of Git LFS; git lfs pull gets the file"),
    (b"<!doctype html", "a web page"),
    (b"<html", "a web page"),
    (b"{", "text or JSON"),
    (b"[", "text or JSON"),
]
_ENDINGS = {
    (".pth", ".pt"): "a file of PyTorch",
    (".caffemodel",): "a file of Caffe",
    (".onnx",): "a file of ONNX",
    (".safetensors",): "a file of safetensors",
    IMAGE_ENDINGS: "an image",
}
# Files of other programs that nothing here reads: what they are, and what to make of them there.
_EXPORTS = {
    (".prototxt", ".pbtxt"): "the text of a network, without weights; Caffe's weights lie in a "
    ".caffemodel",
    (".pb",): "a graph of TensorFlow; save a Keras model as .keras or .h5, or make an .onnx with "
    "tf2onnx",
    (".ckpt", ".index", ".meta", ".data-00000-of-00001"): "a checkpoint of TensorFlow; save its "
    "model as .keras or .h5, or its arrays by numpy.savez under names such as conv1.weight",
    (".tflite",): "a model of TensorFlow Lite; save the Keras model it was made from as .keras or "
    ".h5",
    (".t7",): "a file of Torch 7; write its weights as a state dict (.pth) with PyTorch 0.4, which "
    "has load_lua, or export .onnx",
    (".mat",): "a file of MATLAB; scipy.io.loadmat reads it and numpy.savez writes its arrays, "
    "(out, in, rows, columns) and (out, in), under names such as conv1.weight",
}
_LOOKED_AT = 512  # bytes


def kind_of_file(path: Path) -> str:
    """What the file seems to be, in words; "" if it is an .npz file or cannot be told."""
    try:
        if not path.is_file():  # a pipe would be waited for
            return ""
        with open(path, "rb") as file:
            start = file.read(_LOOKED_AT)
        if start[:2] == b"PK" and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
            if any(name.endswith("data.pkl") for name in names):
                return "a file of PyTorch"
            return "" if all(n.endswith(".npy") for n in names) else "a zip archive of other files"
    except Exception:  # the caller has an error already; this is only a remark on it
        return ""
    if not start:
        return "an empty file"
    shown = start.lstrip().lower() if is_text(start) else start
    kinds = [kind for b, kind in _BEGINNINGS if start.startswith(b) or shown.startswith(b)]
    kinds += ["a tar archive"] if start[257:262] == b"ustar" else []
    kinds += [what_to_export(path)] if what_to_export(path) else []
    kinds += ["text"] if is_text(start) else []
    kinds += [kind for endings, kind in _ENDINGS.items() if path.name.lower().endswith(endings)]
    return kinds[0] if kinds else ""


def what_to_export(path: Path) -> str:
    """Of a file that another program wrote and nothing here reads, by its name: what it is, and
    what to export there; "" for other names."""
    name = path.name.lower()
    return next((words for endings, words in _EXPORTS.items() if name.endswith(endings)), "")


def is_text(start: bytes) -> bool:
    """Whether the first bytes of a file are those of a text in UTF-8, not of numbers."""
    try:
        text = start.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(start) - 3:  # the last letter may be cut
            return False
        text = start[: error.start].decode("utf-8")
    return bool(text) and all(letter >= " " or letter in "\t\n\r\f" for letter in text)
