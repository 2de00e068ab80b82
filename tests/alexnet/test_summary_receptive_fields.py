"""How many pixels an output sees (alexnet.summary --receptive-fields)."""

import json

import pytest

from alexnet.summary import main


def test_receptive_fields_are_a_table_of_their_own(capsys):
    assert main(["--receptive-fields"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert "conv5 256 x 13 x 13 163 x 163 16 -64".split() in rows
    assert "fc8 1000 355 x 355 0 -64".split() in rows  # 227 pixels and the padding around them


def test_receptive_fields_as_json(capsys):
    assert main(["--receptive-fields", "--spec", "cifar10", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["fields"]["conv2"] == {"size": 15, "step": 2, "start": -6}


def test_receptive_fields_are_about_one_network(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--diff", "paper", "caffe", "--receptive-fields"])
    assert ended.value.code == 2 and "leave out --diff" in capsys.readouterr().err
