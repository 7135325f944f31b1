"""The table of all labs, and those about layers and signals (types: spec.py; the experiments: experiments/)."""

from __future__ import annotations

from cvtui.labs.catalog_training import BATCH, EPOCH, GRADCHECK, LADDER, LANDSCAPE, LR, OPTIM, SCHEDULE, WARMUP
from cvtui.labs.spec import Knob, Lab

INIT = Lab(
    name="init",
    title="Activation statistics",
    page="Activation statistics",
    claim="The scale of the first weights decides whether a signal reaches the last layer: too small and it "
    "dies, too large and tanh saturates; 1/sqrt(Din) suits tanh, sqrt(2/Din) suits ReLU.",
    notice="Read each column from top to bottom: does the histogram keep its width? A spike at 0 is a dead signal, two "
    "spikes at -1 and 1 are saturated tanh. The gradient going back: depth needs it flat. Where tanh saturates it can "
    "still grow: the saturated units block it, the others multiply it by weights that are too large. The gradient of "
    "the weights: with 0.01 it is small in every layer; the lecture's zero is what it nears with the depth.",
    knobs=(
        Knob(name="depth", kind="int", default=6, low=1, high=100, doc="number of layers"),
        Knob(name="width", kind="int", default=4096, low=2, high=8192, doc="units a layer; conv: channels"),
        Knob(
            name="activation",
            kind="choice",
            default="lecture",
            choices=("lecture", "tanh", "relu", "leakyrelu", "sigmoid", "gelu", "silu", "elu"),
            doc="activation function; lecture: tanh and ReLU as on its pages",
        ),
        Knob(
            name="scheme",
            kind="choices",
            default="all",
            choices=("normal-0.01", "normal-0.05", "xavier", "he"),
            doc="std of the weights: 0.01, 0.05, 1/sqrt(Din), sqrt(2/Din)",
        ),
        Knob(name="batch", kind="int", default=16, low=2, high=4096, doc="inputs a batch"),
        Knob(
            name="layer",
            kind="choice",
            default="fc",
            choices=("fc", "conv"),
            doc="kind of layer; conv is 3x3 on 16x16 maps (Din = 9 C), at most 256 channels",
        ),
        Knob(
            name="net", kind="net", default="", doc="a net instead of the stack; any net expression, on 32x32x3 inputs"
        ),
    ),
    parallel=True,
)

LINEAR = Lab(
    name="linear",
    title="A single layer can only handle linearly separable cases",
    page="Can only handle linearly separable cases",
    claim="A single layer cuts the plane with straight lines only; hidden layers bend the data until a line "
    "separates it.",
    notice="Left, the single layer: whatever it learns, its border is straight. It minimises its loss, not its "
    "mistakes, and so may get fewer points right than the best of all lines. Below, the outputs of each hidden layer "
    "for the same points: the classes move apart until the last, linear layer needs only a line.",
    knobs=(
        Knob(
            name="data",
            kind="choice",
            default="xor",
            choices=("xor", "circles", "moons", "spiral", "blobs"),
            doc="points to classify; only blobs are linearly separable",
        ),
        Knob(name="net", kind="net", default="(fc16-tanh)*2-fc", doc="the net with hidden layers"),
        Knob(
            name="classes",
            kind="int",
            default=0,
            low=0,
            high=5,
            doc="number of classes; 0: the set's own (circles, spiral, blobs: up to 5)",
        ),
        Knob(name="points", kind="int", default=300, low=20, high=5000, doc="points to train on"),
        Knob(name="steps", kind="int", default=600, low=1, high=20000, doc="training steps; Adam, 64 points each"),
        Knob(name="lr", kind="float", default=0.02, low=1e-6, high=10, doc="learning rate"),
    ),
)


