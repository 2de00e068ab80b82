"""The names that people give to the folders of a split: train, Valid, test_set, val2017.

One of the words below, in capitals or not, perhaps with "set", "data", "images", "split" or a
number behind.
"""

import re

_NAMES = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}


def split_of(name: str) -> str | None:
    """The split that a folder of this name holds, or None."""
    word = re.sub(r"[\W\d_]*(set|data|images|split)?[\W\d_]*$", "", name.casefold())
    return next((split for split, words in _NAMES.items() if word in words), None)


def split_in(name: str) -> str | None:
    """The split that a folder of this name speaks of, or None: img_train, trainA, unlabeled."""
    words = [word.casefold() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)]
    if "unlabeled" in words or "unlabelled" in words:
        return "unlabeled"
    return next((split for word in words if (split := split_of(word))), None)
