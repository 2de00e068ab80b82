"""The command that packs a folder: its exit codes, what it says, and what other commands do with
a pack."""

import os
import shutil

import pytest

import tinynet as tn
from alexnet import evaluate, prepare, train
from alexnet.data import packed_images, packing
from alexnet.data.manifest import MANIFEST
from alexnet.data.pack import Pack
from tests.alexnet.data.packs import contents, make_photos
from tests.alexnet.small_training import FLAGS, log, make_images


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "photos"
    make_photos(folder, classes=("n01440764", "n01443537"))
    (folder / "words.txt").write_text("n01440764\ttench\nn00000001\tother\n")
    return str(folder)


@pytest.fixture
def run(capsys):
    """Run a command, expect this exit code, and return (stdout, stderr)."""

    def run_command(*arguments, code=0, main=prepare.main):
        assert main([str(argument) for argument in arguments]) == code
        return capsys.readouterr()

    return run_command


def test_it_says_what_it_takes_first_and_what_it_wrote_at_the_end(source, tmp_path, run):
    out = tmp_path / "packs" / "photos"
    lines = run(source, out, "--size", "16", "--workers", "2").out.splitlines()
    assert lines[0] == f"source    {source}"
    assert lines[1] == "images    train 14, val 6; 2 classes"
    assert lines[2] == f"pack      {out}: raw pixels, 16 x 16"
    assert lines[3].startswith(f"expected  {20 * 16 * 16 * 3:,} bytes, about 0:0")
    size = sum(path.stat().st_size for path in out.iterdir()) - (out / MANIFEST).stat().st_size
    assert lines[4] == f"written   {out}: train 14, val 6; {size:,} bytes"
    assert lines[-1] == f"to train  python -m alexnet.train {out}"
    assert (out / "words.txt").read_text() == "n01440764\ttench\n"
    again = run(source, out, "--size", "16").out
    assert again.splitlines()[-1] == f"{out} holds this pack already, whole"


@pytest.mark.parametrize("flags", [["--jpeg", "75"], ["--keep-aspect"]])
def test_other_kinds_are_expected_about(source, tmp_path, run, flags):
    lines = run(source, tmp_path / "out", "--size", "16", *flags).out.splitlines()
    (expected,) = (line for line in lines if line.startswith("expected"))
    said = int(expected.split()[2].replace(",", ""))
    ending = Pack(tmp_path / "out", "train").options.images
    images = sum(path.stat().st_size for path in (tmp_path / "out").glob(f"*.{ending}"))
    assert expected.startswith("expected  about ") and said == images  # all 20 are the sample


def test_check_reads_a_pack_whole(source, tmp_path, run):
    out = tmp_path / "out"
    run(source, out, "--size", "16")
    text = run("--check", out).out
    assert f"{out}: 2 classes, 14 images (train), packed as raw pixels, 16 x 16 from" in text
    assert text.splitlines()[-1].startswith(f"{out}: 8 files, ")
    pixels = out / "val.pixels"
    content = bytearray(pixels.read_bytes())
    content[1000] ^= 4
    pixels.write_bytes(content)
    assert f"{pixels} is damaged: its SHA-256" in run("--check", out, code=3).err
    assert "is no pack: it has no alexnet-pack.json" in run("--check", source, code=3).err
    assert "--check reads one pack" in run("--check", out, out, code=2).err


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("synthetic", "synthetic is in memory as it is"),
        ("cifar10:folder", "cifar10:folder is in memory as it is"),
    ],
)
def test_data_without_image_files_is_refused(tmp_path, run, data, message):
    assert message in run(data, tmp_path / "out", code=2).err
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_not_there_or_holds_no_images_leaves_nothing(tmp_path, run):
    assert "is not there, or no folder" in run(tmp_path / "no", tmp_path / "out", code=3).err
    (tmp_path / "empty").mkdir()
    assert "no class folders" in run(tmp_path / "empty", tmp_path / "out", code=3).err
    assert not (tmp_path / "out").exists()
    assert "name the folder of the pack" in run(tmp_path / "no", code=2).err


def test_a_pack_inside_its_source_or_of_a_pack_is_refused(source, tmp_path, run):
    for inside in ("", "pack", "train/pack"):
        message = run(source, os.path.join(source, inside), code=2).err
        assert "lies inside" in message and "name a folder outside" in message
    run(source, tmp_path / "out", "--size", "8")
    assert "is a pack already" in run(tmp_path / "out", tmp_path / "again", code=2).err


