"""The labs about training: update rules, rates, schedules, batches, the loss's shape."""

from __future__ import annotations

from cvtui.labs.spec import Knob, Lab
from cvtui.recipe.choices.schedules import SCHEDULES

OPTIM = Lab(
    name="optim",
    title="Problems with SGD, and what each optimizer does",
    page="Problems with SGD",
    claim="SGD jitters where the curvatures differ, stays at saddles and in dents where the gradient is zero, "
    "and never rests when the gradient is noisy; momentum gets past all but the noise.",
    notice="All start at the same point (`rules all`: all six; space: walk again). On the quadratic SGD zigzags "
    "across the valley and creeps along it; at the saddle it goes down the ridge and stays there, momentum goes on. "
    "Noise keeps both moving. With `race on` the same rules also train a net.",
    knobs=(
        Knob(
            name="surface",
            kind="choice",
            default="all",
            choices=("all", "quadratic", "saddle", "minimum", "noisy", "rosenbrock"),
            doc="loss surface; all: the first four",
        ),
        Knob(
            name="rules",
            kind="choices",
            default="sgd,momentum",
            choices=("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam"),
            doc="optimizers to compare",
        ),
        Knob(
            name="steps",
            kind="int",
            default=100,
            low=1,
            high=5000,
            doc="updates of each walk; rosenbrock: ten times as many",
        ),
        Knob(name="rho", kind="float", default=0.9, low=0, high=0.999, doc="ρ of momentum and nesterov"),
        Knob(name="condition", kind="float", default=50.0, low=1, high=10000, doc="condition number of the quadratic"),
        Knob(
            name="offset",
            kind="float",
            default=1e-5,
            low=0,
            high=1,
            doc="start's distance from the ridge",
        ),
        Knob(
            name="noise",
            kind="float",
            default=2.0,
            low=0,
            high=100,
            doc="std of the gradient noise; of the noisy quadratic",
        ),
        Knob(name="race", kind="flag", default=True, doc="train a net with each rule as well; on digits"),
        Knob(name="net-steps", kind="int", default=400, low=10, high=5000, doc="steps of that training"),
    ),
)


LR = Lab(
    name="lr",
    title="Loss curves for different learning rates",
    page="Loss curves for different learning rates",
    claim="You can read the rate off the loss curve: too low falls slowly, good falls far, too high drops fast, then "
    "plateaus, very high explodes.",
    notice="All start from the same weights and see the same batches. High is as quick as good at first; "
    "later it plateaus above, because its steps jump over the minimum. Which number is which depends on net and "
    "optimizer: with `optimizer adam` a good rate lies near 1e-3.",
    knobs=(
        Knob(
            name="rates",
            kind="floats",
            default="0.001,0.1,0.5,2",
            low=1e-8,
            high=1e4,
            doc="learning rates, one curve each",
        ),
        Knob(
            name="optimizer",
            kind="choice",
            default="momentum",
            choices=("sgd", "momentum", "adam"),
            doc="update rule; momentum: SGD with 0.9",
        ),
        Knob(name="steps", kind="int", default=400, low=20, high=20000, doc="training steps"),
        Knob(name="batch", kind="int", default=32, low=1, high=1437, doc="images a step"),
    ),
)


EPOCH = Lab(
    name="epoch",
    title="Iterations and epochs",
    page="Iteration and epoch",
    claim="An iteration is one batch and one step, an epoch the whole training set once: images/batch iterations, "
    "rounded up. After each: the training curve, the validation set, a saved model.",
    notice="The training loss has a value for each iteration, validation one for each epoch. The saved model is that "
    "of the lowest validation loss, which need not be the last.",
    knobs=(
        Knob(name="batch", kind="int", default=32, low=1, high=1437, doc="images an iteration"),
        Knob(name="epochs", kind="int", default=8, low=1, high=200, doc="epochs over digits"),
        Knob(name="lr", kind="float", default=0.05, low=1e-6, high=100, doc="learning rate (SGD, momentum 0.9)"),
    ),
)


SCHEDULE = Lab(
    name="schedule",
    title="Learning-rate schedules, and the loss that each gives",
    page="Learning rate decay over time",
    claim="Begin with a high rate and let it decay: the run ends lower than with the same rate held constant.",
    notice="Where the rate falls, the loss falls with it: at the drops of `step` most clearly. The constant rate "
    "plateaus where its steps are as wide as the valley.",
    knobs=(
        Knob(
            name="schedules",
            kind="choices",
            default="constant,step,cosine,linear,inverse-sqrt",
            choices=tuple(name for name in SCHEDULES if name != "plateau"),  # which waits for a validation loss
            doc="schedules to compare",
        ),
        Knob(name="lr", kind="float", default=0.3, low=1e-6, high=100, doc="highest learning rate"),
        Knob(
            name="optimizer",
            kind="choice",
            default="momentum",
            choices=("momentum", "adam"),
            doc="optimizer; momentum: SGD with 0.9",
        ),
        Knob(name="warmup", kind="float", default=0.05, low=0, high=0.9, doc="share of the run for warm-up"),
        Knob(name="epochs", kind="int", default=15, low=1, high=200, doc="epochs over digits; 32 images a step"),
    ),
)


