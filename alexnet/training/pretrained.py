"""Start a training from the weights of another one: --pretrained FILE.

The n-th convolution, fully connected layer and batch norm of the file start the n-th of the network
where their shapes are equal. Other layers keep their random weights; a last layer for other classes
is one of them. Images are normalised as the file's network takes them.
"""

import contextlib
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

from alexnet import formats
from alexnet.data.names import printable
from alexnet.data.normalization import Normalization
from alexnet.errors import DataError, UsageError
from alexnet.network.plan import Layer, plan
from alexnet.network.specs import SPECS
from alexnet.network.variants import CHANGES
from alexnet.weights.file_network import FileNetwork, arranged
from alexnet.weights.fits import find_fit, what_fits
from alexnet.weights.imported import checked_record, recorded_normalization, usual_normalization


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
        """The flags of a command, with --spec and the changes of the spec as the file has them
        where the user set none of these, and its image size where the user set none. Raises
        UsageError if the file's arrays fit several specs."""
        flags = dict(vars(args))
        # Initial weights are for the layers that the file has nothing for.
        network = ("spec", *(name for name in CHANGES if name != "init"))
        if all(flags.get(name) is None for name in network):
            build = self.record.get("build") or {"spec": self._spec()}
            flags |= {name: build.get(name) for name in network}
            if flags.get("image_size") is None:
                flags["image_size"] = build.get("image_size")
        return Namespace(**flags)

    def _spec(self):
        with _naming(self.path):
            if self.network.spec:
                return self.network.spec
            with contextlib.suppress(DataError):
                return find_fit(self.network).spec.name
            counts = {row.name: len(self._arrays_for(row)) for row in SPECS.values()}
            best = [name for name, count in counts.items() if count == max(counts.values())]
            if len(best) > 1:
                raise UsageError(
                    f"its arrays fit {', '.join(best)} alike; say which to train: --spec {best[0]}"
                )
            return best[0]

    def _arrays_for(self, row):
        return what_fits(self.network, plan(row, row.num_classes, row.image_size))[0]

    def layers_from_file(self, layers: list[Layer]) -> list[str]:
        """The names of the layers of this plan whose arrays the file holds, in its order."""
        arrays, _, missing = what_fits(self.network, layers)
        incomplete = {name.rpartition(".")[0] for name in missing}
        return [name for name in _layer_names(arrays) if name not in incomplete]

    def start(self, model) -> list[str]:
        """Load what fits into the model, and say what did, and what was left, in lines of text.
        Raises DataError if nothing fits."""
        layers = plan(model.spec, model.num_classes, model.image_size)
        arrays, left, missing = what_fits(self.network, layers)
        name = printable(self.path)
        if not arrays:
            raise DataError(
                f"{name}: none of its arrays fits {model.spec.name}; in the file: "
                + "; ".join(left[:5])
            )
        dtype = next(iter(arrays.values())).dtype
        model.load_state_dict({n: a.astype(dtype) for n, a in arrays.items()}, strict=False)
        lines = [f"{name}, {self.network.format}: {', '.join(_layer_names(arrays))}"]
        if missing:
            lines.append(f"random: {', '.join(_layer_names(missing))}")
        if left:
            lines.append("left in the file: " + "; ".join(left))
        return lines

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
