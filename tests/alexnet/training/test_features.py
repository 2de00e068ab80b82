"""Where the head begins, and the features of a dataset in the loader's batches."""

from types import SimpleNamespace

import numpy as np
import pytest

import tinynet as tn
from alexnet import SPECS
from alexnet.errors import UsageError
from alexnet.evaluation import activations
from alexnet.network.plan import plan
from alexnet.training.features import batches_for, head_start
from tests.alexnet.small_training import make_run

pytestmark = pytest.mark.usefixtures("numpy_backend")

KEEP = ["--augment", "none", "--keep-features", "--freeze"]


def run_with_normalization(images, tmp_path, *flags):
    run = make_run(images, tmp_path, *flags)
    run.choose_inputs()
    return run


def head(spec, freeze, augment="none"):
    """The name of the head's first layer."""
    layers = plan(SPECS[spec], 5, SPECS[spec].image_size)
    options = SimpleNamespace(freeze=freeze, augment=augment, lr_scale=None)
    return layers[head_start(options, layers)].name


@pytest.mark.parametrize(
    ("spec", "freeze", "first"),
    [
        ("paper", "conv1", "conv2"),
        ("paper", "conv1-conv5", "fc6"),
        ("paper", "conv1-fc6", "dropout6"),  # what it leaves differs from epoch to epoch
        ("paper", "conv1-fc7", "dropout7"),
        ("torchvision", "conv1-conv5", "dropout6"),
        ("torchvision", "conv1-fc7", "fc8"),
        ("batch-norm", "conv1-norm2", "conv3"),
        ("batch-norm", "conv1", "norm1"),
        ("paper", "conv1-conv3,fc7", "conv4"),  # fc7 is frozen inside the head
    ],
)
def test_the_head_begins_at_the_first_trained_layer_or_the_dropout_before_it(spec, freeze, first):
    assert head(spec, freeze) == first


@pytest.mark.parametrize(
    ("freeze", "augment", "message"),
    [
        ("conv1-conv5", "crop", "--augment crop cuts images out anew .*; --augment none fits"),
        (None, "none", "conv1, the first layer, is trained, .*; --freeze conv1-... fits"),
        ("conv2-conv5", "none", "conv1, the first layer, is trained"),
        ("conv1-fc8", "none", "every layer is frozen"),
    ],
)
def test_what_has_no_features_to_keep_is_an_error_in_words(freeze, augment, message):
    with pytest.raises(ValueError, match=message):
        head("paper", freeze, augment)


def test_features_are_the_frozen_layers_outputs_in_the_loaders_order(images, tmp_path, capsys):
    run = run_with_normalization(images, tmp_path, *KEEP, "conv1-conv5")
    training, validation = batches_for(run, iter)
    for loader, kept, number in ((run.batches, training, 1), (run.validation, validation, 0)):
        count = 0
        pairs = zip(loader.epoch(number), kept.epoch(number), strict=True)
        for (pixels, labels), (features, kept_labels) in pairs:
            x = tn.Tensor(run.normalization(pixels))
            with tn.no_grad():
                for _, layer in list(run.model)[: len(run.model) - len(run.head)]:
                    x = layer(x)
            assert features.numpy() == pytest.approx(x.numpy(), rel=1e-5, abs=1e-6)
            assert kept_labels.host.tolist() == labels.tolist()
            count += len(labels)
        assert (
            count
            == {"training": 32, "validation": 12}[
                "training" if loader is run.batches else "validation"
            ]
        )


def test_the_bytes_that_are_said_are_those_of_the_kept_arrays(images, tmp_path, capsys):
    run = run_with_normalization(images, tmp_path, *KEEP, "conv1-fc6")
    batches_for(run, iter)
    width = run.model.fc6.weight.shape[0]
    text = capsys.readouterr().out
    assert "computing the features of 36 images at relu6 ..." in text
    assert f"they are ({width},) for each image, {36 * width * 4:,} bytes in all" in text
    assert f"they are ({width},) for each image, {12 * width * 4:,} bytes in all" in text


def test_an_epoch_goes_on_in_its_middle(images, tmp_path):
    run = run_with_normalization(images, tmp_path, *KEEP, "conv1")
    training, _ = batches_for(run, iter)
    whole = [labels.host.tolist() for _, labels in training.epoch(1)]
    rest = [labels.host.tolist() for _, labels in training.epoch(1, start_batch=3)]
    assert len(whole) == 4 and rest == whole[3:]


def test_a_frozen_batch_norm_gives_features_by_its_running_statistics(images, tmp_path):
    run = run_with_normalization(images, tmp_path, "--norm", "batch", *KEEP, "conv1-norm1")
    training, _ = batches_for(run, iter)
    features = np.concatenate([x.numpy() for x, _ in training.epoch(0)])
    before = run.model.norm1.running_mean
    assert (np.asarray(before) == 0).all()  # computing features moved nothing
    x = tn.Tensor(run.normalization(next(iter(run.batches.epoch(0)))[0]))
    y = run.model.relu1(run.model.conv1(x)).numpy() / np.sqrt(np.float32(1 + 1e-3))
    pooled = run.model.pool1(tn.Tensor(y)).numpy()
    assert features[: len(y)] == pytest.approx(pooled, rel=1e-4, abs=1e-5)


def test_features_of_both_datasets_must_fit_half_of_the_memory(images, tmp_path, monkeypatch):
    """(36 + 12) images of 123 float32."""
    needed = 48 * 4 * run_with_normalization(images, tmp_path).model.fc6.weight.shape[0]
    monkeypatch.setattr(activations, "_memory", lambda: 2 * needed)
    run_with_normalization(images, tmp_path / "fits", *KEEP, "conv1-fc6")
    monkeypatch.setattr(activations, "_memory", lambda: 2 * needed - 2)
    with pytest.raises(UsageError, match=f"^--keep-features: .*of 48 images take {needed:,} bytes"):
        run_with_normalization(images, tmp_path / "does not", *KEEP, "conv1-fc6")


def test_without_kept_features_the_batches_are_images(images, tmp_path):
    run = run_with_normalization(images, tmp_path)
    training, _ = batches_for(run, iter)
    x, _ = next(iter(training.epoch(0)))
    assert x.shape == (8, 3, 67, 67) and run.head is run.model
