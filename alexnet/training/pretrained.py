"""Start a training from the weights of another one: --pretrained FILE.

The layers of the file start those of the network that have their names, or under other names the
n-th of their kind, where all their shapes are equal. Other layers keep their random weights; a last
layer for other classes is one of them. Images are normalised as the file's network takes them.
"""

import contextlib
from argparse import Namespace
from dataclasses import dataclass, replace
from pathlib import Path

from alexnet import formats
from alexnet.data.names import printable
from alexnet.data.normalization import Normalization
from alexnet.errors import DataError, UsageError
from alexnet.network.layer_names import as_ranges
from alexnet.network.plan import Layer, plan
from alexnet.network.specs import SPECS, find_spec
from alexnet.network.variants import CHANGES, changed
from alexnet.weights.file_network import FileNetwork, arranged
from alexnet.weights.fits import compare, find_fit, what_fits
from alexnet.weights.imported import checked_record, recorded_normalization, usual_normalization

_SHOWN = 5  # arrays of the file, in an error


@dataclass(frozen=True)
class Pretrained:
    """The network in a file that a training starts from.

    path     of the file
    network  arranged() for RGB and (channels, rows, columns)
    record   its record, checked; {} if this program did not write the file
    """

    path: str
    network: FileNetwork
    record: dict

    @classmethod
    def read(cls, path: str | Path) -> "Pretrained":
        """The network of this file. Raises DataError that names the file, and UsageError where the
        package for its format is missing."""
        network = formats.read(path)
        with _naming(path):
            return cls(str(path), arranged(network), checked_record(network.record))

    def with_flags(self, args: Namespace) -> Namespace:
        """The flags of a command, with the file's network where the user set none: --spec, and for
        this spec the changes and --image-size. Raises UsageError if the file's arrays fit several
        specs, and DataError if they fit none."""
        flags = dict(vars(args))
        # Initial weights are for the layers that the file has nothing for.
        names = [name for name in CHANGES if name != "init"]
        changes = {name: flags[name] for name in names if flags.get(name) is not None}
        build = self.record.get("build")
        spec = flags.get("spec") or (build["spec"] if build else self._spec(changes))
        own = build or {"image_size": self._image_size(spec, changes)}
        if spec == own.get("spec", spec):
            flags |= {n: own.get(n) for n in (*names, "image_size") if flags.get(n) is None}
        return Namespace(**flags | {"spec": spec})

    def _spec(self, changes):
        """The name of the spec that the file holds, with these changes made to it."""
        if self.network.spec:
            return self.network.spec
        rows = _changed_rows(changes)
        with _naming(self.path):
            try:
                return find_fit(self.network, rows).spec.name
            except DataError:  # perhaps a part of one
                counts = {row.name: self._fitting(row) for row in rows}
            best = [name for name, count in counts.items() if count == max(counts.values())]
            if not counts[best[0]]:
                raise DataError(f"none of its arrays fits any spec{self._held()}")
            if len(best) > 1:
                raise UsageError(
                    f"its arrays fit {', '.join(best)} alike; say which to train: --spec {best[0]}"
                )
            return best[0]

    def _fitting(self, row):
        return len(what_fits(self.network, plan(row, row.num_classes, row.image_size))[0])

    def _image_size(self, spec, changes):
        """The image size of the file's network, which may tell it by its first fully connected
        layer; else None."""
        tells = any(layer.kind == "Linear" for layer in self.network.layers)
        row = next((row for row in _changed_rows(changes) if row.name == spec), None)
        if not tells or row is None:  # changes that do not fit the spec are found later
            return self.network.image_size
        return compare(self.network, row).image_size

    def _held(self):
        """The first arrays of the file, in words."""
        arrays = [
            f"{layer.name}.{key} {array.shape}"
            for layer in self.network.weighted()
            for key, array in layer.arrays.items()
        ]
        more = ", ..." if len(arrays) > _SHOWN else ""
        return f"; in the file: {', '.join(arrays[:_SHOWN])}{more}" if arrays else ""

    def layers_from_file(self, layers: list[Layer]) -> list[str]:
        """The names of the layers of this plan whose arrays the file holds, in its order."""
        with _naming(self.path):
            return _layer_names(what_fits(self.network, layers)[0])

    def start(self, model, classes: list[str]) -> list[str]:
        """Load what fits into the model, and say what did, and what was left, in lines of text.

        classes  of the training: a last layer for other classes is left in the file, where its
                 record names them
        Raises DataError if nothing fits.
        """
        network, left_for_classes = self._for_classes(classes)
        layers = plan(model.spec, model.num_classes, model.image_size)
        name = printable(self.path)
        with _naming(self.path):
            arrays, left, missing = what_fits(network, layers)
            if not arrays:
                raise DataError(f"none of its arrays fits {model.spec.name}{self._held()}")
        model.load_state_dict(arrays, strict=False)
        lines = [f"{name}, {network.format}: {', '.join(as_ranges(_layer_names(arrays), layers))}"]
        if missing:
            lines.append(f"random: {', '.join(as_ranges(_layer_names(missing), layers))}")
        left += left_for_classes
        if left:
            lines.append("left in the file: " + "; ".join(left))
        return lines

    def _for_classes(self, classes):
        """(the network without its last layer if that is for other classes than these, lines that
        say so)."""
        theirs, linear = self.record.get("classes"), self._last_linear()
        if theirs in (None, classes) or linear is None:
            return self.network, []
        weight = linear.arrays["weight"]
        if len(weight) != len(classes):  # its shape says so
            return self.network, []
        layers = [layer for layer in self.network.layers if layer is not linear]
        some = ", ".join(map(printable, theirs[:3])) + (", ..." if len(theirs) > 3 else "")
        return replace(self.network, layers=layers), [f"{linear.name}: it names classes {some}"]

    def _last_linear(self):
        linear = [layer for layer in self.network.layers if layer.kind == "Linear"]
        return linear[-1] if linear else None

    def normalization(self, row, image_size: int) -> Normalization | None:
        """How the file's network takes its images: as its record says, else as the published
        network of the row takes them; None if that is not published."""
        if self.record:
            with _naming(self.path):
                return recorded_normalization(self.record, image_size)
        try:
            return usual_normalization(row)
        except UsageError:
            return None


def _changed_rows(changes):
    """The rows of SPECS that these changes fit, changed."""
    rows = []
    for name in SPECS:
        with contextlib.suppress(ValueError):
            row = changed(find_spec(name), **changes)
            plan(row, row.num_classes, row.image_size)
            rows.append(row)
    return rows


def _layer_names(names):
    """The layers that these arrays belong to, each once."""
    return list(dict.fromkeys(name.rpartition(".")[0] for name in names))


@contextlib.contextmanager
def _naming(path):
    """Inside the block an error about the file gets its path."""
    try:
        yield
    except (DataError, UsageError) as error:
        raise type(error)(f"{printable(path)}: {error}") from error
