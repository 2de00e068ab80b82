"""The prediction command: the classes of image files and their probabilities."""

import csv
import io
import json

import numpy as np
import pytest
from PIL import Image

import alexnet
import tinynet as tn
from alexnet import predict
from alexnet.data.folder import read_image
from alexnet.data.normalization import Normalization
from alexnet.weights import checkpoint

pytestmark = pytest.mark.usefixtures("numpy_backend")

NUMPY = ["--backend", "numpy", "--threads", "1"]
CLASSES = ["ant", "bee", "cat", "dog", "eel", "fly", "gnu"]


@pytest.fixture
def saved(tmp_path):
    """A checkpoint whose logits are the biases of fc8: 0 for ant, 1 for bee, ..."""
    model = alexnet.build("paper", len(CLASSES), 67, width=0.03, init="he")
    state = model.state_dict()
    state["fc8.weight"][:] = 0
    state["fc8.bias"][:] = np.arange(len(CLASSES))
    example = checkpoint.Checkpoint(
        build=model.options, classes=CLASSES, stored_size=76,
        normalization=Normalization(np.full((3, 1, 1), 100.0), np.ones((3, 1, 1))),
        model=state, velocities=None, options={}, training={},
    )  # fmt: skip
    example.save(tmp_path / "best.npz")
    return example


