"""The table of all labs: claims, knobs, what to notice (types: spec.py; the experiments: experiments/)."""

from __future__ import annotations

from cvtui.labs.spec import Knob, Lab
from cvtui.recipe.choices.schedules import SCHEDULES

INIT = Lab(
    name="init",
    title="Activation statistics",
    page="Activation statistics",
    claim="The scale of the first weights decides whether a signal reaches the last layer: too small and it "
    "dies, too large and tanh saturates; 1/sqrt(Din) suits tanh, sqrt(2/Din) suits ReLU.",
    notice="Read each column from top to bottom: does the histogram keep its width? A spike at 0 is a dead "
    "signal (nothing to learn from), two spikes at -1 and 1 are saturated tanh (such a unit passes almost no "
    "gradient). The second picture is what a gradient sees on its way back: depth needs it flat.",
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
        Knob(name="net", kind="net", default="", doc="any net expression instead of the stack, on 32x32x3 inputs"),
    ),
    parallel=True,
)

OPTIM = Lab(
    name="optim",
    title="The problems with SGD, and what each optimiser does about them",
    page="Problems with SGD",
    claim="SGD jitters where the curvatures differ, stays at saddles and in dents where the gradient is zero, "
    "and never rests when the gradient is noisy; momentum gets through.",
    notice="All start at the same point. On the quadratic SGD zigzags across the valley and creeps along it; at "
    "the saddle it walks down the ridge and stays; momentum runs through. In the last picture the same rules train a "
    "net.",
    knobs=(
        Knob(
            name="surface",
            kind="choice",
            default="all",
            choices=("all", "quadratic", "saddle", "minimum", "noisy", "rosenbrock"),
            doc="which ground to walk on; all: the first four",
        ),
        Knob(
            name="rules",
            kind="choices",
            default="all",
            choices=("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam"),
            doc="who walks",
        ),
        Knob(name="steps", kind="int", default=100, low=1, high=5000, doc="updates (rosenbrock: ten times as many)"),
        Knob(name="condition", kind="float", default=50.0, low=1, high=10000, doc="condition number of the quadratic"),
        Knob(name="offset", kind="float", default=1e-5, low=0, high=1, doc="start beside the saddle's ridge"),
        Knob(
            name="noise", kind="float", default=2.0, low=0, high=100, doc="std of the noisy quadratic's gradient noise"
        ),
        Knob(name="race", kind="flag", default=True, doc="also train a net on digits with each rule"),
        Knob(name="net-steps", kind="int", default=400, low=10, high=5000, doc="steps of that training"),
    ),
)


LINEAR = Lab(
    name="linear",
    title="A single layer can only handle linearly separable cases",
    page="Can only handle linearly separable cases",
    claim="A single layer cuts the plane with straight lines only; hidden layers bend the data until a line "
    "separates it.",
    notice="Left the single layer: whatever it learns, its border is straight. Below, the same points as each "
    "hidden layer sees them: the classes move apart until the last layer, which is linear, needs only a line.",
    knobs=(
        Knob(
            name="data",
            kind="choice",
            default="xor",
            choices=("xor", "circles", "moons", "spiral", "blobs"),
            doc="points on a plane; blobs are the separable ones",
        ),
        Knob(name="net", kind="net", default="(fc16-tanh)*2-fc", doc="the net with hidden layers"),
        Knob(
            name="classes", kind="int", default=0, low=0, high=5, doc="0: the set's own (circles, spiral, blobs: to 5)"
        ),
        Knob(name="points", kind="int", default=300, low=20, high=5000, doc="points to train on"),
        Knob(name="steps", kind="int", default=600, low=1, high=20000, doc="of Adam, 64 points each"),
        Knob(name="lr", kind="float", default=0.02, low=1e-6, high=10, doc="its rate"),
    ),
)


