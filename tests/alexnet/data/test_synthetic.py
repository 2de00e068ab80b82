"""Synthetic images: the same in every process, and only their shapes tell the classes apart."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from alexnet.data import scenes, synthetic
from alexnet.data.scenes import CLASSES
from alexnet.data.synthetic import Synthetic
from alexnet.studies import simple_classifiers


@pytest.fixture(scope="module")
def probes():
    """The accuracies of simple classifiers after training on 4,000 images.

    The images have 24 pixels a side, which makes the test far cheaper and keeps the information
    that such classifiers use: at 67 pixels each accuracy is within a point or two. All 10,000
    images (python -m alexnet.data.synthetic --probe) help the nearest neighbour most: 32 %.
    """
    return simple_classifiers.probe(Synthetic("train", 4000), Synthetic("val", 1000), 24)


def test_no_simple_classifier_reaches_a_third_on_validation(probes):
    assert [result.name for result in probes] == [
        "logistic regression on pixels",
        "colour histogram",
        "nearest neighbour on pixels",
    ]
    for result in probes:
        assert result.val < 1 / 3, result


def test_the_pixel_probes_learn_something_so_their_failure_means_something(probes):
    assert probes[0].train > 0.2 and probes[0].val > 0.15 and probes[0].train >= probes[0].val
    assert probes[2].val > 0.2


def test_logistic_regression_finds_the_minimum_where_its_gradient_is_zero():
    random = np.random.default_rng(0)
    x = random.normal(size=(60, 4)).astype(np.float32)
    labels = random.integers(0, 3, 60)
    penalty = 0.1
    matrix = simple_classifiers.logistic_regression(x, labels, penalty)
    gradient = np.zeros((5, 3))
    for row, label in zip(x, labels, strict=True):
        p = np.exp(np.append(row, 1) @ matrix)
        p /= p.sum()
        p[label] -= 1
        gradient += np.outer(np.append(row, 1), p) / 60
    gradient[:4] += penalty * matrix[:4]
    assert np.abs(gradient).max() < 2e-3
    assert np.abs(matrix[:4]).max() > 0.1


def test_every_probe_solves_a_data_set_that_colour_solves():
    class Painted:
        labels = np.arange(60) % 3

        def __init__(self, seed):
            random = np.random.default_rng(seed)
            self.images = random.integers(0, 60, (60, 8, 8, 3)).astype(np.uint8)
            self.images[np.arange(60), :, :, self.labels] += 150

        def read(self, index, size):
            return self.images[index]

    for result in simple_classifiers.probe(Painted(0), Painted(1), 8):
        assert result.val > 0.95, result


def test_nearest_is_the_smallest_euclidean_distance():
    random = np.random.default_rng(0)
    train = random.normal(size=(40, 5)).astype(np.float32)
    val = random.normal(size=(7, 5)).astype(np.float32)
    expected = [min(range(40), key=lambda i: np.sum((train[i] - v) ** 2)) for v in val]
    assert simple_classifiers.nearest(train, val).tolist() == expected


def test_a_colour_histogram_counts_pixels_of_each_colour():
    images = np.zeros((1, 2, 2, 3), np.uint8)
    images[0, 0, 0] = (255, 40, 64)  # red 7, green 1, blue 2 of eight levels
    histogram = simple_classifiers.colour_histogram(images)
    assert histogram[0, 7 * 64 + 8 + 2] == 0.5  # the root of a quarter
    assert histogram[0, 0] == pytest.approx(0.75**0.5)
    assert np.count_nonzero(histogram) == 2


def test_splits_and_seeds_share_no_image():
    images = [
        Synthetic(split, 100, seed).read(index, 16).tobytes()
        for split in ("train", "val", "test")
        for seed in (0, 1)
        for index in range(100)
    ]
    assert len(set(images)) == len(images)


def test_threads_and_order_do_not_change_an_image():
    one = Synthetic("train", 60)
    in_order = [one.read(index, 33) for index in range(60)]
    other = Synthetic("train", 60)
    order = [index for index in reversed(range(60)) for _ in range(3)]
    with ThreadPoolExecutor(8) as pool:
        images = list(pool.map(lambda index: other.read(index, 33), order))
    for index, image in zip(order, images, strict=True):
        assert np.array_equal(image, in_order[index])


def test_an_image_does_not_depend_on_how_many_there_are():
    assert np.array_equal(Synthetic("val", 5).read(4, 20), Synthetic("val", 500).read(4, 20))


def test_two_processes_draw_the_same_bits():
    program = (
        "import hashlib; from alexnet.data.synthetic import Synthetic; d = Synthetic('val', 20, 7);"
        "print(hashlib.sha256(b''.join(d.read(i, 67).tobytes() for i in range(20))).hexdigest())"
    )
    runs = [subprocess.check_output([sys.executable, "-c", program]) for _ in range(2)]
    assert runs[0] == runs[1] and len(runs[0].strip()) == 64


@pytest.mark.parametrize("index", range(10))
def test_the_same_scene_at_twice_the_size_is_the_same_scene(index):
    dataset = Synthetic("train")
    small = dataset.read(index, 67).astype(float)
    large = dataset.read(index, 134).astype(float)
    averaged = large.reshape(67, 2, 67, 2, 3).mean(axis=(1, 3))
    another = dataset.read(index + 10, 67).astype(float)
    assert np.abs(averaged - small).mean() < 3
    assert np.abs(another - small).mean() > 10


def test_images_are_rgb_squares_of_any_size():
    for size in (1, 7, 32, 67, 227):
        image = Synthetic("train", 3).read(2, size)
        assert image.shape == (size, size, 3) and image.dtype == np.uint8
        assert image.flags.c_contiguous


def test_a_reader_may_write_into_its_image_and_the_next_reader_does_not_see_it():
    dataset = Synthetic("train", 3)
    first = dataset.read(0, 20)
    copy = first.copy()
    first[:] = 0
    assert np.array_equal(dataset.read(0, 20), copy)


def test_a_drawn_image_is_kept_until_memory_is_full(monkeypatch):
    draws = []

    def draw_scene(label, size, *, seed, draw):
        draws.append(draw)
        return np.zeros((size, size, 3), np.uint8)

    monkeypatch.setattr(synthetic, "draw_scene", draw_scene)
    monkeypatch.setattr(synthetic, "_MEMORY", 2 * 10 * 10 * 3)
    dataset = Synthetic("train", 3)
    for index in (0, 1, 2, 0, 1, 2):
        dataset.read(index, 10)
    assert draws == [0, 1, 2, 2]


def test_every_class_has_its_share_of_labels_and_a_figure_of_its_own():
    dataset = Synthetic("val")
    assert dataset.classes == CLASSES == sorted(CLASSES) and len(CLASSES) == 10
    assert dataset.labels.dtype == np.int64 and len(dataset) == 2000
    assert np.bincount(dataset.labels).tolist() == [200] * 10
    images = [scenes.draw_scene(label, 67, seed=0, draw=5) for label in range(10)]
    for a in range(10):
        for b in range(a):
            assert np.mean(images[a] != images[b]) > 0.01  # same scene, another outline


def test_ring_and_disc_of_one_scene_differ_in_the_rim_and_the_hole_only():
    ring, disc = (
        scenes.draw_scene(CLASSES.index(name), 96, seed=0, draw=3) for name in ("ring", "disc")
    )
    differs = (ring != disc).any(axis=2)
    rows, columns = np.nonzero(differs)
    height, width = np.ptp(rows), np.ptp(columns)
    assert max(height, width) < 0.85 * 96  # within the ring, whose radius is at most 0.4
    # Parts of the ring's circle: the disc lacks 1 - 0.9^2 = 0.19, the ring its hole, 0.55^2 = 0.30.
    assert differs.sum() / (np.pi / 4 * height * width) == pytest.approx(0.49, abs=0.08)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="split must be train, val or test, got 'training'"):
        Synthetic("training")
    with pytest.raises(ValueError, match="count must be from 1 to"):
        Synthetic("train", 0)
    with pytest.raises(ValueError, match="seed must be from 0"):
        Synthetic("train", 5, -1)
    with pytest.raises(IndexError, match="index must be from 0 to 4, got 5"):
        Synthetic("train", 5).read(5, 10)
    with pytest.raises(ValueError, match="size must be at least 1 pixel, got 0"):
        Synthetic("train", 5).read(0, 0)


def test_show_writes_a_labelled_sheet(tmp_path, capsys):
    path = tmp_path / "sheet.png"
    assert synthetic.main(["--show", str(path), "--image-size", "32"]) == 0
    with Image.open(path) as page:
        assert page.width == 320 and page.height > 6 * 32
        cell = page.crop((3 * 32, page.height - 32, 4 * 32, page.height))
        assert np.array_equal(np.asarray(cell), Synthetic("train").read(53, 32))
    assert "10 classes" in capsys.readouterr().out


def test_show_says_where_it_cannot_write(tmp_path, capsys):
    assert synthetic.main(["--show", str(tmp_path / "no" / "sheet.png")]) == 6
    assert "cannot write" in capsys.readouterr().err


def test_a_wrong_image_size_on_the_command_line_is_a_usage_error(tmp_path, capsys):
    with pytest.raises(SystemExit) as ending:
        synthetic.main(["--show", str(tmp_path / "sheet.png"), "--image-size", "0"])
    assert ending.value.code == 2
    assert "size must be at least 1" in capsys.readouterr().err


def test_report_names_each_classifier_and_the_verdict(monkeypatch, capsys):
    results = [
        simple_classifiers.Result("first", 0.9, 0.25, "x"),
        simple_classifiers.Result("second", 1.0, 0.41, "y"),
    ]
    monkeypatch.setattr(simple_classifiers, "probe", lambda *_: results)
    monkeypatch.setattr(simple_classifiers, "LIMIT", 0.40)
    assert synthetic.main(["--probe"]) == 1
    text = capsys.readouterr().out
    assert "first" in text and "41.0" in text and "NOT all below 40 %" in text
