"""AlexNet and its published variants, built from tinynet's layers: SPECS and build."""

from alexnet.network.build import build
from alexnet.network.specs import SPECS

__all__ = ["SPECS", "build"]
