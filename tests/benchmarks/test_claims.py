"""benchmarks.claims: docs/claims.md holds what the results of today's claims say."""

import json

import pytest

from alexnet.studies.claims import CLAIMS
from alexnet.studies.outcome import Trial, as_json
from benchmarks import claims


@pytest.fixture
def results(tmp_path, monkeypatch):
    """An empty folder of results, and a page that is not written yet."""
    monkeypatch.setattr(claims, "FOLDER", tmp_path)
    monkeypatch.setattr(claims, "PAGE", tmp_path / "claims.md")
    return tmp_path


def save(folder, name, *arms):
    """A result: for each arm of the claim the values of its seeds."""
    claim = CLAIMS[name]
    trials = [
        Trial(arm.name, seed, value, True, [value], [value], [2.0], 1, 90.0)
        for arm, values in zip(claim.arms, arms, strict=False)
        for seed, value in enumerate(values)
    ]
    result = {"data": "cifar10", "images": 45_000}
    (folder / f"{name}.json").write_text(json.dumps(result | as_json(claim, trials)))


def test_the_page_in_the_repository_is_what_its_results_say():
    assert claims.main(["--check"]) == 0


def test_a_claim_has_its_numbers_its_sentence_and_its_time(results):
    save(results, "overlapping-pooling", [20, 20.2, 19.9], [22, 22.3, 21.8])
    (results / "overlapping-pooling.png").write_bytes(b"")
    assert claims.main([]) == 0
    text = (results / "claims.md").read_text()
    assert "| 2 over 2 | 3 | 22.03 ± 0.25 % | +2.00 points | +0.4 points | 4:30 |" in text
    assert "- The claimed direction was seen: validation error: 2 over 2" in text
    assert "cifar10, 45,000 training images" in text
    assert "results/claims/overlapping-pooling.png" in text
    assert "relu-vs-tanh" in text.partition("Not tried yet")[2]
    assert claims.main(["--check"]) == 0


def test_another_page_than_the_results_is_seen(results, capsys):
    save(results, "lrn", [20])
    assert claims.main(["--check"]) == 1  # no page
    assert claims.main([]) == 0
    save(results, "lrn", [21])
    assert claims.main(["--check"]) == 1
    assert "python -m benchmarks.claims" in capsys.readouterr().err


def test_a_result_of_other_trainings_is_an_error(results, capsys):
    save(results, "lrn", [20, 21], [19, 20])
    path = results / "lrn.json"
    result = json.loads(path.read_text())
    result["shared"] += " --epochs 99"
    path.write_text(json.dumps(result))
    assert claims.main([]) == 3
    assert "lrn.json has other trainings than the claim has today" in capsys.readouterr().err
    path.write_text("{}")
    assert claims.main([]) == 3
    assert "is no result of alexnet.study" in capsys.readouterr().err
