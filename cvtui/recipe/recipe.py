"""What a run is asked to do, as data.

A recipe is one flat table: every command-line option is one field of the same name (hyphens for underscores). Choices
with parameters are written as calls: `normal(0.01)`, `step(30,60,90,factor=0.1)`, `adam(beta1=0.9)`.

A field's range, pattern and description stand on the field itself; `fields.py` makes options, form and file of them.
`{names}` is the list of its choices, `allowed` what an error says of a pattern.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

AUTO = -1
"""`batch_size = "auto"`."""


class Recipe(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The fields of a recipe, with their defaults."""

    data: Annotated[str, Meta(description="Data set: {names}.")] = "digits"

    data_dir: Annotated[
        str, Meta(description="Where downloaded sets lie; empty: cvtui/data in the user's cache folder.")
    ] = ""

    size: Annotated[
        str,
        Meta(
            pattern=r"(\d{1,4}([xX]\d{1,4})?)?",
            extra={"allowed": "a side in pixels such as 64, or H x W such as 48x96; or nothing"},
            description="Size to which images are brought, H x W: 64, or 48x96; empty: 64 for pictures in files, their "
            "own for all others.",
        ),
    ] = ""

    bits: Annotated[
        int,
        Meta(
            ge=0,
            le=32,
            description="Bit depth of images with more than 8 bits a value: 2^bits - 1 is white; 0: the next "
            "2^n - 1 above the largest value of the set.",
        ),
    ] = 0

    cache: Annotated[
        Literal["auto", "on", "off"],
        Meta(
            description="auto: decoded folders are kept in the cache folder; a callable's items that draw random "
            "numbers are read anew in every epoch. on (--cache): such items are drawn once and kept. off (--no-cache): "
            "nothing is kept in the cache folder."
        ),
    ] = "auto"

    val_share: Annotated[
        float,
        Meta(
            gt=0,
            lt=1,
            description="Share of the images held out for validation, where the set has no split of its own.",
        ),
    ] = 0.2

    only: Annotated[
        str, Meta(description="The classes to tell apart, by name or number, with commas between; empty: all.")
    ] = ""

    limit: Annotated[
        int,
        Meta(ge=0, le=1_000_000_000, description="Most images to train on, class shares kept; 0: all."),
    ] = 0

    label_noise: Annotated[
        float, Meta(ge=0, le=1, description="Label noise: share of the training labels replaced by another class.")
    ] = 0.0

    imbalance: Annotated[
        float,
        Meta(
            gt=0,
            le=1,
            description="Class imbalance: images of the rarest class / of the most frequent one; the others fall "
            "exponentially from one to the other.",
        ),
    ] = 1.0

    augment: Annotated[
        str, Meta(description="Random changes to training images, a chain with commas between: {names}; or none.")
    ] = "none"

    mix: Annotated[
        str,
        Meta(
            description="MixUp and CutMix, blending pairs of training images and their labels: {names}, or both with a "
            "comma between (one at random for each step); or none."
        ),
    ] = "none"

    balance: Annotated[
        Literal["none", "weights", "sampler"],
        Meta(
            description="Class balancing, so that rare classes count more: weights in the training loss "
            "(inverse class frequency), or a sampler that draws every class equally often, with replacement."
        ),
    ] = "none"

    preprocess: Annotated[
        str, Meta(description="Preprocessing of the pixels: {names}; statistics come from training images only.")
    ] = "standardise"

    net: Annotated[
        str,
        Meta(
            pattern=r"(?s).*\S.*",
            extra={"allowed": "a net expression such as conv32-relu-pool-fc, or torchvision:resnet18"},
            description="The net expression (a bare `fc` at the end has one output per class), torchvision:NAME, "
            "timm:NAME or package.module:callable.",
        ),
    ] = "[(conv32-bn-relu)*2-pool-drop0.25]*2-fc"

    weights: Annotated[
        str,
        Meta(
            description="Pretrained weights: a .pt, .pth or .safetensors file, a run's folder or its name in "
            "./runs, or default (torchvision's and timm's own); empty: none.",
        ),
    ] = ""

    init: Annotated[str, Meta(description="Initial weights: {names}. Biases start at 0 (except with own).")] = "he"

    freeze: Annotated[
        str,
        Meta(
            pattern=r"\S*",
            extra={"allowed": "all-but-head, until:NAME, a pattern on parameter names such as layer1.*, or nothing"},
            description="Frozen layers, not trained: all-but-head, until:NAME (that layer and all before it) or a "
            "pattern on parameter names (layer1.*); empty: none.",
        ),
    ] = ""

    unfreeze_at: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="Unfreeze what `freeze` names at the start of this epoch (counted from 1); 0: never.",
        ),
    ] = 0

    lr_backbone: Annotated[
        str,
        Meta(
            pattern=r"((\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?\s*[xX]?)?",
            extra={"allowed": "a share of lr such as 0.1x, a rate such as 0.0005, or nothing"},
            description="Learning rate of all but the head: a share of lr (0.1x) or a rate (0.0005), which follows the "
            "schedule as lr does; empty: lr.",
        ),
    ] = ""

    layer_decay: Annotated[
        float,
        Meta(
            gt=0,
            le=1,
            description="Layer-wise decay of the learning rate: with 0.75 the head trains at lr, the stage before it "
            "at 0.75 lr, the one before that at 0.56 lr (BEiT 2021); 1: off.",
        ),
    ] = 1.0

    loss: Annotated[str, Meta(description="Loss function: {names}.")] = "cross-entropy"

    optimizer: Annotated[str, Meta(description="Optimizer (update rule): {names}.")] = "adamw"

    lr: Annotated[float, Meta(gt=0, description="Learning rate: the schedule's highest value.")] = 5e-3

    momentum: Annotated[
        float, Meta(ge=0, lt=1, description="rho of `momentum` and `nesterov`: v = rho v + dx; 0 <= rho < 1.")
    ] = 0.9

    weight_decay: Annotated[
        float,
        Meta(
            ge=0,
            description="L2 term added to the gradient (decoupled in adamw and muon); not applied to biases and norms.",
        ),
    ] = 0.2

    clip: Annotated[
        float,
        Meta(
            ge=0,
            description="Gradient clipping: the largest 2-norm over all parameters, longer gradients are scaled down "
            "to it; 0: off.",
        ),
    ] = 0.0

    ema: Annotated[
        float,
        Meta(
            ge=0,
            lt=1,
            description="Exponential moving average of the weights (its decay), which is then validated; 0: off.",
        ),
    ] = 0.0

    scale_lr: Annotated[
        int,
        Meta(
            ge=0,
            le=10_000_000,
            description="Batch size that `lr` was tuned for: lr is multiplied by batch_size x accumulate / scale_lr "
            "(Goyal 2017); 0: off.",
        ),
    ] = 0

    schedule: Annotated[str, Meta(description="Learning-rate schedule: {names}.")] = "cosine"

    schedule_per: Annotated[
        Literal["iteration", "epoch"], Meta(description="Update the rate every iteration or every epoch.")
    ] = "iteration"

    warmup: Annotated[
        str,
        Meta(
            pattern=r"\d{1,12}(ep)?",
            extra={"allowed": "a number of iterations (500) or of epochs (2ep)"},
            description="Linear warm-up from 0: a number of iterations (`500`) or of epochs (`2ep`).",
        ),
    ] = "0"

    epochs: Annotated[int, Meta(ge=1, le=1_000_000, description="Passes over the training set.")] = 20

    batch_size: Annotated[
        int,
        Meta(
            ge=1,
            le=10_000_000,
            description="Images per step; auto: the largest power of two that fits into memory, found when the "
            "run begins.",
        ),
    ] = 32

    accumulate: Annotated[
        int,
        Meta(
            ge=1,
            le=100_000,
            description="Batches whose gradients make one step: that of accumulate x batch_size images, in the memory "
            "of batch_size. Batch norm takes its means over each batch by itself.",
        ),
    ] = 1

    patience: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="Early stopping: the run ends after this many epochs in a row without a better validation "
            "accuracy; 0: off.",
        ),
    ] = 0

    max_time: Annotated[
        str,
        Meta(
            pattern=r"([1-9]\d{0,4}h)?([1-9]\d{0,4}m)?([1-9]\d{0,5}s)?",
            extra={"allowed": "a time such as 90s, 30m, 2h or 1h30m; or nothing"},
            description="Stop with a checkpoint after this much training time (pauses not counted): 90s, 30m, 1h30m; a "
            "resume gets the same again; empty: no limit.",
        ),
    ] = ""

    seed: Annotated[
        int,
        Meta(
            ge=0,
            le=2**63 - 1,
            description="Seeds weights, order, augmentation and dropout: on a CPU one seed and one number of "
            "threads give one run, bit for bit; on a GPU one seed does, on one kind of GPU, where "
            "`deterministic` is on.",
        ),
    ] = 0

    device: Annotated[
        str,
        Meta(
            pattern=r"auto|cpu|mps|cuda(:\d{1,3})?",
            extra={"allowed": "auto, cpu, cuda, cuda:N or mps"},
            description="auto, cpu, cuda, cuda:N or mps.",
        ),
    ] = "auto"

    precision: Annotated[
        Literal["float32", "bfloat16", "float16"],
        Meta(
            description="Precision of the forward pass; weights stay float32. Large nets are up to 1.7 times "
            "as fast in bfloat16 where the processor has it (AVX512-BF16, AMX), small ones no "
            "faster. float16 is for NVIDIA GPUs without bfloat16: its loss is scaled, and an update whose "
            "gradients overflow is left out. NVIDIA GPUs since Ampere compute float32 convolutions in TF32 (10 bits of "
            "mantissa), linear layers in float32: PyTorch's own default."
        ),
    ] = "float32"

    deterministic: Annotated[
        Literal["on", "off"],
        Meta(
            description="on or off. On an NVIDIA GPU cuDNN then takes only algorithms that give the same bits "
            "every time (a step takes up to 1.09 times as long). On a CPU it changes nothing."
        ),
    ] = "on"

    graph: Annotated[
        Literal["auto", "off"],
        Meta(
            description="auto or off. On an NVIDIA GPU the training step is captured once as a CUDA graph and "
            "replayed, which saves launching its kernels one by one; losses stay the same to the last bit. What "
            "can't be captured runs as it is, and the log says why. Elsewhere it changes nothing."
        ),
    ] = "auto"

    threads: Annotated[
        int,
        Meta(
            ge=0,
            le=1024,
            description="CPU threads; 0 or auto: as many as prove quickest, one core left to the screen unless "
            "steps are long. Bits repeat with a fixed number.",
        ),
    ] = 0

    nproc: Annotated[
        int,
        Meta(
            ge=1,
            le=1024,
            description="Processes (ranks) of this machine that train together by PyTorch's DistributedDataParallel, "
            "one a GPU or a share of the CPU cores each; batch_size is cut over them.",
        ),
    ] = 1

    sync_bn: Annotated[
        Literal["on", "off"],
        Meta(
            description="With several ranks on GPUs: batch norm takes its means over the whole batch (SyncBatchNorm); "
            "off, and on CPUs: over each rank's own images."
        ),
    ] = "off"

    max_restarts: Annotated[
        int,
        Meta(
            ge=0,
            le=1000,
            description="How often torchrun starts the ranks anew, from the newest checkpoint, after one of them has "
            "died.",
        ),
    ] = 0

    rank_timeout: Annotated[
        str,
        Meta(
            pattern=r"[1-9]\d{0,6}[smh]",
            extra={"allowed": "a time such as 30s, 10m or 1h"},
            description="How long ranks wait for one that does not answer before the run ends, naming it: 30s, 10m, "
            "1h.",
        ),
    ] = "10m"

    watch_every: Annotated[
        int, Meta(ge=0, le=1_000_000_000, description="Layer statistics every N steps at most; 0: never.")
    ] = 10

    keep: Annotated[
        str,
        Meta(
            pattern=r"(last|best|every=[1-9]\d{0,8})(\s*,\s*(last|best|every=[1-9]\d{0,8}))*",
            extra={"allowed": "last, best, every=N (epochs), with commas between"},
            description="Checkpoints to keep: last, best, every=N (epochs).",
        ),
    ] = "last,best"

    save_every: Annotated[
        str,
        Meta(
            pattern=r"([1-9]\d{0,6}[smh])?",
            extra={"allowed": "a time such as 30s, 5m or 1h; or nothing"},
            description="Also write last.pt every 30s, 5m or 1h; empty: at the end of epochs, short ones 2 s apart.",
        ),
    ] = ""

    on_nan: Annotated[str, Meta(description="On a loss or gradient that is NaN or infinite: {names}.")] = "stop"

    name: Annotated[str, Meta(description="The run folder's name; empty: the data's and a number (digits-3).")] = ""

    @property
    def step_images(self) -> int:
        """Images whose gradients make one update."""
        return self.batch_size * self.accumulate