@pytest.fixture
def photo(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (90, 130, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return str(tmp_path / "photo.png")


def test_classes_come_with_their_softmax_most_probable_first(saved, photo, tmp_path, capsys):
    assert predict.main([str(tmp_path / "best.npz"), photo, "--json", *NUMPY]) == 0
    (record,) = json.loads(capsys.readouterr().out)
    assert record["image"] == photo
    assert [row["class"] for row in record["classes"]] == ["gnu", "fly", "eel", "dog", "cat"]
    powers = np.exp(np.arange(7))
    expected = (powers / powers.sum())[::-1][:5]
    assert [row["probability"] for row in record["classes"]] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("topk", "rows"), [("1", 1), ("3", 3), ("99", 7)])
def test_topk_is_at_most_the_number_of_classes(saved, photo, tmp_path, capsys, topk, rows):
    flags = ["--topk", topk, "--json", *NUMPY]
    assert predict.main([str(tmp_path / "best.npz"), photo, *flags]) == 0
    assert len(json.loads(capsys.readouterr().out)[0]["classes"]) == rows


def test_an_image_is_read_as_in_evaluation(saved, photo, tmp_path, capsys):
    """Its shorter side is resized to the stored size, the middle is cropped and normalised."""
    with Image.open(photo) as image:
        square = image.crop((20, 0, 110, 90)).resize((76, 76), Image.Resampling.BILINEAR)
        middle = np.asarray(square)[4:71, 4:71].transpose(2, 0, 1)
    saved.model["fc8.weight"] = 0.01 * tn.random.normal((7, 123), seed=0, stream=0, draw=99)
    model = saved.make_model()
    logits = model(tn.Tensor((middle - np.float32(100))[None].astype(np.float32)))
    saved.save(tmp_path / "best.npz")
    assert predict.main([str(tmp_path / "best.npz"), photo, "--topk", "7", "--json", *NUMPY]) == 0
    (record,) = json.loads(capsys.readouterr().out)
    answers = {row["class"]: row["probability"] for row in record["classes"]}
    probabilities = [answers[name] for name in CLASSES]
    assert probabilities == pytest.approx(tn.softmax(logits).numpy()[0], rel=1e-4)
    assert 0 < np.diff(np.sort(probabilities)).min()


def test_more_images_than_a_batch_come_back_in_order(saved, photo, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(predict, "BATCH", 2)
    paths = [str(tmp_path / f"{number}.png") for number in range(5)]
    for path in paths:
        Image.open(photo).save(path)
    assert predict.main([str(tmp_path / "best.npz"), *paths, "--json", *NUMPY]) == 0
    assert [row["image"] for row in json.loads(capsys.readouterr().out)] == paths


def test_plain_output_is_a_path_and_a_line_for_each_class(saved, photo, tmp_path, capsys):
    assert predict.main([str(tmp_path / "best.npz"), photo, "--topk", "2", *NUMPY]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == photo and len(lines) == 3
    assert lines[1].split() == ["63.27%", "gnu"]  # exp(6) / (exp(0) + ... + exp(6))


@pytest.mark.parametrize("content", [b"no image", None])
def test_an_image_that_cannot_be_read_ends_with_3_and_its_path(
    saved, photo, tmp_path, capsys, content
):
    bad = tmp_path / "bad.jpg"
    if content:
        bad.write_bytes(content)
    assert predict.main([str(tmp_path / "best.npz"), photo, str(bad), *NUMPY]) == 3
    assert str(bad) in capsys.readouterr().err.splitlines()[-1]


# --- folders, lists, tables -----------------------------------------------------------------------


def run(tmp_path, *arguments, code=0):
    assert predict.main([str(tmp_path / "best.npz"), *map(str, arguments), *NUMPY]) == code


def test_a_bad_file_among_good_ones_is_named_and_the_others_are_answered(
    saved, photo, tmp_path, capsys
):
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    run(tmp_path, photo, tmp_path / "bad.jpg", "nothing.png", photo, "--json", code=3)
    captured = capsys.readouterr()
    assert [row["image"] for row in json.loads(captured.out)] == [photo, photo]
    reasons = captured.err.splitlines()
    assert "bad.jpg cannot be read" in reasons[0] and "nothing.png cannot be read" in reasons[1]
    assert "2 paths were not answered" in reasons[2] and "bad.jpg, nothing.png" in reasons[2]


def test_without_any_readable_image_the_output_is_still_whole(saved, tmp_path, capsys):
    run(tmp_path, "nothing.png", "--json", code=3)
    assert json.loads(capsys.readouterr().out) == []
    run(tmp_path, "nothing.png", "--csv", "--topk", "1", code=3)
    assert capsys.readouterr().out == "image,class,probability\n"


def test_a_folder_stands_for_all_images_in_it_at_any_depth(saved, photo, tmp_path, capsys):
    folder = tmp_path / "photos"
    for name in ("b.png", "deep/er/a.PNG", "deep/notes.txt", ".hidden.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with open(photo, "rb") as file:
            (folder / name).write_bytes(file.read())
    run(tmp_path, folder, photo, "--topk", "1")
    answered = [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()]
    assert answered == [str(folder / "b.png"), str(folder / "deep/er/a.PNG"), photo]


def test_a_folder_without_images_is_an_error_that_names_it(saved, photo, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    run(tmp_path, tmp_path / "empty", photo, "--topk", "1", code=3)
    captured = capsys.readouterr()
    assert captured.out.startswith(photo) and "empty holds no images" in captured.err


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_dash_reads_a_list_of_paths_from_standard_input(
    saved, photo, tmp_path, capsys, monkeypatch, end
):
    monkeypatch.setattr("sys.stdin", io.StringIO(end.join([photo, "", "nothing.png", photo, ""])))
    run(tmp_path, "-", "--topk", "1", code=3)
    captured = capsys.readouterr()
    assert [line.split("\t")[0] for line in captured.out.splitlines()] == [photo, photo]
    assert "nothing.png" in captured.err


def test_a_list_with_zero_bytes_may_name_any_file(saved, photo, tmp_path, capsys, monkeypatch):
    odd = tmp_path / "a\nb\r.png"
    odd.write_bytes(open(photo, "rb").read())
    listed = f"{odd}\0{photo}\0".encode()
    for arguments in (["-", "-0"], ["--null", "-"]):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(listed), encoding="utf-8"))
        run(tmp_path, *arguments, "--json")
        assert [row["image"] for row in json.loads(capsys.readouterr().out)] == [str(odd), photo]
    run(tmp_path, photo, "-0", code=2)
    assert "-0 is about the list on standard input" in capsys.readouterr().err


def test_answers_are_printed_batch_by_batch(saved, photo, tmp_path, monkeypatch, capsys):
    """The second batch is read only after the first is printed."""
    monkeypatch.setattr(predict, "BATCH", 2)
    printed = []

    def read(path, size):
        printed.append(capsys.readouterr().out.count("\n"))
        return read_image(path, size)

    monkeypatch.setattr(predict, "read_image", read)
    run(tmp_path, *[photo] * 5, "--topk", "1")
    assert printed == [0, 0, 2, 0, 2]


def test_with_topk_1_an_answer_is_one_line_of_three_columns(saved, photo, tmp_path, capsys):
    run(tmp_path, photo, photo, "--topk", "1")
    assert capsys.readouterr().out == f"{photo}\tgnu\t63.27%\n" * 2


def test_csv_has_a_line_for_each_image(saved, photo, tmp_path, capsys):
    run(tmp_path, photo, photo, "--csv", "--topk", "2")
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == 2
    assert list(rows[0]) == ["image", "class", "probability", "class_2", "probability_2"]
    assert (rows[1]["image"], rows[1]["class"], rows[1]["class_2"]) == (photo, "gnu", "fly")
    assert float(rows[1]["probability"]) == pytest.approx(
        np.exp(6) / np.exp(range(7)).sum(), rel=1e-5
    )


def test_classes_are_shown_by_the_names_of_a_words_file(saved, photo, tmp_path, capsys):
    (tmp_path / "words.txt").write_text("gnu\twildebeest, brindled gnu\n")
    words = ["--words", tmp_path / "words.txt", "--topk"]
    run(tmp_path, photo, *words, "1")
    assert capsys.readouterr().out == f"{photo}\twildebeest (gnu)\t63.27%\n"
    run(tmp_path, photo, *words, "2", "--csv")
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (row["class"], row["name"], row["name_2"]) == ("gnu", "wildebeest, brindled gnu", "")
    run(tmp_path, photo, *words, "2", "--json")
    (record,) = json.loads(capsys.readouterr().out)
    assert record["classes"][0]["name"] == "wildebeest, brindled gnu"
    assert "name" not in record["classes"][1]
    run(tmp_path, photo, "--words", tmp_path / "none.txt", code=3)
    assert "none.txt" in capsys.readouterr().err


def test_a_words_file_in_the_folder_of_the_run_s_data_is_used(saved, photo, tmp_path, capsys):
    (tmp_path / "words.txt").write_text("gnu\twildebeest\n")
    saved.options = {"data": str(tmp_path)}
    saved.save(tmp_path / "best.npz")
    run(tmp_path, photo, "--topk", "1")
    assert capsys.readouterr().out == f"{photo}\twildebeest (gnu)\t63.27%\n"


@pytest.mark.parametrize("flags", [(), ("--topk", "1"), ("--csv",), ("--json",)])
def test_terminal_codes_in_names_and_paths_are_not_printed(saved, photo, tmp_path, capsys, flags):
    saved.classes = ["\x1b[31mant", *CLASSES[1:-1], "[/gnu]\x9b\ud800"]
    saved.save(tmp_path / "best.npz")
    path = tmp_path / "a\x1b[31m\n.png"
    with open(photo, "rb") as file:
        path.write_bytes(file.read())
    bad = tmp_path / "bad\x1b[31m.png"
    run(tmp_path, path, bad, *flags, code=3)
    captured = capsys.readouterr()
    assert "\x1b" not in captured.out + captured.err and "[/gnu]\\" in captured.out
    captured.out.encode("utf-8")


def test_a_run_folder_is_answered_by_its_best_network(saved, photo, tmp_path, capsys):
    assert predict.main([str(tmp_path), photo, "--topk", "1", *NUMPY]) == 0
    assert capsys.readouterr().out.split("\t")[1] == "gnu"