GRADCHECK = Lab(
    name="gradcheck",
    title="Gradient check: backward against the numeric gradient",
    page="Backpropagation; numeric and analytic gradient",
    claim="Backward gives the same gradient as nudging each weight and looking at the loss: exact, and in one "
    "pass instead of two per weight.",
    notice="Errors near 1e-9 are rounding. The lower picture is why h is 1e-5 and double precision is needed: a "
    "larger h cuts the curve off too early, a smaller one drowns in rounding; float32 never gets below 1e-3 or so.",
    knobs=(
        Knob(
            name="net",
            kind="net",
            default="conv4-tanh-pool-fc8-relu-fc",
            doc="a net for 8x8 digits; small, each entry takes two forward passes",
        ),
        Knob(name="batch", kind="int", default=4, low=1, high=64, doc="images"),
        Knob(name="entries", kind="int", default=20, low=1, high=1000, doc="entries of each tensor that are looked at"),
        Knob(name="h", kind="float", default=1e-5, low=1e-12, high=1, doc="the step"),
        Knob(
            name="bug",
            kind="choice",
            default="none",
            choices=("none", "activation", "bias"),
            doc="plant a mistake in backward and see what the check says",
        ),
    ),
)


LR = Lab(
    name="lr",
    title="Loss curves for different learning rates",
    page="Loss curves for different learning rates",
    claim="A rate's height shows in the shape of its loss curve: low falls slowly, good falls far, high falls "
    "fast and stays above, very high explodes.",
    notice="All four start from the same weights and see the same batches. High is as quick as good at first: "
    "only later it stays above, because its steps jump over the valley's floor.",
    knobs=(
        Knob(name="rates", kind="floats", default="0.001,0.1,0.5,2", low=1e-8, high=1e4, doc="one curve each"),
        Knob(
            name="optimizer",
            kind="choice",
            default="momentum",
            choices=("sgd", "momentum", "adam"),
            doc="the update rule",
        ),
        Knob(name="steps", kind="int", default=400, low=20, high=20000, doc="updates"),
        Knob(name="batch", kind="int", default=32, low=1, high=1437, doc="images a step"),
    ),
)


SCHEDULE = Lab(
    name="schedule",
    title="Learning-rate schedules, and the loss that each gives",
    page="Learning rate decay over time",
    claim="Begin with a high rate and let it decay: the run ends lower than with the same rate held constant.",
    notice="Where the rate falls, the loss falls with it: at the drops of `step` most clearly. Constant keeps "
    "jumping at the height where its steps are as wide as the valley.",
    knobs=(
        Knob(
            name="schedules",
            kind="choices",
            default="all",
            choices=tuple(name for name in SCHEDULES if name != "plateau"),  # which waits for a validation loss
            doc="which",
        ),
        Knob(name="lr", kind="float", default=0.3, low=1e-6, high=100, doc="the full rate (of SGD with momentum 0.9)"),
        Knob(name="warmup", kind="float", default=0.05, low=0, high=0.9, doc="share of the run to climb to it"),
        Knob(name="epochs", kind="int", default=15, low=1, high=200, doc="over digits, 32 images a step"),
    ),
)


PREPROCESS = Lab(
    name="preprocess",
    title="Why zero-mean inputs: signs of gradients, shape of the loss",
    page="Data preprocessing",
    claim="Where all inputs are positive, the gradients of a unit's weights all have one sign; with zero mean "
    "and unit variance they don't, and the loss is better conditioned.",
    notice="The share of gradients with one sign: 1.00 for pixels that are never negative, about one half when "
    "they are centred. Below, the same points, the same loss: a long valley becomes a bowl, and 87 steps become 2.",
    knobs=(
        Knob(
            name="data",
            kind="choice",
            default="shapes",
            choices=("shapes", "digits", "cifar-like"),
            doc="pictures; cifar-like is noise with CIFAR-10's 3 means and 3 stds",
        ),
        Knob(name="images", kind="int", default=100, low=2, high=1000, doc="how many"),
        Knob(name="units", kind="int", default=32, low=1, high=512, doc="of the layer whose gradients are looked at"),
    ),
)


