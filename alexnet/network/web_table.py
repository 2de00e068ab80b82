"""The table of parameters and "forward computation" from a widely copied web text about the
one-tower AlexNet (docs/facts.md calls that text the theory page), beside the correct figures.

Its cells are kept as published, so that a reader of that text recognises them. Each cell that
contradicts the rest of the table is marked, with the reason.

Source: docs/facts.md, sections 1 and 2; alexnet/summary.py computes the correct figures.
"""

from dataclasses import dataclass

from rich import box
from rich.table import Table

# For `single-tower`, 227 x 227, 1000 classes: parameters and "forward computation".
WEB_TABLE = {
    "conv1": (34_944, 105_705_600),
    "conv2": (614_656, 448_084_224),
    "conv3": (885_120, 149_585_280),
    "conv4": (1_327_488, 224_345_472),
    "conv5": (884_992, 149_563_648),
    "fc6": (37_748_736, 37_748_736),
    "fc7": (16_777_216, 16_777_216),
    "fc8": (4_096_000, 4_096_000),
    "total": (62_369_152, 1_135_906_176),
}
QUANTITIES = ("parameters", "forward computation")
NO_BIASES = "leaves out the layer's biases, which the page counts for convolutions"
BIASES_ADDED = "counts a multiply-add for each output's bias; for fc layers the page counts none"
NO_BIASES_IN_TOTAL = "leaves out the 9,192 biases of fc6, fc7 and fc8"
BIASES_IN_TOTAL = "counts the 650,080 additions of the convolutions' biases as multiply-adds"
REMARKS = (
    "It writes 'FC8 + ReLU'; no ReLU follows fc8, whose outputs go to the softmax.",
    "Its accuracies, 57.1 % (top-1) and 80.2 % (top-5), belong to Caffe's bvlc_alexnet; the "
    "paper's single network has 59.3 % and 81.8 % on the validation images of 2012.",
)


@dataclass(frozen=True)
class Cell:
    """A cell of the web table: the published figure, the correct one (right), and a note why they
    differ."""

    layer: str
    quantity: str
    published: int
    right: int
    note: str


def web_table(rows: list) -> list[Cell]:
    """The web table cell by cell, beside the correct figures.

    rows  of `single-tower`, by layer_numbers.summarize
    """
    correct = {row.layer: (row.parameters, row.multiply_adds) for row in rows}
    correct["total"] = tuple(map(sum, zip(*correct.values(), strict=True)))
    cells = []
    for layer, published in WEB_TABLE.items():
        for quantity, page, here in zip(QUANTITIES, published, correct[layer], strict=True):
            note = "" if page == here else _note(layer, quantity)
            cells.append(Cell(layer, quantity, page, here, note))
    return cells


def shares() -> list[str]:
    """The text's closing statement, computed from its own cells."""
    lines = []
    for word, text in (("conv", "Its convolutions"), ("fc", "Its fully connected layers")):
        parameters, computations = (
            sum(cells[i] for layer, cells in WEB_TABLE.items() if layer.startswith(word))
            for i in (0, 1)
        )
        whole = WEB_TABLE["total"]
        lines.append(
            f"{text} hold {parameters / 1e6:.1f} million parameters ({parameters / whole[0]:.0%}) "
            f"and take {computations / 1e9:.2f} billion computations "
            f"({computations / whole[1]:.0%})."
        )
    return lines


def _note(layer, quantity):
    if layer == "total":
        return NO_BIASES_IN_TOTAL if quantity == "parameters" else BIASES_IN_TOTAL
    return NO_BIASES if quantity == "parameters" else BIASES_ADDED


# --- printing -------------------------------------------------------------------------------------


def as_table(cells: list[Cell]) -> Table:
    """The web table with a star at each wrong cell and the correct value beside it."""
    table = Table(box=box.SIMPLE, padding=(0, 1))
    table.add_column("layer", no_wrap=True)
    for quantity in QUANTITIES:
        table.add_column(quantity, no_wrap=True, justify="right")
        table.add_column("correct value", no_wrap=True, justify="right")
    for layer in WEB_TABLE:
        texts = [layer]
        for cell in cells:
            if cell.layer == layer:
                wrong = cell.published != cell.right
                texts.append(f"{cell.published:,}" + (" *" if wrong else "  "))
                texts.append(f"{cell.right:,}" if wrong else "")
        table.add_row(*texts)
    return table


def notes(cells: list[Cell]) -> list[str]:
    """The reasons why cells are wrong, each once, and the text's other claims."""
    reasons = dict.fromkeys(f"* {_place(cell)}: {cell.note}." for cell in cells if cell.note)
    return [*reasons, *shares(), *REMARKS]


def _place(cell):
    return (
        "total" if cell.layer == "total" else f"{cell.layer[:-1]} layers"
    ) + f", {cell.quantity}"
