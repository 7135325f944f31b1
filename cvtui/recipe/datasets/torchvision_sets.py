"""The sets that are downloaded once (MNIST … STL-10), as torchvision publishes them."""

from __future__ import annotations

import string

from cvtui.recipe.datasets.data_facts import DataFacts
from cvtui.recipe.datasets.source import DataSource, State

_DIGITS = tuple(string.digits)

_CIFAR100 = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish
forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle
mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle wardrobe whale
willow_tree wolf woman worm
"""

STORED: dict[str, DataFacts] = {
    facts.name: facts
    for facts in (
        DataFacts(
            name="mnist",
            summary="70,000 handwritten digits, 28x28, grey (LeCun 1998)",
            size=(28, 28, 1),
            classes=_DIGITS,
            train=60_000,
            validation=10_000,
            train_counts=(5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949),
            validation_counts=(980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009),
        ),
        DataFacts(
            name="fashion-mnist",
            summary="70,000 pieces of clothing, 28x28, grey, ten classes (Xiao 2017)",
            size=(28, 28, 1),
            classes=(
                "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
                "Ankle boot",
            ),
            train=60_000,
            validation=10_000,
        ),
        DataFacts(
            name="kmnist",
            summary="70,000 cursive Japanese characters, 28x28, grey, ten classes (Clanuwat 2018)",
            size=(28, 28, 1),
            classes=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
            train=60_000,
            validation=10_000,
        ),
        DataFacts(
            name="emnist",
            summary="131,600 handwritten digits and letters, 28x28, grey, 47 classes: its balanced split (Cohen 2017)",
            size=(28, 28, 1),
            classes=(*_DIGITS, *string.ascii_uppercase, *"abdefghnqrt"),
            train=112_800,
            validation=18_800,
        ),
        DataFacts(
            name="cifar10",
            summary="60,000 photographs, 32x32, colour, ten classes (Krizhevsky 2009)",
            size=(32, 32, 3),
            classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
            train=50_000,
            validation=10_000,
        ),
        DataFacts(
            name="cifar100",
            summary="60,000 photographs, 32x32, colour, a hundred classes (Krizhevsky 2009)",
            size=(32, 32, 3),
            classes=tuple(_CIFAR100.split()),
            train=50_000,
            validation=10_000,
        ),
        DataFacts(
            name="svhn",
            summary="99,289 digits of house numbers, 32x32, colour (Netzer 2011)",
            size=(32, 32, 3),
            classes=_DIGITS,
            train=73_257,
            validation=26_032,
            train_counts=(4948, 13861, 10585, 8497, 7458, 6882, 5727, 5595, 5045, 4659),
            validation_counts=(1744, 5099, 4149, 2882, 2523, 2384, 1977, 2019, 1660, 1595),
        ),
        DataFacts(
            name="stl10",
            summary="13,000 photographs, 96x96, colour, ten classes; few to train on (Coates 2011)",
            size=(96, 96, 3),
            classes=("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"),
            train=5_000,
            validation=8_000,
        ),
    )
}  # fmt: skip
"""By name; their test images are what is validated on."""


class TorchvisionSets(DataSource):
    """Sets that have to lie on the disk before they are read."""

    reader = "torchvision_sets"
    sets = STORED

    def missing(self, text: str, data_dir: str) -> str | None:
        from cvtui.recipe.datasets.locate import missing  # with all that opens files: no form needs it to be drawn

        return missing(text, data_dir)

    def where(self, text: str, data_dir: str) -> tuple[str, State]:
        from cvtui.recipe.datasets.locate import in_bytes, locate, unsound
        from cvtui.recipe.datasets.torchvision_files import STORAGE

        found = locate(text, data_dir)
        if found is None:
            return f"missing: {in_bytes(STORAGE[text].download)} to fetch", "missing"
        wrong = unsound(text, found)
        return (f"damaged: {found.folder}: {wrong}", "damaged") if wrong else (str(found.folder), "ready")