SHARING = Lab(
    name="sharing",
    title="Sparse connections and shared parameters, in one dimension",
    page="Sparse connectivity and parameter sharing",
    claim="A unit of a conv sees only F inputs and each input touches only F outputs, with F parameters for all "
    "places; through L layers the field grows to 1 + L(F - 1).",
    notice="Lit from the top: the inputs that one unit sees, more with each layer. Lit from below: what one "
    "input can change. Edges of one colour are one parameter; the fully connected layer shares none.",
    knobs=(
        Knob(name="width", kind="int", default=11, low=2, high=60, doc="units a layer"),
        Knob(name="filter", kind="int", default=3, low=1, high=15, doc="F, the filter's size"),
        Knob(name="depth", kind="int", default=3, low=1, high=8, doc="layers"),
        Knob(name="unit", kind="int", default=-1, low=-1, high=59, doc="the one that is lit; -1 is the middle"),
    ),
)


TOEPLITZ = Lab(
    name="toeplitz",
    title="Convolution as a matrix",
    page="Convolution as matrix multiplication (Toeplitz matrix)",
    claim="A convolution is a matrix product: with a doubly block Toeplitz matrix, nearly all zeros, of which "
    "few entries are different.",
    notice="Both results are the same picture. The matrix repeats the filter's few numbers along its diagonals: "
    "that is parameter sharing, and the dots between are sparse connections. Its memory grows with the 4th power of "
    "the side.",
    knobs=(
        Knob(name="picture", kind="choice", default="digits", choices=("digits", "shapes"), doc="where it is from"),
        Knob(name="side", kind="int", default=8, low=3, high=48, doc="the picture is scaled to side x side"),
        Knob(
            name="filter",
            kind="choice",
            default="edge",
            choices=("edge", "blur", "sharpen", "random"),
            doc="3x3, or random of any size",
        ),
        Knob(name="size", kind="int", default=3, low=1, high=11, doc="of the random filter"),
        Knob(name="stride", kind="int", default=1, low=1, high=8, doc="S"),
        Knob(name="padding", kind="int", default=1, low=0, high=10, doc="P, zeros around"),
        Knob(name="flip", kind="flag", default=False, doc="convolution proper; off is cross-correlation, as PyTorch"),
    ),
)


EQUIVARIANCE = Lab(
    name="equivariance",
    title="Does a feature map move with its picture?",
    page="Equivariance to translation",
    claim="Shift the picture and a conv's map shifts with it, exactly; a fully connected layer's does not, and "
    "no conv follows a rotation or a change of scale.",
    notice="Conv layers: 0 away from the border, not at it (the zero padding). Pooling by 2 follows shifts by 2 "
    "only. Rotations: `pixel by pixel`, a map that does follow, shows what interpolation costs; at 90° that is "
    "nothing.",
    knobs=(
        Knob(name="net", kind="net", default="conv8-relu-conv8-relu-gap-fc", doc="the conv net, on 24x24x1"),
        Knob(name="pooled", kind="net", default="conv8-relu-pool-conv8-relu-pool-fc", doc="the one with pooling"),
        Knob(name="shifts", kind="int", default=6, low=1, high=12, doc="up to so many pixels"),
        Knob(name="pictures", kind="int", default=16, low=1, high=256, doc="smooth noise to measure on"),
        Knob(name="steps", kind="int", default=150, low=0, high=5000, doc="of training on shapes; 0: untrained only"),
    ),
)


INVARIANCE = Lab(
    name="invariance",
    title="Max pooling and small shifts",
    page="Max pooling and invariance to small translations (Deep Learning book, figure 9.8)",
    claim="When the input moves by one, every detector's value changes, but only about half of the pooled maxima "
    "do; a net with pooling keeps its answer longer.",
    notice="In the book's figure all four detectors change and two of the maxima. The last pictures: none of the "
    "nets saw a shifted digit in training. Global pooling comes back at 4 pixels, the stride of its map; nothing "
    "forgives turns.",
    knobs=(
        Knob(name="window", kind="int", default=3, low=1, high=16, doc="of the pooling"),
        Knob(name="stride", kind="int", default=1, low=1, high=16, doc="of the pooling"),
        Knob(name="shifts", kind="int", default=6, low=1, high=50, doc="up to so many"),
        Knob(name="rows", kind="int", default=64, low=1, high=4096, doc="rows of detectors to measure on"),
        Knob(name="steps", kind="int", default=200, low=1, high=5000, doc="of training each net on digits"),
    ),
)


