"""Small networks of the published specs, which the tests of alexnet.network share."""

from alexnet import SPECS, build
from alexnet.network.plan import plan, smallest_image_size
from alexnet.network.variants import changed

NAMES = list(SPECS)


def plan_of(name, num_classes=1000, image_size=None, **changes):
    spec = changed(SPECS[name], **changes)
    return plan(spec, num_classes, image_size or spec.image_size)


def small(name, **arguments):
    """The network with an eighth of its widths and its smallest image."""
    arguments = {"num_classes": 10, "width": 0.125, **arguments}
    return build(name, image_size=smallest_image_size(SPECS[name]), **arguments)


def weights_of(model):
    return {name: parameter.numpy() for name, parameter in model.named_parameters()}