POOLING = Lab(
    name="pooling",
    title="Pooling, in numbers",
    page="Pooling layer",
    claim="Pooling makes each map smaller by itself, without parameters: a 2x2 window with stride 2 halves both sides "
    "(rounded up), and the maximum of each window stays.",
    notice="Each colour (or letter) is one window (where windows overlap, what is new in it): find its largest number "
    "in the smaller picture. The lecture's example ends in 6 8 / 3 4. With side 5 the last windows hang over the edge.",
    knobs=(
        Knob(name="side", kind="int", default=4, low=2, high=12, doc="height and width of the map; 4 is the lecture's"),
        Knob(name="window", kind="int", default=2, low=1, high=12, doc="F, height and width of the window"),
        Knob(name="stride", kind="int", default=2, low=1, high=12, doc="S, step of the window"),
    ),
)


PREPROCESS = Lab(
    name="preprocess",
    title="Zero-mean inputs: gradient signs, shape of the loss",
    page="Data preprocessing",
    claim="Where all inputs are positive, the gradients of a unit's weights all have one sign; with zero mean "
    "and unit variance they don't, and the loss is better conditioned.",
    notice="The share of gradients with one sign: 1.00 for pixels that are never negative, about one half when "
    "they are centred. Below, the loss of the same points before and after: a long valley, in which a small change of "
    "a weight costs much, becomes a bowl, and the way to the bottom short.",
    knobs=(
        Knob(
            name="data",
            kind="choice",
            default="shapes",
            choices=("shapes", "digits", "cifar-like"),
            doc="images; cifar-like: noise with CIFAR-10's 3 means and 3 stds",
        ),
        Knob(name="images", kind="int", default=100, low=2, high=1000, doc="number of images"),
        Knob(name="units", kind="int", default=32, low=1, high=512, doc="units whose gradients are counted"),
    ),
)


SHARING = Lab(
    name="sharing",
    title="Sparse connections and shared parameters, in 1-D",
    page="Sparse connectivity and parameter sharing",
    claim="A unit of a conv sees only F inputs and each input touches only F outputs, with F parameters for all "
    "places; through L layers the field grows to 1 + L(F - 1).",
    notice="Highlighted from the top: the inputs that one unit sees, more with each layer. From below: the outputs "
    "that one input can change. Edges of one colour, or slant, are one parameter; the fully connected layer shares "
    "none.",
    knobs=(
        Knob(name="width", kind="int", default=11, low=2, high=60, doc="units a layer"),
        Knob(name="filter", kind="int", default=3, low=1, high=15, doc="F, the filter's size"),
        Knob(name="depth", kind="int", default=3, low=1, high=8, doc="layers"),
        Knob(name="unit", kind="int", default=-1, low=-1, high=59, doc="highlighted unit, from 0; -1: the middle one"),
    ),
)


TOEPLITZ = Lab(
    name="toeplitz",
    title="Convolution as a matrix",
    page="Convolution as matrix multiplication (Toeplitz matrix)",
    claim="A convolution is a matrix product: with a doubly block Toeplitz matrix, nearly all zeros, of which "
    "few entries are different.",
    notice="Both results are the same picture. In one dimension each row of the matrix is the row above, one place on "
    "(Toeplitz); in two it has blocks of that kind, one for each row of the filter. One colour (or letter) is one "
    "parameter, shared; the dots are connections that don't exist. Its memory grows with the 4th power of the side.",
    knobs=(
        Knob(
            name="picture",
            kind="choice",
            default="digits",
            choices=("digits", "shapes"),
            doc="where the image comes from",
        ),
        Knob(name="side", kind="int", default=8, low=3, high=48, doc="height and width it is scaled to"),
        Knob(
            name="filter",
            kind="choice",
            default="edge",
            choices=("edge", "blur", "sharpen", "random"),
            doc="what slides over it; a 3x3 filter, or a random one of any size",
        ),
        Knob(name="size", kind="int", default=3, low=1, high=11, doc="size of the random filter"),
        Knob(name="stride", kind="int", default=1, low=1, high=8, doc="S, step of the filter"),
        Knob(name="padding", kind="int", default=1, low=0, high=10, doc="P, zeros around the image"),
        Knob(
            name="flip",
            kind="flag",
            default=False,
            doc="flip the filter: true convolution; off: cross-correlation, as in PyTorch",
        ),
    ),
)


