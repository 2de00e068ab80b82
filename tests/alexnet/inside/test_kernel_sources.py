"""The marks beside the sources: lines that make the steps of a number, on every backend."""

import ast
import re
import shutil

import numpy as np
import pytest

import tinynet as tn
from alexnet.inside import kernel_sources as module
from alexnet.inside import trace
from alexnet.inside.arithmetic import arithmetic
from alexnet.inside.kernel_sources import FOLDER, KERNELS, MARKS, kernel_sources
from alexnet.inside.line_by_line import lines
from tinynet import nn


@pytest.fixture(scope="module")
def seen():
    """{kind: traced layer}, together every kind that has a kernel."""
    random = np.random.default_rng(0)
    with tn.use_backend("numpy"):
        model = nn.Sequential(
            [
                ("conv1", nn.Conv2d(3, 6, 3, padding=1)),
                ("batch1", nn.BatchNorm2d(6)),
                ("relu1", nn.ReLU()),
                ("norm1", nn.LocalResponseNorm()),
                ("pool1", nn.MaxPool2d(3, 2)),
                ("tanh1", nn.Tanh()),
                ("norm2", nn.SameMapNorm(3)),
                ("pool2", nn.AvgPool2d(2)),
                ("pool3", nn.AdaptiveAvgPool2d(2)),
                ("flatten", nn.Flatten()),
                ("fc2", nn.Linear(6 * 4, 5)),
            ]
        )
        for parameter in model.parameters():  # no bias is 0, no weight of a norm is 1
            parameter.data = random.uniform(0.5, 0.9, parameter.shape).astype(np.float32)
        x = random.standard_normal((1, 3, 15, 17)).astype(np.float32)
        return {layer.kind: layer for layer in trace(model, tn.Tensor(x))}


@pytest.mark.parametrize("kind", KERNELS)
def test_a_mark_names_steps_of_the_arithmetic(kind, seen):
    at = (2, 1, 1)[: seen[kind].y.ndim - 1]
    steps = set(arithmetic(seen[kind], at).steps)
    files = kernel_sources({kind})[kind]
    assert {name.partition("/")[0] for name in files} == {"numpy", "numba", "cupy"}
    for name, file in files.items():
        source = file["text"].splitlines()
        assert [source[number - 1].strip() for number, _ in file["marks"]] == [
            line for _, line in MARKS[name]
        ]
        made = {step for _, text in file["marks"] for step in text.split(", ")}
        assert made <= steps, name
        assert "y" in made, name


@pytest.mark.parametrize("kind", KERNELS)
def test_the_numpy_lines_ran_and_the_last_one_made_the_number(kind, seen):
    layer = seen[kind]
    at = tuple(int(i) for i in np.unravel_index(np.argmax(layer.y[0]), layer.y.shape[1:]))
    ran = lines(layer, at)
    stem = KERNELS[kind]
    marks = kernel_sources({kind})[kind][f"numpy/{stem}.py"]["marks"]
    assert {number for number, _ in marks} <= {line.number for line in ran}
    (number,) = [number for number, steps in marks if "y" in steps.split(", ")]
    changes = [line.changed["y"] for line in ran if line.number == number and "y" in line.changed]
    assert changes[-1].endswith(f"at {[0, *at]} {layer.y[0][at]:.9g}")


@pytest.mark.parametrize("kind", KERNELS)
def test_the_numba_lines_are_in_functions_that_the_forward_pass_reaches(kind):
    stem = KERNELS[kind]
    file = kernel_sources({kind})[kind][f"numba/{stem}.py"]
    functions = {f.name: f for f in ast.parse(file["text"]).body if isinstance(f, ast.FunctionDef)}
    reached, new = set(), {stem}
    while new:
        reached |= new
        names = {n.id for each in new for n in ast.walk(functions[each]) if isinstance(n, ast.Name)}
        new = (names & functions.keys()) - reached
    for number, _ in file["marks"]:
        (inside,) = [n for n, f in functions.items() if f.lineno <= number <= f.end_lineno]
        assert inside in reached


@pytest.mark.parametrize("kind", KERNELS)
def test_the_cuda_lines_are_in_no_function_of_the_backward_pass(kind):
    file = kernel_sources({kind})[kind][f"cupy/{KERNELS[kind]}.cu"]
    for number, _ in file["marks"]:
        above = "\n".join(file["text"].splitlines()[:number])
        (*_, inside) = re.findall(r"__device__ [\w ]+?(\w+)\(", above)
        assert not re.search("backward|ratio|partial|gather|col2im|rows", inside)


@pytest.mark.parametrize("edit", [lambda line: line + "\n    " + line, lambda line: ""])
def test_a_file_whose_marked_line_is_gone_or_there_twice_has_no_marks(edit, tmp_path, monkeypatch):
    shutil.copytree(FOLDER, tmp_path / "backends")
    path = tmp_path / "backends" / "numba" / "relu.py"
    (_, line), *_ = MARKS["numba/relu.py"]
    path.write_text(path.read_text().replace(line, edit(line)))
    monkeypatch.setattr(module, "FOLDER", tmp_path / "backends")
    files = kernel_sources({"ReLU"})["ReLU"]
    assert files["numba/relu.py"] == {"text": path.read_text(), "marks": []}
    assert len(files["numpy/relu.py"]["marks"]) == 1


def test_a_kind_without_a_kernel_has_no_sources():
    assert kernel_sources({"Flatten", "Dropout"}) == {}
