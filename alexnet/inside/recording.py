"""A graph of a trained network without its parameters: for derivatives by an image or a layer."""

from contextlib import contextmanager

from alexnet.evaluation.metrics import in_test_mode


@contextmanager
def recording(model):
    """with recording(model): the model computes in test mode and records a graph, in which its
    parameters are constants: their .grad stays as it is."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad = False
    try:
        with in_test_mode(model, record=True):
            yield
    finally:
        for parameter in trained:
            parameter.requires_grad = True
