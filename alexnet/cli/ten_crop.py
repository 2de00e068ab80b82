"""--ten-crop: the flag, and the pixels around the centre that a network's ten crops come from."""

from alexnet.data.crops import crop_border
from alexnet.data.names import printable
from alexnet.errors import UsageError
from alexnet.training.saved import saved_options
from alexnet.weights.checkpoint import Checkpoint


def add_ten_crop_flag(parser) -> None:
    """--ten-crop."""
    parser.add_argument(
        "--ten-crop", action="store_true",
        help="the paper's test (section 4.1): average the softmax outputs of ten crops of an "
        "image, the four corners, the centre and their mirrors. Takes ten times as long. A network "
        "whose images have no pixels to spare, as CIFAR-10's, sees crops from the border that its "
        "training added",
    )  # fmt: skip


def ten_crop_border(saved: Checkpoint) -> int:
    """The pixels by which images of the stored size are continued on each side before ten crops are
    cut out: 0 where the stored size is larger than the crop, else those of the training's crops.
    Raises UsageError if training had no crops either."""
    size = saved.build["image_size"]
    if saved.stored_size > size:
        return 0
    cropped = bool(saved.options) and saved_options(saved).augment != "none"
    border = crop_border(size, saved.stored_size) if cropped else 0
    if not border:
        why = "is too small for a border" if cropped else "was not trained on crops of more pixels"
        raise UsageError(
            f"--ten-crop: {printable(saved.path)} reads images at {size} x {size}, all of which "
            f"it sees, and {why}: there are no corners to crop; leave out --ten-crop, or train "
            "with --augment crop"
        )
    return border
