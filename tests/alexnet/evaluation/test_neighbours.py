"""The nearest images by their activations."""

import os
from types import SimpleNamespace

import numpy as np
import pytest

from alexnet.evaluation.neighbours import Neighbourhood, nearest


def brute_force(features, query, count):
    distances = [
        sum((float(a) - float(b)) ** 2 for a, b in zip(row, query, strict=True)) ** 0.5
        for row in features
    ]
    return sorted(enumerate(distances), key=lambda pair: pair[1])[:count]


def test_the_nearest_rows_are_those_of_a_search_number_by_number():
    generator = np.random.default_rng(0)
    features = generator.normal(size=(150, 40)).astype(np.float32)
    query = generator.normal(size=40).astype(np.float32)
    found, expected = nearest(features, query, 6), brute_force(features, query, 6)
    assert [row for row, _ in found] == [row for row, _ in expected]
    assert [d for _, d in found] == pytest.approx([d for _, d in expected], rel=1e-12)


def test_small_distances_between_long_vectors_keep_their_digits():
    """|a|^2 + |b|^2 - 2 a b in float32 gives 0, or rounding errors, for all of them."""
    query = np.full(4096, 1000, np.float32)
    features = np.tile(query, (4, 1))
    steps = np.array([3, 1, 2, 0], np.float32) * 2.0**-10
    features[:, 7] += steps
    found = nearest(features, query, 4)
    assert found == [(3, 0.0), (1, 2.0**-10), (2, 2.0**-9), (0, 3 * 2.0**-10)]


def test_ties_come_in_the_order_of_the_rows_and_left_out_rows_do_not_count():
    features = np.zeros((100, 3), np.float32)
    query = np.zeros(3, np.float32)
    assert [row for row, _ in nearest(features, query, 4, {1, 70})] == [0, 2, 3, 4]
    assert nearest(features[:2], query, 6, [0, 1]) == []
    assert [row for row, _ in nearest(features[:3], query, 6, [1])] == [0, 2]


def test_the_file_itself_is_left_out_under_each_of_its_names(tmp_path):
    paths = [str(tmp_path / name) for name in ("a.png", "b.png", "link.png", "hard.png", "gone")]
    (tmp_path / "a.png").write_bytes(b"a")
    (tmp_path / "b.png").write_bytes(b"a")  # a copy is another file
    (tmp_path / "link.png").symlink_to("a.png")
    os.link(paths[0], paths[3])
    data = SimpleNamespace(classes=["ant", "bee"], labels=np.array([0, 1, 0, 1, 1]), paths=paths)
    hood = Neighbourhood(data, np.arange(5, dtype=np.float32)[:, None])
    query = np.zeros(1, np.float32)
    for name in (paths[0], os.path.relpath(paths[2])):
        found = hood.of(name, query, 6)
        assert [tuple(each) for each in found] == [
            (1, paths[1], "bee", 1.0), (4, paths[4], "bee", 4.0)
        ]  # fmt: skip
    assert [each.index for each in hood.of(paths[4], query, 6)] == [0, 1, 2, 3]
    assert len(hood.of("another", query, 6)) == 5


def test_images_without_files_are_known_by_their_index():
    data = SimpleNamespace(classes=["ant", "bee"], labels=np.array([1, 0]))
    hood = Neighbourhood(data, np.array([[3.0], [1.0]], np.float32))
    assert hood.of("a.png", np.zeros(1), 1) == [(1, 1, "ant", 1.0)]