WARMUP = Lab(
    name="warmup",
    title="Warm-up: a high rate that would explode at once",
    page="Linear warm-up",
    claim="A linear warm-up over the first iterations keeps a high initial rate from making the loss explode.",
    notice="Both runs have the same rate, weights and batches. At the first weights the loss is so steep that only "
    "rates below 2/λ are stable (λ: its largest curvature); after the warm-up it is flatter, and the rate is fine.",
    knobs=(
        Knob(name="lr", kind="float", default=0.8, low=1e-6, high=100, doc="learning rate after warm-up; plain SGD"),
        Knob(name="warmup", kind="int", default=200, low=0, high=5000, doc="iterations of warm-up"),
        Knob(name="scale", kind="float", default=2.0, low=0.1, high=10, doc="initial weights, times He's: steepness"),
        Knob(name="steps", kind="int", default=500, low=20, high=20000, doc="iterations"),
        Knob(name="batch", kind="int", default=64, low=1, high=1437, doc="images an iteration"),
    ),
)


LADDER = Lab(
    name="ladder",
    title="Cures one by one: init, dead ReLUs, rate, batch norm",
    page="Initialisation, rate and batch norm together",
    claim="Where several things are wrong, each cure gains something on top of the others: initial weights, dead "
    "ReLUs, rate; batch norm alone makes up for a bad start.",
    notice="A dead unit is 0 for every image and gets no gradient. Each net differs from the one above it by a single "
    "cure, with the same seed and the same batches; on a cured net batch norm has little left to gain. The last is the "
    "faulty net with nothing but batch norm.",
    knobs=(
        Knob(name="scale", kind="float", default=0.3, low=0.001, high=10, doc="faulty initial weights, times He's"),
        Knob(name="bias", kind="float", default=-0.5, low=-10, high=0, doc="faulty initial biases: dead ReLUs"),
        Knob(name="lr", kind="float", default=0.003, low=1e-6, high=100, doc="bad learning rate; SGD, momentum 0.9"),
        Knob(name="good-lr", kind="float", default=0.02, low=1e-6, high=100, doc="cured learning rate"),
        Knob(name="steps", kind="int", default=200, low=20, high=20000, doc="iterations of each net"),
        Knob(name="batch", kind="int", default=32, low=2, high=1437, doc="images an iteration"),
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
        Knob(name="batch", kind="int", default=16, low=1, high=1437, doc="small batch size"),
        Knob(name="times", kind="int", default=8, low=1, high=1437, doc="N, large batch / small batch"),
        Knob(
            name="lr",
            kind="float",
            default=0.05,
            low=1e-6,
            high=100,
            doc="learning rate of the small batch; plain SGD",
        ),
        Knob(name="warmup", kind="float", default=1.0, low=0, high=50, doc="warm-up epochs for the scaled rate"),
        Knob(name="epochs", kind="int", default=10, low=1, high=200, doc="epochs over digits"),
        Knob(name="draws", kind="int", default=60, low=2, high=2000, doc="minibatches a size to measure noise"),
    ),
)


LANDSCAPE = Lab(
    name="landscape",
    title="The loss around a trained net",
    page="Loss landscapes (Li et al. 2018)",
    claim="Around trained weights the loss is a basin with the net at its bottom, however many weights it has; "
    "its shape tells how forgiving the net is.",
    notice="Around the nets, steps are in units of each filter's own norm, so the two maps can be compared. "
    "The other maps: the path of the training, on its own plane. Try a deep net with res(...) beside the "
    "same without.",
    knobs=(
        Knob(name="left", kind="net", default="conv8-relu-pool-conv16-relu-pool-fc", doc="first net, on digits"),
        Knob(name="right", kind="net", default="fc32-relu-fc32-relu-fc", doc="second net"),
        Knob(name="epochs", kind="int", default=10, low=1, high=200, doc="epochs of training (Adam)"),
        Knob(name="side", kind="int", default=23, low=5, high=101, doc="points a side of the map (made odd)"),
        Knob(name="reach", kind="float", default=1.0, low=1e-3, high=100, doc="half width of the map; in filter norms"),
        Knob(name="images", kind="int", default=500, low=16, high=1437, doc="images that the loss is computed on"),
    ),
)


GRADCHECK = Lab(
    name="gradcheck",
    title="Gradient check: backward against the numeric gradient",
    page="Backpropagation; numeric and analytic gradient",
    claim="Backward gives the same gradient as nudging each weight and looking at the loss: exact, and in one "
    "pass instead of two per weight.",
    notice="Errors below 1e-6 are rounding. The curve is why h is 1e-5, in double precision: over a larger h the loss "
    "is no straight line, over a smaller one its change drowns in rounding; float32 hardly gets below 1e-3. `bug` "
    "plants a mistake in backward, which spoils the gradients of the layers below as well.",
    knobs=(
        Knob(
            name="net",
            kind="net",
            default="conv4-tanh-pool-fc8-relu-fc",
            doc="net for 8x8 digits; small: each entry takes two forward passes",
        ),
        Knob(name="batch", kind="int", default=4, low=1, high=64, doc="images"),
        Knob(name="entries", kind="int", default=20, low=1, high=1000, doc="entries of each tensor to check"),
        Knob(name="h", kind="float", default=1e-5, low=1e-12, high=1, doc="step of the numeric gradient"),
        Knob(
            name="bug",
            kind="choice",
            default="none",
            choices=("none", "activation", "bias"),
            doc="plant a mistake in backward: the check finds it",
        ),
    ),
)