EQUIVARIANCE = Lab(
    name="equivariance",
    title="Does a feature map move with its picture?",
    page="Equivariance to translation",
    claim="Shift the picture and a conv's map shifts with it, exactly; a fully connected layer's does not, and "
    "no conv follows a rotation or a change of scale.",
    notice="Conv layers: 0 away from the border, not at it (the zero padding). After one pooling by 2 the map follows "
    "shifts by 2, after two (the curve) by 4. Rotations: `pixel by pixel` is a map that does follow; its error is "
    "interpolation, and 0 at 90°.",
    knobs=(
        Knob(name="net", kind="net", default="conv8-relu-conv8-relu-gap-fc", doc="conv net, on 24x24x1"),
        Knob(name="pooled", kind="net", default="conv8-relu-pool-conv8-relu-pool-fc", doc="net with pooling"),
        Knob(name="shifts", kind="int", default=6, low=1, high=12, doc="largest shift in pixels"),
        Knob(name="pictures", kind="int", default=16, low=1, high=256, doc="images of noise to measure on"),
        Knob(
            name="steps", kind="int", default=150, low=0, high=5000, doc="training steps on shapes; 0: untrained only"
        ),
    ),
)


INVARIANCE = Lab(
    name="invariance",
    title="Max pooling and small shifts",
    page="Max pooling and invariance to small translations (Deep Learning book, figure 9.8)",
    claim="When the input moves by one, every detector's value changes, but only about half of the pooled maxima "
    "do; a net with pooling keeps its answer longer.",
    notice="In the book's figure all four detectors change and two of the maxima. The last pictures: none of the "
    "nets saw a shifted digit in training. With global pooling a digit is known again at 4 pixels, the stride of its "
    "map; none is invariant to rotation.",
    knobs=(
        Knob(name="window", kind="int", default=3, low=1, high=16, doc="pooling window"),
        Knob(name="stride", kind="int", default=1, low=1, high=16, doc="stride of the pooling"),
        Knob(name="shifts", kind="int", default=6, low=1, high=50, doc="largest shift in pixels"),
        Knob(name="rows", kind="int", default=64, low=1, high=4096, doc="rows of detectors to measure on"),
        Knob(name="steps", kind="int", default=200, low=1, high=5000, doc="training steps of each net"),
    ),
)


FC_VS_CONV = Lab(
    name="fc-vs-conv",
    title="Fully connected against convolutional",
    page="FC is a superset of CONV",
    claim="A conv layer is a fully connected layer with most weights 0 and the rest shared: FC can do all that "
    "CONV can, with many more parameters and, trained on the same images, less well.",
    notice="Equal parameters: the CNN has many more connections, because each parameter is used in every place. "
    "The matrix is the proof of the superset: fc weights that compute exactly what the conv computes. What a shift by "
    "a pixel or a turn by 5° does to an fc net: labs `invariance` and `equivariance`.",
    knobs=(
        Knob(name="data", kind="choice", default="shapes", choices=("digits", "shapes"), doc="images to classify"),
        Knob(name="net", kind="net", default="(conv16-relu-pool)*3-fc", doc="the CNN"),
        Knob(
            name="match",
            kind="choice",
            default="parameters",
            choices=("parameters", "accuracy"),
            doc="MLP to compare with; of as many parameters, or growing ones until one is as accurate",
        ),
        Knob(name="epochs", kind="int", default=6, low=1, high=200, doc="epochs of training; Adam, 64 images a step"),
        Knob(name="lr", kind="float", default=0.008, low=1e-6, high=10, doc="learning rate"),
        Knob(name="images", kind="int", default=2000, low=64, high=5000, doc="training images, at most"),
    ),
)


LABS: dict[str, Lab] = {
    lab.name: lab
    for lab in (
        INIT,
        LINEAR,
        FC_VS_CONV,
        EQUIVARIANCE,
        INVARIANCE,
        SHARING,
        TOEPLITZ,
        POOLING,
        PREPROCESS,
        OPTIM,
        LR,
        EPOCH,
        SCHEDULE,
        WARMUP,
        LADDER,
        BATCH,
        LANDSCAPE,
        GRADCHECK,
    )
}
