"""python -m alexnet.transfer DATA --pretrained FILE: three ways to use a trained network, compared.

    scratch      every layer starts at random
    fine-tuning  the layers of FILE start with its weights, the others at random; all are trained,
                 the layers of FILE at a smaller rate
    features     the layers of FILE keep its weights: what they make of an image is computed once
                 and kept, and only the layers above are trained, on these features

Each method runs in a process of its own, which measures its time and its largest memory. The epoch
with the best validation accuracy is kept, and tried once on the test images.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from rich import box
from rich.table import Table

from alexnet import train
from alexnet.cli import ending, flags
from alexnet.cli.console import plain_console
from alexnet.cli.machine import use_machine
from alexnet.data import open_dataset
from alexnet.data.loader import Loader
from alexnet.data.names import printable
from alexnet.data.prefetch import prefetch
from alexnet.errors import DataError, UsageError
from alexnet.evaluation.metrics import evaluate
from alexnet.feature_extraction import extract_and_train
from alexnet.pictures.methods import draw_methods
from alexnet.training.options import absolute, data_folder, recipe_for
from alexnet.training.pretrained import Pretrained
from alexnet.training.report import seconds_since_start
from alexnet.weights import checkpoint

METHODS = ("scratch", "fine-tuning", "features")
