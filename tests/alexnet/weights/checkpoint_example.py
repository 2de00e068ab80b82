"""A small network, and a checkpoint of it."""

import numpy as np

import alexnet
import tinynet as tn
from alexnet.data.normalization import Normalization
from alexnet.weights import checkpoint

BUILD = {"spec": "batch-norm", "num_classes": 3, "image_size": 67, "width": 0.03}


def example(velocities=True):
    tn.seed(3)
    model = alexnet.build(**BUILD)
    optimizer = tn.optim.SGD(model.parameters(), 0.1)
    generator = np.random.default_rng(0)
    return model, checkpoint.Checkpoint(
        build=model.build_arguments,
        classes=["ä", "b", "c"],
        stored_size=76,
        normalization=Normalization(
            generator.uniform(0, 255, (3, 67, 67)), np.full((3, 1, 1), 2.0)
        ),
        model=model.state_dict(),
        velocities=optimizer.state_dict() if velocities else None,
        options={"data": "synthetic", "lr": 0.1},
        training={"epoch": 1, "best": {"top1": 1 / 3, "epoch": 1}},
    )
