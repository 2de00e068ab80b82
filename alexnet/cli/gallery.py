"""The picture of alexnet.predict: its answers, as examples of pictures/predictions.py."""

import os
from collections.abc import Iterable, Iterator

import numpy as np

from alexnet.cli import ending
from alexnet.cli.answers import Answer
from alexnet.cli.output_file import drawn_whole
from alexnet.data.class_folder import folder_class
from alexnet.data.crops import centre_crop
from alexnet.data.loader import read_batch
from alexnet.evaluation.neighbours import Neighbourhood
from alexnet.pictures import predictions
from alexnet.weights.checkpoint import Checkpoint


class Gallery:
    """The first answers, kept for a picture.

    path   of the picture
    words  {class: its name in a words file}
    near   the Neighbourhood whose images are drawn; None: classes are drawn
    """

    def __init__(self, path: str, saved: Checkpoint, words: dict, near: Neighbourhood | None):
        self._path, self._saved, self._words, self._near = path, saved, words, near
        self._examples, self._count = [], 0

    def passing(self, answers: Iterable[Answer]) -> Iterator[Answer]:
        """Pass the answers on."""
        for answer in answers:
            self._count += 1
            if self._count <= predictions.MOST:
                self._examples.append(self._example(answer))
            yield answer

    def write(self) -> None:
        """Draw the picture, and say on stderr what is in it. Without answers there is none. Raises
        DiskError if it cannot be written, and UsageError if matplotlib fails."""
        if not self._examples:
            return
        format = os.path.splitext(self._path)[1][1:].lower()
        draw = predictions.write_neighbours if self._near else predictions.write_predictions
        with drawn_whole(self._path) as file:
            draw(self._examples, file, format)
        drawn, of = len(self._examples), self._count
        images = "1 image" if of == 1 else f"{of:,} images"
        which = images if drawn == of else f"the first {drawn} of {images}"
        ending.say(f"{self._path} shows {which}")

    def _example(self, answer):
        right = folder_class(answer.path)
        right = right if right in self._saved.classes else None
        name = os.path.basename(answer.path)
        label = None if right is None else self._shown(right)
        return predictions.Example(
            predictions.Seen(answer.pixels.transpose(1, 2, 0), label, name),
            [(self._shown(each), p, each == right) for each, p in answer.classes],
            [
                predictions.Seen(
                    self._pixels(near.index), self._shown(near.label), f"{near.distance:.4g}",
                    red=near.label == right,
                )
                for near in answer.neighbours or ()
            ],
        )  # fmt: skip

    def _pixels(self, index):
        """uint8 (S, S, 3): an image of the neighbours' dataset, as the network sees it."""
        saved = self._saved
        image = read_batch(self._near.data, np.array([index]), saved.stored_size)
        return centre_crop(image, saved.build["image_size"])[0].transpose(1, 2, 0)

    def _shown(self, label):
        """A class's first name in the words file, or its own."""
        return self._words.get(label, "").partition(",")[0].strip() or label
