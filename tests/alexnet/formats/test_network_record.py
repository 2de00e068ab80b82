"""The record of a network in .safetensors and .onnx files: whatever is forged is refused."""

import pytest

from alexnet import formats
from alexnet.errors import DataError
from alexnet.weights import record as records
from tests.alexnet.formats.small_checkpoints import back, small

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")
safetensors = pytest.importorskip("safetensors", reason="the package safetensors is not installed")

DEEP = "[" * 900 + "]" * 900
FORGED = {
    "build": [
        ("{", "build is no JSON"),
        ("[]", "build"),
        ("{}", "lacks spec"),
        (DEEP, "build"),
        ("[" * 100_000, "build is no JSON"),
        ('{"spec": "caffe", "num_classes": 7, "image_size": 67, "width": 9}', "differs in"),
        ('{"spec": "caffe", "num_classes": 7, "image_size": 67, "width": 1e300}', "be built|wid"),
        ('{"spec": "caffe", "num_classes": 7, "image_size": 38, "width": 0.03}', "be built"),
        ('{"spec": "caffe", "num_classes": 7, "image_size": 67, "x": 1}', "does not know"),
    ],
    "classes": [
        ('"abcdefg"', "a list of different names"),
        ("[1, 2, 3, 4, 5, 6, 7]", "a list of different names"),
        ('["a", "a", "b", "c", "d", "e", "f"]', "a list of different names"),
        ('["a"]', "classes has 1 names, build.num_classes is 7"),
        (DEEP, "classes"),
    ],
    "stored_size": [("1", "stored_size"), ("1e9", "stored_size"), ("null", "stored_size")],
    "words": [("[]", "words"), ('{"a": 1}', "words"), (DEEP, "words")],
    "normalization": [
        ("{}", "missing"),
        ('{"mean": [1, 2, 3], "divisor": [1, 1, 1]}', "should be"),
        ('{"mean": [[[1]], [[2]], [[3]]], "divisor": [[[0]], [[1]], [[1]]]}', "above 0"),
        ('{"mean": [[[1e300]], [[2]], [[3]]], "divisor": [[[1]], [[1]], [[1]]]}', "not finite"),
        ('{"mean": [[[NaN]], [[2]], [[3]]], "divisor": [[[1]], [[1]], [[1]]]}', "."),
        (f'{{"mean": [[[{"9" * 400}]], [[2]], [[3]]], "divisor": [[[1]], [[1]], [[1]]]}}', "fits"),
        (f'{{"mean": {DEEP}, "divisor": [[[1]], [[1]], [[1]]]}}', "fits"),
        ('{"mean": [[1, 2], [3]], "divisor": [[[1]], [[1]], [[1]]]}', "fits"),
        ('{"mean": {"a": 1}, "divisor": "x"}', "fits"),
    ],
}


@pytest.mark.parametrize(
    ("field", "text", "reason"),
    [(field, *case) for field, cases in FORGED.items() for case in cases],
)
@pytest.mark.parametrize("ending", [".safetensors", ".onnx"])
def test_a_forged_record_is_an_error_that_names_the_field(tmp_path, ending, field, text, reason):
    saved, path = small(), tmp_path / f"a{ending}"
    formats.write(saved, path)
    if ending == ".onnx":
        model = onnx.load(path)
        for property_ in model.metadata_props:
            if property_.key == field:
                property_.value = text
        onnx.save(model, path)
    else:
        forge_metadata(path, saved, **{field: text})
    with pytest.raises(DataError, match=f"(?s)({reason})"):
        back(path)


def forge_metadata(path, saved, **fields):
    from safetensors.numpy import save_file

    with safetensors.safe_open(path, "np") as file:
        metadata = file.metadata() | fields
    save_file(saved.model, path, {name: text for name, text in metadata.items() if text})


def test_a_value_that_is_too_deep_to_show_is_still_an_error_in_words():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(DataError, match="words is a list of many others, should be"):
        records.check("words", deep, records.WORDS)


def test_a_record_without_its_producer_is_another_programs(tmp_path):
    saved, path = small(), tmp_path / "a.safetensors"
    formats.write(saved, path)
    for producer in ("", "another"):
        forge_metadata(path, saved, producer=producer)
        assert formats.read(path).record == {}


def test_a_record_that_lacks_a_field_or_is_too_long_is_refused(tmp_path, monkeypatch):
    saved, path = small(), tmp_path / "a.safetensors"
    formats.write(saved, path)
    forge_metadata(path, saved, stored_size="")
    with pytest.raises(DataError, match="lacks stored_size"):
        back(path)
    for ending in (".safetensors", ".onnx", ".pth"):
        formats.write(saved, tmp_path / f"b{ending}")
    monkeypatch.setattr(records, "FILE_BYTES", 10)
    monkeypatch.setattr("alexnet.formats.onnx_file.FILE_BYTES", 10)
    for ending in (".safetensors", ".onnx", ".pth"):
        with pytest.raises(DataError, match="10 fit|too long"):
            back(tmp_path / f"b{ending}")
