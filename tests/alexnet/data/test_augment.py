"""The draws of an epoch: a crop and a mirror for each sample."""

import numpy as np

from alexnet.data.augment import draws_of, no_draws, random_draws
from tinynet.random import AUGMENTATION, COLOURS, bits, normal


def test_random_draws_come_from_the_words_of_the_sample_and_epoch():
    draws = random_draws(50, 29, seed=3, epoch=7)
    for sample in (0, 1, 49):
        words = bits(4, seed=3, stream=AUGMENTATION, draw=7, first=4 * sample)
        assert draws.offsets[sample].tolist() == [int(word) * 30 >> 32 for word in words[:2]]
        assert draws.mirrored[sample] == (int(words[2]) >= 2**31)


def test_random_draws_reach_every_place_evenly_and_mirror_half():
    draws = random_draws(20_000, 4, seed=0, epoch=0)
    counts = np.zeros((5, 5))
    np.add.at(counts, tuple(draws.offsets.T), 1)
    assert counts.min() > 650 and counts.max() < 950  # 800 each, deviation 28
    assert abs(draws.mirrored.mean() - 0.5) < 0.02
    assert abs(np.corrcoef(draws.mirrored, draws.offsets[:, 0])[0, 1]) < 0.03


def test_a_sample_gets_another_crop_in_another_epoch_and_under_another_seed():
    base = random_draws(100, 29, seed=0, epoch=0).offsets
    for other in (dict(seed=0, epoch=1), dict(seed=1, epoch=0)):
        assert (base != random_draws(100, 29, **other).offsets).any(axis=1).mean() > 0.9
    fewer = random_draws(10, 29, seed=0, epoch=0).offsets
    np.testing.assert_array_equal(fewer, base[:10])


def test_without_augmentation_the_crop_is_the_middle_and_not_mirrored():
    draws = no_draws(4, 5)
    assert draws.offsets.tolist() == [[2, 2]] * 4 and not draws.mirrored.any()


def test_the_draws_of_some_samples_belong_to_these_samples():
    draws = random_draws(20, 29, seed=0, epoch=3)
    some = draws[np.array([7, 0, 7])]
    assert len(draws) == 20 and len(some) == 3
    assert some.offsets.tolist() == draws.offsets[[7, 0, 7]].tolist()
    assert some.mirrored.tolist() == draws.mirrored[[7, 0, 7]].tolist()


def test_each_augmentation_adds_to_the_one_before():
    of = {"count": 30, "spare": 8, "seed": 2, "epoch": 5}
    none, crop, colour = (draws_of(name, **of) for name in ("none", "crop", "alexnet"))
    assert none.offsets.tolist() == [[4, 4]] * 30 and not none.mirrored.any()
    assert none.normals is None and crop.normals is None
    np.testing.assert_array_equal(crop.offsets, random_draws(**of).offsets)
    np.testing.assert_array_equal(colour.offsets, crop.offsets)
    np.testing.assert_array_equal(colour.mirrored, crop.mirrored)
    assert colour.normals.shape == (30, 3) and colour.normals.dtype == np.float32


def test_the_normals_of_a_sample_come_from_its_words_alone():
    draws = draws_of("alexnet", 50, 29, seed=3, epoch=7)
    for sample in (0, 1, 49):
        words = normal((4,), seed=3, stream=COLOURS, draw=7, first=4 * sample)
        assert draws.normals[sample].tolist() == words[:3].tolist()
    some = draws[np.array([7, 0, 7])]
    assert some.normals.tolist() == draws.normals[[7, 0, 7]].tolist()
    fewer = draws_of("alexnet", 10, 29, seed=3, epoch=7)
    np.testing.assert_array_equal(fewer.normals, draws.normals[:10])
    other = draws_of("alexnet", 50, 29, seed=3, epoch=8)
    assert (other.normals != draws.normals).all()
    many = draws_of("alexnet", 20_000, 0, seed=0, epoch=0).normals
    assert abs(many.mean(axis=0)).max() < 0.03 and abs(many.std(axis=0) - 1).max() < 0.02
