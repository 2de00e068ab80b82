"""AlexNet, every published variant of it, on tinynet: SPECS and build."""

from alexnet.network.build import build
from alexnet.network.specs import SPECS

__all__ = ["SPECS", "build"]
