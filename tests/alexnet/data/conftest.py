"""Packs that tests share."""

import os

import pytest

from alexnet.data import packed_images
from tests.alexnet.data.packs import KINDS, contents, make_pack, make_photos


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return make_photos(tmp_path_factory.mktemp("photos"))


@pytest.fixture
def small_tasks(monkeypatch):
    monkeypatch.setattr(packed_images, "_FILES", 2)
    monkeypatch.setattr(os, "fsync", lambda file: None)  # slow; a killed process needs none


@pytest.fixture(scope="module")
def unbroken(source, tmp_path_factory):
    """{place in KINDS: the bytes of the whole pack}."""
    folder = tmp_path_factory.mktemp("unbroken")
    return [
        contents(make_pack(source, folder / str(place), **options))
        for place, options in enumerate(KINDS)
    ]
