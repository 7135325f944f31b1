"""The table of all labs: claims, knobs, what to notice (types: labs.py; the experiments themselves: cvtui/labs)."""

from __future__ import annotations

from cvtui.recipe.labs import Knob, Lab

NETS = "a net expression"

INIT = Lab(
    name="init",
    title="Activation statistics",
    page="Activation statistics",
    claim="The scale of the first weights decides whether a signal reaches the last layer: too small and it dies, too "
    "large and tanh saturates; 1/sqrt(Din) suits tanh, sqrt(2/Din) suits ReLU.",
    notice="Read each column from top to bottom: does the histogram keep its width? A spike at 0 is a dead signal "
    "(nothing to learn from), two spikes at -1 and 1 are saturated tanh (such a unit passes almost no gradient). "
    "The second picture is what a gradient sees on its way back: depth needs it flat.",
    knobs=(
        Knob(name="depth", kind="int", default=6, low=1, high=100, doc="layers"),
        Knob(name="width", kind="int", default=4096, low=2, high=8192, doc="units a layer (fc) or channels (conv)"),
        Knob(
            name="activation",
            kind="choice",
            default="lecture",
            choices=("lecture", "tanh", "relu", "leakyrelu", "sigmoid", "gelu", "silu", "elu"),
            doc="lecture: tanh and ReLU as on its pages",
        ),
        Knob(
            name="scheme",
            kind="choices",
            default="all",
            choices=("normal-0.01", "normal-0.05", "xavier", "he"),
            doc="std of the weights: 0.01, 0.05, 1/sqrt(Din), sqrt(2/Din)",
        ),
        Knob(name="batch", kind="int", default=16, low=2, high=4096, doc="inputs"),
        Knob(
            name="layer",
            kind="choice",
            default="fc",
            choices=("fc", "conv"),
            doc="kind of layer; conv is 3x3 on 16x16 maps (Din = 9 C), at most 256 channels",
        ),
    ),
)

LABS: dict[str, Lab] = {lab.name: lab for lab in (INIT,)}
