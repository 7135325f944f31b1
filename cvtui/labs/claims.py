"""The lecture's 28 claims in its order, as data: what each opens, and what the reader predicts first."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from cvtui.labs.lookup import find


@dataclass(frozen=True, slots=True)
class InLab:
    """A lab with some of its knobs turned."""

    name: str
    knobs: Mapping[str, str] = field(default_factory=dict)

    @property
    def command(self) -> str:
        """The command line that opens it."""
        return find(self.name).command(self.knobs)


@dataclass(frozen=True, slots=True, kw_only=True)
class InCalc:
    """A net in the Calc place; `expected`: facts that its layer table must have for the claim to hold."""

    net: str
    input: str
    output: str = ""
    """The output that the net's `?` have to reach."""
    view: str = "filter"
    against_fc: bool = False
    expected: tuple[str, ...]
    """`NAME=VALUE` of a layer (`conv1.output=28x28x6`, `conv1.parameters=760`), or `setting=F5S2P2→16` for a `?`."""

    @property
    def command(self) -> str:
        words = ["cvtui", "calc", self.net, "--input", self.input]
        words += ["--output", self.output] if self.output else []
        return shlex.join(words + (["--against-fc"] if self.against_fc else []))


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the reader predicts before the figure is shown."""

    text: str
    answers: tuple[str, ...]
    right: int
    """From 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One line of the lecture."""

    number: int
    text: str
    opens: InLab | InCalc
    question: Question | None = None


CLAIMS: tuple[Claim, ...] = (
    Claim(
        number=1,
        text="One linear layer handles only linearly separable data",
        opens=InLab("linear"),
        question=Question(
            text="XOR has a cloud of points at each corner of a square. How many can one line get right at best?",
            answers=("half", "three quarters", "all of them"),
            right=1,
        ),
    ),
    Claim(
        number=2,
        text="Six 5x5 filters slide over 32x32x3 and give 28x28x6",
        opens=InCalc(net="conv6f5p0", input="32x32x3", expected=("conv1.output=28x28x6",)),
        question=Question(
            text="Six 5x5 filters slide over 32x32x3 without padding. The output?",
            answers=("32x32x6", "28x28x6", "28x28x18"),
            right=1,
        ),
    ),
    Claim(
        number=3,
        text="Output (N − F)/stride + 1: 7 and F 3 give 5, 3, 2.33",
        opens=InCalc(
            net="conv1f3s?p0",
            input="7x7x1",
            expected=("setting=F3S1P0→5", "setting=F3S2P0→3", "setting=F3S3P0→2.33"),
        ),
        question=Question(
            text="A 3x3 filter on 7x7 without padding: which stride does not fit?", answers=("1", "2", "3"), right=2
        ),
    ),
    Claim(
        number=4,
        text="Zero padding P = (F − 1)/2 keeps the size",
        opens=InCalc(
            net="conv1f3p1-conv1f5p2-conv1f7p3",
            input="7x7x1",
            expected=("conv1.output=7x7x1", "conv2.output=7x7x1", "conv3.output=7x7x1"),
        ),
    ),
    Claim(
        number=5,
        text="Unpadded 5x5 filters shrink maps fast: 32 → 28 → 24",
        opens=InCalc(
            net="conv6f5p0-relu-conv10f5p0-relu",
            input="32x32x3",
            expected=("conv1.output=28x28x6", "conv2.output=24x24x10"),
        ),
    ),
    Claim(
        number=6,
        text="Ten 5x5 filters on 32x32x3: (5·5·3+1)·10 = 760 parameters",
        opens=InCalc(
            net="conv10f5s1p2",
            input="32x32x3",
            expected=("conv1.output=32x32x10", "conv1.parameters=760"),
        ),
        question=Question(
            text="Ten 5x5 filters with biases on 32x32x3: how many parameters?",
            answers=("250", "750", "760", "1,024,000"),
            right=2,
        ),
    ),
    Claim(
        number=7,
        text="A conv has K, F, S, P: F²CK weights, K biases",
        opens=InCalc(
            net="conv32f3s1p1-conv32f5s1p2-conv32f5s2p?-conv32f1s1p0",
            input="31x31x3",
            expected=("conv1.weights=864", "conv2.weights=25,600", "setting=F5S2P2→16", "conv4.weights=1,024"),
        ),
    ),
    Claim(
        number=8,
        text="2x2 max pooling leaves 6 8 / 3 4, without a parameter",
        opens=InLab("pooling"),
        question=Question(
            text="1 1 2 4 / 5 6 7 8 / 3 2 1 0 / 1 2 3 4: what does a 2x2 maximum with stride 2 leave?",
            answers=("6 8 / 3 4", "6 7 8 / 6 7 8 / 3 3 4", "3.25 5.25 / 2 2"),
            right=0,
        ),
    ),
    Claim(
        number=9,
        text="Nets stack [(CONV-RELU)*N-POOL]*M-(FC-RELU)*K-FC",
        opens=InCalc(
            net="[(conv32-relu)*2-pool]*3-(fc128-relu)*1-fc",
            input="32x32x3",
            expected=("pool1.output=16x16x32", "pool3.output=4x4x32", "fc2.output=10"),
        ),
    ),
    Claim(
        number=10,
        text="FC has W1·H1·C·W2·H2·K weights where a conv has F²CK",
        opens=InCalc(
            net="conv10f5s1p2",
            input="32x32x3",
            view="connections",
            against_fc=True,
            expected=("conv1.fc=31,457,280", "conv1.weights=750"),
        ),
    ),
    Claim(
        number=11,
        text="Convolution as a matrix: Toeplitz, in 2-D doubly block",
        opens=InLab("toeplitz"),
    ),
    Claim(
        number=12,
        text="Sparse connections, and one parameter for many places",
        opens=InLab("sharing"),
        question=Question(
            text="Three 3-wide convs on each other: how many inputs does one unit of the last see?",
            answers=("3", "7", "9", "27"),
            right=1,
        ),
    ),
    Claim(
        number=13,
        text="FC is the larger family, with too many parameters",
        opens=InLab("fc-vs-conv"),
        question=Question(
            text="A CNN and an MLP of as many parameters, trained on the same images: which is more accurate?",
            answers=("the CNN", "the MLP", "both are equal"),
            right=0,
        ),
    ),
    Claim(
        number=14,
        text="Convolution is equivariant to shifts, not to rotations",
        opens=InLab("equivariance"),
    ),
    Claim(
        number=15,
        text="Max pooling is invariant to small translations",
        opens=InLab("invariance"),
        question=Question(
            text="All inputs move by one place. How many of the maxima (window 3) change?",
            answers=("all", "about half", "none"),
            right=1,
        ),
    ),
    Claim(
        number=16,
        text="Mini-batch SGD: sample, forward, backward, update",
        opens=InLab("gradcheck"),
    ),
    Claim(
        number=17,
        text="All-positive inputs: gradients of one sign. Zero-centre",
        opens=InLab("preprocess"),
        question=Question(
            text="A unit's inputs are all positive. The signs of its weights' gradients?",
            answers=("about half and half", "all the same", "depends on the label alone"),
            right=1,
        ),
    ),
    Claim(
        number=18,
        text="Init: 0.01 dies, 0.05 saturates; Xavier: tanh, He: ReLU",
        opens=InLab("init"),
        question=Question(
            text="Six ReLU layers with Xavier's scale: the activations' std after the last?",
            answers=("about as at the first", "about a sixth of it", "a hundred times as large"),
            right=1,
        ),
    ),
    Claim(
        number=19,
        text="The deeper, the more the init decides (Glorot to Fixup)",
        opens=InLab("init", {"depth": "12"}),
    ),
    Claim(
        number=20,
        text="SGD: ill-conditioned, stuck at saddles, noisy gradients",
        opens=InLab("optim", {"race": "off"}),
        question=Question(
            text="SGD begins almost on a saddle's ridge. Where is it after 100 steps?",
            answers=("in the minimum", "still at the saddle", "it has diverged"),
            right=1,
        ),
    ),
    Claim(
        number=21,
        text="Momentum v ← ρv + ∇f goes on in the general direction",
        opens=InLab("optim", {"surface": "quadratic", "race": "off"}),
    ),
    Claim(
        number=22,
        text="Adam: two moments; a rate of about 1e-3 is a good start",
        opens=InLab("lr", {"optimizer": "adam", "rates": "1e-4,1e-3,0.1,1", "steps": "1500"}),
    ),
    Claim(
        number=23,
        text="Rates: very high explodes, high stays above, low is slow",
        opens=InLab("lr"),
        question=Question(
            text="Which rate's loss falls fastest in the first steps, and then stays above?",
            answers=("the low one", "the good one", "the high one"),
            right=2,
        ),
    ),
    Claim(
        number=24,
        text="Iteration: one batch. Epoch: the training set once",
        opens=InLab("epoch"),
        question=Question(
            text="1,437 images in batches of 32: how many iterations are an epoch?",
            answers=("32", "45", "1,437"),
            right=1,
        ),
    ),
    Claim(
        number=25,
        text="Schedules: step, cosine, linear, inverse square root",
        opens=InLab("schedule"),
    ),
    Claim(
        number=26,
        text="Warm-up keeps a high first rate from exploding the loss",
        opens=InLab("warmup"),
        question=Question(
            text="A high rate from the very first step on, without warm-up: what does the loss do?",
            answers=("it falls faster", "it explodes", "the same as with warm-up"),
            right=1,
        ),
    ),
    Claim(
        number=27,
        text="Batch size times N: learning rate times N",
        opens=InLab("batch"),
    ),
    Claim(
        number=28,
        text="Adam at a constant rate, then another schedule: cosine",
        opens=InLab("schedule", {"optimizer": "adam", "lr": "0.05", "schedules": "constant,cosine"}),
    ),
)
