"""What differs between two specs (alexnet.summary --diff)."""

import json

import pytest

from alexnet.summary import main


def test_diff_prints_what_differs_side_by_side(capsys):
    assert main(["--diff", "paper", "code-2012"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    lines = [line.split() for line in text.splitlines()]
    for words in (
        "input size 227, colour_divisor 1.0 size 224, colour_divisor 1.1",
        "conv1 ceil_mode False ceil_mode True",
        "norm1 divide_by_size False, groups 1 divide_by_size True, groups 2",
        "weights of conv3 deviation 0.01 deviation 0.03", "Both have 60,965,224 parameters.",
    ):  # fmt: skip
        assert words.split() in lines
    assert "samemap2         -                               SameMapNorm, size 5" in text
    assert "fc6" not in text


def test_diff_names_both_numbers_of_parameters_where_they_differ(capsys):
    assert main(["--diff", "paper", "single-tower"]) == 0
    text = capsys.readouterr().out
    assert "60,965,224 parameters" in text and "62,378,344 parameters" in text
    assert "Both have" not in text


def test_diff_in_json_has_values_of_the_plan(capsys):
    assert main(["--diff", "paper", "code-2012", "--norm", "lrn", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["specs"], record["changes"]) == (["paper", "code-2012"], {"norm": "lrn"})
    rows = {row["subject"]: row for row in record["differences"]}
    assert rows["conv1"] == {
        "subject": "conv1", "first": {"ceil_mode": False}, "second": {"ceil_mode": True},
    }  # fmt: skip
    assert "samemap2" not in rows


def test_diff_says_when_nothing_differs(capsys):
    assert main("--diff caffe caffe --norm none --image-size 99".split()) == 0
    text = capsys.readouterr().out
    assert text.endswith("changed in both: norm none\nNothing differs between caffe and caffe.\n")
    assert main("--diff caffe caffe --json".split()) == 0
    assert json.loads(capsys.readouterr().out)["differences"] == []


@pytest.mark.parametrize(
    "arguments, words",
    [
        ("--diff paper alex", "invalid choice: 'alex' (choose from 'paper', 'code-2012'"),
        ("--diff paper", "expected 2 arguments"),
        ("--diff paper caffe --spec paper", "--diff names both specs; leave out --spec paper"),
        ("--diff paper cifar10 --groups 2", "spec cifar10 has 3 convolutions"),
        ("--diff paper caffe --image-size 50", "smallest that works with spec paper is 67"),
    ],
)
def test_a_diff_that_does_not_fit_ends_with_2_and_says_why(arguments, words, capsys):
    with pytest.raises(SystemExit) as exit:
        main(arguments.split())
    assert exit.value.code == 2
    assert words in capsys.readouterr().err
