"""The sets that come with cvtui: digits, and generated coloured shapes."""

from __future__ import annotations

from cvtui.recipe.datasets.data_facts import DataFacts
from cvtui.recipe.datasets.source import DataSource

EMBEDDED: dict[str, DataFacts] = {
    "digits": DataFacts(
        name="digits",
        summary="1,797 handwritten digits, 8x8, grey (UCI); comes with cvtui",
        size=(8, 8, 1),
        classes=tuple("0123456789"),
        train=1437,
        validation=360,
        train_counts=(142, 145, 142, 146, 145, 146, 145, 143, 139, 144),
        validation_counts=(36, 37, 35, 37, 36, 36, 36, 36, 35, 36),
    ),
    "shapes": DataFacts(
        name="shapes",
        summary="6,000 generated shapes, 32x32, colour, ten classes; generated on demand",
        size=(32, 32, 3),
        classes=(
            "disc", "ring", "square", "triangle", "cross", "star", "stripes", "checker", "gradient", "blob",
        ),
        train=5000,
        validation=1000,
    ),
}  # fmt: skip


class EmbeddedSets(DataSource):
    """Sets that need neither a download nor a parameter."""

    reader = "embedded"
    sets = EMBEDDED
