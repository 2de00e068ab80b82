"""AlexNet, every published variant of it, on tinynet: SPECS and build."""

from alexnet.model import build
from alexnet.specs import SPECS

__all__ = ["SPECS", "build"]
