"""The record of what was found of a training before and in its first steps, with its rows."""

from __future__ import annotations

import msgspec

from cvtui.runlog.record import Record


class ModuleFact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One module without children, in the order in which the first forward pass ran them."""

    name: str
    kind: str
    """The class's name: Conv2d, Linear, ReLU, BatchNorm2d, …"""
    options: dict[str, float] = {}
    """Arguments that the doctor reads: p of a dropout, momentum and eps of a norm."""


class WeightFact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One weight tensor (two dimensions or more), before the first step."""

    name: str
    """The parameter's: conv1.weight."""
    layer: str = ""
    fan_in: int
    fan_out: int | None = None
    """Weights that read one input; a layer drawn by the number of its outputs is measured by it."""
    mean: float | None
    std: float | None
    """Population standard deviation; exactly 0 for a constant tensor; null where a value is not finite."""


class Facts(Record, tag="facts", frozen=True, kw_only=True):
    """What was found out before and in the first steps, for the doctor; later records add to the earlier ones and win.

    Everything may be missing: null, or empty.
    """

    step: int = 0
    """Steps done when it was found."""
    # The data
    train: int | None = None
    validation: int | None = None
    """Counts of images."""
    classes: int | None = None
    """Of the data: the largest label + 1, or the number of class names."""
    label_counts: list[int] = []
    """Training images of each class."""
    label_range: list[int] = []
    """[lowest, highest] label."""
    batch_size: int | None = None
    batch_classes: list[int] = []
    """How many different classes each of the first batches held."""
    batch_sizes: list[int] = []
    """How many images each of the first batches held."""
    bad_items: list[int] = []
    """Numbers of training images with a value that is not finite (at most 20)."""
    bad_count: int | None = None
    bad_batch: int | None = None
    """The first step whose input held a value that is not finite."""
    overlap: int | None = None
    """Validation images that are also training images, value for value."""
    overlap_pairs: list[list[int]] = []
    """[training, validation] numbers of some of them."""
    bad_names: list[str] = []
    """Where the images of `bad_items` lie (paths, or the like), where that is known."""
    overlap_names: list[list[str]] = []
    """The same of `overlap_pairs`: [training, validation]."""
    doubtful: list[list[str]] = []
    """[where it lies, its label, the label of its nearest images] of training images whose nearest agree on another (at
    most 20; where the names of images are known)."""
    neighbours_train: float | None = None
    """Share of training images whose nearest other training images have, in their majority, the same label."""
    neighbours_validation: float | None = None
    """Share of validation images whose nearest training images have, in their majority, the same label."""
    neighbours_chance: float | None = None
    """What those shares would be for labels that have nothing to do with the images."""
    neighbours_count: int | None = None
    """Images compared, in each part."""
    raw_moments: list[list[float | None]] = []
    """[mean, standard deviation] of the training and of the validation images before any preprocessing: not to be
    compared with `input_mean` and `input_std`."""
    # The input as the model gets it
    input_dtype: str = ""
    input_shape: list[int] = []
    """Of one image: C x H x W, or the number of features."""
    input_mean: float | None = None
    input_std: float | None = None
    input_min: float | None = None
    input_max: float | None = None
    channel_std: float | None = None
    """Standard deviation within a channel of the first batch, the mean of them, of images with two to four."""
    input_generated: bool | None = None
    """True: a gradient was asked of the first batch's images, which another net or an attack made."""
    first_layer_mean: float | None = None
    """Of the first batch as it comes to the first layer with parameters: behind what forward itself does to it."""
    first_layer_std: float | None = None
    """As first_layer_mean."""
    validation_mean: float | None = None
    validation_std: float | None = None
    """Of the first validation batch, as the model gets it."""
    # The model
    modules: list[ModuleFact] = []
    weights: list[WeightFact] = []
    linear_pairs: list[list[str]] = []
    """[first, second]: linear layers with nothing that is not linear between them."""
    spread: dict[str, float] = {}
    """Standard deviation of the outputs of every watched layer on the first batch."""
    # Outputs and loss
    outputs: int | None = None
    """Numbers the model gives for one image."""
    rows_sum_to_one: bool | None = None
    """All outputs of the first batch lay in 0..1 and those of each image added up to 1 (to a thousandth)."""
    loss: str = ""
    """Name of the loss, where it is known."""
    loss_terms: list[str] | None = None
    """What the first loss was made of, by autograd's graph: "cross-entropy", "binary cross-entropy", … once for each;
    null where it came without a graph."""
    loss_reduction: str = ""
    """mean, sum or none, where all terms have one."""
    loss_kind: str = ""
    """Which loss it is, by its graph: cross-entropy, cross-entropy of probabilities, nll, binary cross-entropy, …"""
    loss_wants: str = ""
    """What such a loss must be given: logits, log-probabilities, probabilities or numbers."""
    loss_given: list[str] | None = None
    """What it is given: the operations from the loss back to the last layer with weights; null: not known."""
    loss_sign: int = 0
    """-1: the negative of a loss of PyTorch's is minimised; 0: not known."""
    loss_calls: list[str] = []
    """Functions of PyTorch that were called as a loss in the first step."""
    loss_weighted: bool | None = None
    """A loss of PyTorch's was called with weights of classes or images in the first step."""
    loss_value: str = ""
    """Name of the loss that costs just as much as the first, for these outputs and labels; with a "-" its negative."""
    softmax_over: list[list[int]] = []
    """[dimension, its size, dimensions, size of the first] of each softmax between the loss and the last layer."""
    given_range: list[float] = []
    """[lowest, highest] of what the loss was given in the first step, before it was clamped."""
    given_sums: list[float] = []
    """[lowest, highest] sum of a row of that."""
    given_log_sums: list[float] = []
    """The same of log(sum(exp)): 0 for log-probabilities."""
    target_kind: str = ""
    """What the loss was called with as the truth: whole numbers, numbers, one-hot, several a row, shares."""
    target_range: list[float] = []
    """[lowest, highest] of that."""
    target_sums: list[float] = []
    """[lowest, highest] sum of a row of it, where it has rows of 0 and 1, or with several numbers."""
    class_weights: list[float] = []
    """The weight of each class that a cross-entropy was called with, of up to 1,000 classes."""
    left_out_classes: list[int] = []
    """Class numbers whose images a cross-entropy leaves out (ignore_index, weights of 0), where such images came."""
    left_out_images: int | None = None
    """How many of the first batch's images they are."""
    moved_axes: list[list[int]] = []
    """[sizes before, sizes after] of a view or reshape in the first step that only a permutation can have meant."""
    byte_roughness: float | None = None
    """Mean difference of neighbouring pixels of the first images, over that of the same bytes turned by 128; null: they
    are no bytes of one scale."""
    neighbours_alike: float | None = None
    """Correlation of pixels of the first images with those beside and below them; null: small images, or plain ones."""
    picture_values: bool | None = None
    """Where that is near 0: the values are those of pictures (bytes, or cut off at an end), not drawn evenly or in a
    bell; null: too few, or not asked."""
    at_the_top: float | None = None
    """Share of their pixels that are their largest value, where more than half are."""
    jumps: list[float] = []
    """[share of neighbouring pixels of training's first images that lie three quarters of their range apart, the same
    of validation's, share of training's pixels at either end of it]; []: not known."""
    zero_eps: float | None = None
    """Adam's (or RMSprop's, Adagrad's) eps, where it is 0 in the type of the weights that it moves."""
    label_smoothing: float | None = None
    """Share of each label that a cross-entropy was told to spread over all classes."""
    positive_weight: list[float] = []
    """[pos_weight of a binary cross-entropy, positives, negatives] of the first batch."""
    broadcast: list[list[int]] = []
    """Sizes N x 1 and N of an output and a target that the loss made N x N of, or N x 1 and N x C of one-hot rows."""
    silent_images: list[int] = []
    """[images whose outputs the loss gave a gradient of exactly 0 in the first steps, images, the one class that all
    others were taught to be, or -1]; []: none was."""
    bare_log: bool = False
    """The first loss takes the logarithm of a softmax or sigmoid as it is, with no clamp or epsilon."""
    bounded_scores: str = ""
    """tanh or cosine: what a softmax cross-entropy is given lies between -1 and 1, as nothing multiplies it."""
    given_as_is: bool = False
    """Nothing is added to or multiplied with what the first loss is given: only shapes, clamps and a logarithm are."""
    softmax_inside: int = 0
    """Features of an image that a softmax between two linear layers goes over; 0: there is none in the graph."""
    pulls: list[int] = []
    """[up, down, none]: images that pull their one output so in the first step, where all that do have one force (the
    loss is a straight line); []: forces differ."""
    one_force: bool = False
    """Of several outputs: all that the loss pulls at in the first step are pulled with one force."""
    output_made: list[str] = []
    """What the model's output comes from in the loss's graph, the last operation first, up to a layer with weights."""
    one_target_for_all: bool = False
    """A binary cross-entropy compares all shares of an image with one number, 0 or 1, by its gradient."""
    output_gradient: float | None = None
    """Largest gradient of the loss by one of the model's outputs, in the first step."""
    labels_from: str = ""
    """gradient: the labels of the first batches were read from the gradient at the outputs; "": the loop told them."""
    first_loss: float | None = None
    """Loss of the first batch, as the training loop computed it."""
    cross_entropy: float | None = None
    """Mean cross-entropy of softmax(outputs) on the first batch."""
    doubled: float | None = None
    """The same of softmax(softmax(outputs)), or of outputs / 2, / 3 …: the one that is nearest to the first loss."""
    log_loss: float | None = None
    """Mean −log of the outputs themselves at the labels; null where they are no probabilities."""
    # Optimiser and loop
    optimizer: str = ""
    """Its kind in small letters: sgd, adam, adamw, …"""
    optimizers: int = 1
    """How many train the model."""
    layer_rates: dict[str, float] = {}
    """First learning rate of the layers whose parameter group is another than the first."""
    momentum: float | None = None
    weight_decay: float | None = None
    """The largest of its groups."""
    parameters: int | None = None
    """Tensors that want a gradient."""
    left_out: list[str] = []
    """Of those, the ones that the optimiser does not hold (at most 50)."""
    left_out_count: int | None = None
    """How many they are."""
    left_out_idle: int | None = None
    """How many of them had got no gradient by the first updates."""
    holds_tail: bool | None = None
    """All that the optimiser holds comes behind all of them in the model."""
    foreign: int | None = None
    """Tensors that the optimiser holds and the model does not."""
    frozen: list[str] = []
    """Tensors that are declared to want no gradient (at most 50)."""
    frozen_count: int | None = None
    """How many they are."""
    fresh_norms: int | None = None
    """Batch norms that no batch had gone through when the run began, where all are so, and parameters are frozen or not
    in the optimiser; 0: they were trained before."""
    idle_norms: int = 0
    """Batch norms in evaluation mode, in the first training step, that no batch had gone through."""
    capped_gradient: list[float] = []
    """[size, share of the entries of all gradients that have it] before the second update, where it is over a half."""
    gradient_of_one_number: bool = False
    """All entries of all gradients are one number, with its sign, before the second update."""
    weights_in_loss: bool = False
    """A sum of the weights' own squares or sizes is a part of the first loss, by its graph."""
    mirrored_seen: int | None = None
    """Images evaluated after the first epoch that are the mirror image of one that was trained on in it."""
    distinct_images: list[int] = []
    """[different images, images] of the first epoch, value for value."""
    no_gradient: list[str] = []
    """Tensors that want a gradient and had got none by the first updates (at most 50)."""
    no_gradient_count: int | None = None
    """How many they are."""
    stale_gradient: float | None = None
    """Largest share that gradients left over from the step before had in size when a new backward pass came."""
    stale_casts: int | None = None
    """Updates by which autocast's copies of the weights were behind in the first steps, at most."""
    rates: list[list[float]] = []
    """The planned learning rate: [step, rate] at some 200 places over the run."""
    accumulated: list[int] = []
    """Backward passes whose gradients were added up before each of the first updates, one for each forward pass."""
    loss_scale: float | None = None
    """The first losses' gradients as multiples of those of the mean over their batches; null: not known."""
    accuracy_counted: str = ""
    """What the told accuracies of the first steps are in place of the share of right answers: by output, over the
    batch, any of the batch, each with each (and its mean), largest of one, half of a score, rounded down, factor of the
    share, factor of the images; "": nothing of it was seen."""
    accuracy_factor: float | None = None
    """That factor."""
    accuracies: list[list[float]] = []
    """[told, right] of those steps, in order."""
    across_images: list[str] = []
    """Attention and recurrent layers without batch_first that got the images of the batch as their dimension 0."""
    accuracy_unit: str = ""
    """percent: a custom loop tells its accuracies so; they are recorded as shares."""
    output_sizes: dict[str, list[int]] = {}
    """Size of each layer's output for one image, [H, W, C] or flat, where the layer table of `run` has none."""
    emptied: bool | None = None
    """True: gradients had come, and were gone (or 0) when each of the first updates began."""
    thrown_away: list[int] = []
    """Passes before each of the first updates whose gradients were deleted before one."""
    batch_labels: list[int] = []
    """How often each class number came in the first batches together, from 0 on (none where one is above 10,000)."""
    fresh_leaves: int | None = None
    """Parameters in the loss's graph that nothing holds, and that were others in the second step than in the first."""
    plain_tensors: list[str] = []
    """Attributes of the model, tensors with gradients in the loss's graph, that are no parameters."""
    first_update: float | None = None
    """Cosine between the first update of some weights and their gradient: below 0 of descent."""
    attacked: bool | None = None
    """True: a pass of the first steps asked for the gradient of the images themselves."""
    same_random: bool | None = None
    """True: each of the first steps drew random numbers, and began with one and the same random state."""
    set_back: int | None = None
    """The step at which an epoch began with the weights of the first step."""
    moved_otherwise: bool | None = None
    """Where the optimizer made no update: True if the weights moved."""
    steps_together: list[int] = []
    """Steps before each of the first updates that one backward pass went through; 0: each step has its own."""
    repeated_layers: list[str] = []
    """Places of one nn.Sequential that hold one and the same layer with weights."""
    betas: list[float] = []
    """Of an optimizer of Adam's kind."""
    scheduler: str = ""
    """Class of a custom loop's scheduler, where it is made for a number of steps; told at the end."""
    scheduler_steps: int | None = None
    """That number."""
    scheduler_made: int | None = None
    """Steps that it has made."""
    initial_rate: float | None = None
    """The rate that a schedule multiplies."""
    norm_shift: float | None = None
    """How far, in its running deviations, the first batch norm's input lay from its running mean in the first step
    (median over the channels), of a net that was trained before."""
    norm_spread: float | None = None
    """Deviation of that input over the running one (median over the channels)."""
    norm_frozen: bool | None = None
    """True: that batch norm was in evaluation mode."""
    blank_images: list[int] = []
    """[images of the first batches that are one value all over, of how many], where there are such."""
    images_changed: list[float] = []
    """[a, b, share]: this share of the second epoch's images were those of the first times a plus b; where each channel
    has its own two, their means, and the number of channels behind them."""
    batch_neighbours: list[float] = []
    """[share of images whose nearest one of the same batch has their label, the same by chance, how near those are
    (beside the median of all pairs), images] of the first batches; []: not known."""
    validation_changes: list[int] = []
    """[images of a validation Dataset that were others at a second reading, of how many]."""
    evaluated: int | None = None
    """Images that were evaluated (without gradients) behind the first epoch, and could be compared."""
    evaluated_seen: int | None = None
    """Those of them that had been trained on in it, by 64 of their values."""
    evaluated_together: int | None = None
    """Those that came in one batch with others that had not."""
    repeated: float | None = None
    """Share of the second epoch's first images that had come in the first one, value for value: 0 where each is
    augmented anew."""
    neighbours_matter: float | None = None
    """How far the evaluated answers to some images lay from those in a larger batch, in the outputs' deviations."""
    neighbours_pull: float | None = None
    """Share of these answers' gradient, by the pixels, that lies in the batch's other images; 0 where numbers are only
    rounded by one scale for all. Told where they lay apart."""
    updates: int | None = None
    """0: the optimiser made none in all the steps up to then."""
    unlisted: list[str] = []
    """Layers in a plain Python list or dict, whose parameters nothing holds (at most 20)."""
    foreign_leaves: int | None = None
    """Parameters in the loss's graph that neither the model nor the optimiser holds."""
    foreign_still: int | None = None
    """Those of them that nothing had written to by the end of the first steps; null: it is not known."""
    zero_norms: int | None = None
    """Norms with a scale, where each of them had begun at 0."""
    eval_step: int | None = None
    """The first step that was trained in evaluation mode."""
    updates_in_eval: list[int] = []
    """[step, updates]: so many updates behind passes in evaluation mode, told as no step, came before this one."""
    evaluations_differ: float | None = None
    """How far two evaluations of the same images lay apart, as a share of the outputs' standard deviation."""
    training_mode: bool | None = None
    """True if the model was in training mode while it was trained."""
    validation_mode: bool | None = None
    """True if the model was in training mode while it was validated."""
    copy_follows: list[float] = []
    """Where the model is never evaluated itself: [share of the way of its weights from the first step on that a copy of
    it, in evaluation mode, has come by now; cosine between its way and theirs]."""
    train_mode_loss: float | None = None
    eval_mode_loss: float | None = None
    """Loss of the same batch with the same weights in evaluation mode: the latest pair measured."""
    mode_losses: list[list[float]] = []
    """[step, in training mode, in evaluation mode] of each time that it was measured."""
    overfit_loss: float | None = None
    overfit_accuracy: float | None = None
    """Accuracy after training on one batch alone."""
    overfit_steps: int | None = None
    overfit_images: int | None = None
    overfit_rates: list[list[float]] = []
    """[rate, loss, accuracy] of the same at other rates, where it failed at the recipe's; a loss of -1: not finite."""
    zeroed_loss: float | None = None
    """Loss of that batch, after it was learnt, with all inputs 0."""
    frozen_compared: int | None = None
    """Frozen tensors, statistics of batch norms included, that were compared before and after the first steps."""
    frozen_changed: list[str] = []
    """Those of them that were changed."""
    predicted: list[int] = []
    """How often each class was the answer over the latest steps."""