FC_VS_CONV = Lab(
    name="fc-vs-conv",
    title="Fully connected against convolutional",
    page="FC is a superset of CONV",
    claim="A conv layer is a fully connected layer with most weights 0 and the rest shared: FC can do all that "
    "CONV can, with many more parameters and, trained on the same images, less well.",
    notice="Equal parameters: the CNN has many more connections, because each parameter is used in every place. "
    "The matrix is the proof of the superset: fc weights that compute exactly what the conv computes.",
    knobs=(
        Knob(name="data", kind="choice", default="shapes", choices=("digits", "shapes"), doc="what to classify"),
        Knob(name="net", kind="net", default="(conv16-relu-pool)*3-fc", doc="the CNN"),
        Knob(
            name="match",
            kind="choice",
            default="parameters",
            choices=("parameters", "accuracy"),
            doc="an MLP of as many parameters, or growing MLPs until one is as accurate",
        ),
        Knob(name="epochs", kind="int", default=6, low=1, high=200, doc="of Adam, 64 images a step"),
        Knob(name="lr", kind="float", default=0.008, low=1e-6, high=10, doc="its rate"),
        Knob(name="images", kind="int", default=2000, low=64, high=5000, doc="to train on, at most"),
    ),
)


BATCH = Lab(
    name="batch",
    title="Batch size and learning rate: batch xN, rate xN",
    page="Linear scaling rule",
    claim="With a batch N times as large, scale the rate by N: the loss over epochs stays the same, because the "
    "gradient's noise falls only with the square root of the batch.",
    notice="Over epochs, the large batch with the old rate lags behind; with the scaled rate it lies on the "
    "small batch's curve. Over time it is ahead: fewer steps, each of which costs little more.",
    knobs=(
        Knob(name="batch", kind="int", default=16, low=1, high=1437, doc="the small batch"),
        Knob(name="times", kind="int", default=8, low=1, high=1437, doc="N"),
        Knob(name="lr", kind="float", default=0.05, low=1e-6, high=100, doc="the small batch's rate (plain SGD)"),
        Knob(name="warmup", kind="float", default=1.0, low=0, high=50, doc="epochs in which the scaled rate climbs"),
        Knob(name="epochs", kind="int", default=10, low=1, high=200, doc="over digits"),
        Knob(name="draws", kind="int", default=60, low=2, high=2000, doc="minibatches per size, for the noise"),
    ),
)


LANDSCAPE = Lab(
    name="landscape",
    title="The loss around a trained net",
    page="Loss landscapes (Li et al. 2018)",
    claim="Around trained weights the loss is a basin with the net at its bottom, however many weights it has; "
    "its shape tells how forgiving the net is.",
    notice="Around the nets, steps are in units of each filter's own length, so the two maps can be compared. "
    "The other maps: the way that training took, on its own plane. Try a deep net with res(...) beside the "
    "same without.",
    knobs=(
        Knob(name="left", kind="net", default="conv8-relu-pool-conv16-relu-pool-fc", doc="the first net, on digits"),
        Knob(name="right", kind="net", default="fc32-relu-fc32-relu-fc", doc="the second"),
        Knob(name="epochs", kind="int", default=10, low=1, high=200, doc="of training (Adam)"),
        Knob(name="side", kind="int", default=23, low=5, high=101, doc="places a side (made odd)"),
        Knob(name="reach", kind="float", default=1.0, low=1e-3, high=100, doc="how far, in filter lengths"),
        Knob(name="images", kind="int", default=500, low=16, high=1437, doc="over which the loss is taken"),
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
        PREPROCESS,
        OPTIM,
        LR,
        SCHEDULE,
        BATCH,
        LANDSCAPE,
        GRADCHECK,
    )
}