@pytest.mark.parametrize(
    "flags", [["--jpeg", "0"], ["--jpeg", "96"], ["--size", "0"], ["--workers", "0"]]
)
def test_flags_that_do_not_fit_exit_with_2(source, tmp_path, flags):
    with pytest.raises(SystemExit) as end:
        prepare.main([source, str(tmp_path / "out"), *flags])
    assert end.value.code == 2


def test_a_disk_without_room_is_said_before_the_work(source, tmp_path, run, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(prepare.shutil, "disk_usage", lambda path: usage)
    message = run(source, tmp_path / "out", code=6).err
    assert "needs 3,932,160 bytes more, its disk has 1,000 free; make room and give" in message
    assert not (tmp_path / "out" / "train.pixels").exists()
    text = run(source, tmp_path / "jpeg", "--jpeg", "90").out
    assert "its disk has 1,000 free: it may become full; the work so far would be kept" in text


def test_ctrl_c_saves_and_the_same_command_goes_on(source, tmp_path, run, monkeypatch):
    run(source, tmp_path / "whole", "--size", "16")
    read, count = packed_images.read_image, []
    monkeypatch.setattr(packed_images, "_FILES", 1)

    def interrupted(path, size):
        count.append(path)
        if len(count) == 25:  # 20 are the sample
            os.kill(os.getpid(), 2)
        return read(path, size)

    with monkeypatch.context() as patch:
        patch.setattr(packed_images, "read_image", interrupted)
        captured = run(source, tmp_path / "out", "--size", "16", "--workers", "1", code=130)
    assert "of 20 files, which are kept; the same command goes on from there" in captured.err
    assert "going on  " in run(source, tmp_path / "out", "--size", "16").out
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_second_process_is_kept_away(source, tmp_path, run, monkeypatch, capsys):
    expected = packing.Packing.expected

    def while_a_second_one_begins(work):
        assert prepare.main([source, str(tmp_path / "out"), "--size", "16"]) == 2
        assert "is in use by process" in (message := capsys.readouterr().err)
        assert "or name another folder" in message
        return expected(work)

    monkeypatch.setattr(packing.Packing, "expected", while_a_second_one_begins)
    assert "written" in run(source, tmp_path / "out", "--size", "16").out


def test_skipped_images_are_told(source, tmp_path, run):
    shutil.copytree(source, tmp_path / "photos")
    (tmp_path / "photos" / "val" / "n01440764" / "0.png").write_bytes(b"no image")
    message = run(tmp_path / "photos", tmp_path / "out", "--size", "8", code=3).err
    assert "0.png cannot be read" in message and "same command goes on" in message
    text = run(tmp_path / "photos", tmp_path / "out", "--size", "8", "--skip-bad-images", "1").out
    assert "left out  1 broken files, which the manifest lists: val/n01440764/0.png" in text


# --- other commands -------------------------------------------------------------------------------


def test_training_on_a_pack_has_the_numbers_of_training_on_its_folder(tmp_path, run):
    images = make_images(tmp_path / "images")
    run(images, tmp_path / "pack", "--size", "76")  # 67 * 256 / 227, rounded
    flags = [*FLAGS, "--epochs", "1", "--augment", "crop", "--out"]
    with tn.use_backend("numpy"):
        for data, name in ((images, "a"), (tmp_path / "pack", "b")):
            run(data, *flags, tmp_path / name, main=train.main)
        assert log(tmp_path / "a") == log(tmp_path / "b") != []
        text = run(tmp_path / "b", "--wrong", "5", main=evaluate.main).out
    assert f"packed as raw pixels, 76 x 76 from {images}" in text
    assert str(images) in text.split("most wrong")[1]


def test_a_run_may_go_on_with_a_pack_of_its_images_but_not_of_another_size(tmp_path, run):
    images = make_images(tmp_path / "images")
    flags = [*FLAGS, "--augment", "crop", "--out", tmp_path / "run"]
    for size in ("76", "60"):
        run(images, tmp_path / size, "--size", size)
    with tn.use_backend("numpy"):
        run(images, *flags, "--max-steps", "1", main=train.main)
        arguments = ["--resume", tmp_path / "run", "--max-steps", "2"]
        message = run(tmp_path / "60", *arguments, code=3, main=train.main).err
        assert "are read at 67 x 67, the run began with 76 x 76" in message
        run(tmp_path / "76", *arguments, main=train.main)
    assert log(tmp_path / "run")[-1]["step"] == 2
