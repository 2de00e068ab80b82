"""Making a pack: broken off anywhere and gone on with, it has the bytes of an unbroken one."""

import shutil
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alexnet.data import packed_images
from alexnet.data.unfinished import Unfinished
from alexnet.errors import UsageError
from tests.alexnet.data.packs import KINDS, begin, contents, killed_after, make_pack, make_photos

pytestmark = pytest.mark.usefixtures("small_tasks")


@settings(
    deadline=None, max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.integers(0, 3),
    st.lists(st.tuples(st.integers(1, 20), st.booleans()), min_size=1, max_size=3),
)
def test_a_pack_that_was_killed_ends_with_the_bytes_of_an_unbroken_one(
    source, unbroken, tmp_path, kind, kills
):
    out = tmp_path / "out"
    shutil.rmtree(out, ignore_errors=True)
    for steps, saved_every in kills:
        killed_after(steps, source, out, saved_every, **KINDS[kind])
    work = begin(source, out, **KINDS[kind])
    list(work.pack() if work.plan else ())
    assert contents(out) == unbroken[kind]


def test_kill_9_loses_no_saved_image(source, unbroken, tmp_path):
    out = tmp_path / "out"
    program = (
        "import sys, time; from alexnet.data import packed_images, packing\n"
        "read = packed_images.read_image\n"
        "def slow(*arguments): time.sleep(0.05); return read(*arguments)\n"
        "packed_images.read_image, packed_images._FILES = slow, 1\n"
        "packing.SECONDS_BETWEEN_SAVES = 0\n"
        "from alexnet.prepare import main\n"
        f"sys.exit(main([{source!r}, {str(out)!r}, '--size', '12', '--workers', '1']))"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while not (out / ".unfinished" / "progress.npz").exists() and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert 0 < Unfinished(out).read_progress(12).files["train"] < 14
    (out / ".lock").unlink()
    make_pack(source, out)
    assert contents(out) == unbroken[0]


def test_what_was_saved_is_not_read_again(source, tmp_path, monkeypatch):
    killed_after(8, source, tmp_path / "out", True)
    work, read, original = begin(source, tmp_path / "out"), [], packed_images.read_image
    monkeypatch.setattr(
        packed_images, "read_image", lambda path, size: read.append(path) or original(path, size)
    )
    before = work.done
    assert before >= 6 and [*work.pack()] == list(range(before + 1, 21))
    assert len(read) == 20 - before


def test_the_number_of_threads_does_not_change_a_byte(source, unbroken, tmp_path):
    work = begin(source, tmp_path / "out")
    work.workers = 7
    assert [*work.pack()] == list(range(1, 21))
    assert contents(tmp_path / "out") == unbroken[0]


def test_a_finished_pack_is_left_as_it_is(source, unbroken, tmp_path):
    out = make_pack(source, tmp_path / "out")
    work = begin(source, out)
    assert work.plan is None and contents(out) == unbroken[0]


def test_another_folder_or_other_options_are_refused_with_both_named(source, tmp_path):
    killed_after(6, source, tmp_path / "begun", True)
    make_pack(source, tmp_path / "whole", jpeg=70)
    other = make_photos(tmp_path / "other")
    for out in ("begun", "whole"):
        before = contents(tmp_path / out)
        with pytest.raises(UsageError, match="JPEG of quality 50, 12 x 12 of") as raised:
            begin(source, tmp_path / out, jpeg=50)
        kind = "raw pixels" if out == "begun" else "JPEG of quality 70"
        assert f"holds a pack of {kind}, 12 x 12 of {source}" in str(raised.value)
        with pytest.raises(UsageError, match=f"asks for raw pixels, 12 x 12 of {other}"):
            begin(other, tmp_path / out)
        assert contents(tmp_path / out) == before


def test_a_folder_with_other_things_is_never_written_into(source, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="is no pack, so nothing is written into it"):
        begin(source, tmp_path)
    assert contents(tmp_path) == {"mine.txt": b"mine"}
