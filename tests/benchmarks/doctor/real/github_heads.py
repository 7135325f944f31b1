"""Image classifiers of GitHub threads whose head doesn't fit the loss, as PyTorch loops: facts only.

The id is the repository and the thread's number. Where a thread names no net or data, they are ours.
"""

from __future__ import annotations

from tests.benchmarks.doctor.real.program import Program

TEN = ("pictures", {"shape": (3, 16, 16), "classes": 10})
TWO = ("pictures", {"shape": (3, 16, 16), "classes": 2, "noise": 2.0})
CNN = "conv32 relu pool conv64 relu fc128 relu"

PROGRAMS = [
    Program(
        id="ACGAN-PyTorch-3", source="clvrai/ACGAN-PyTorch issue 3, pull request 4", held=True,
        title="the classifying head of a discriminator", net=f"{CNN} fc10 softmax", data=TEN, classes=10, loss="nll",
        optimizer=("Adam", {"lr": 2e-4}), batch=100, truth=("F40",),
        why="NLLLoss of probabilities; the pull request takes their logarithm",
        repaired={"net": f"{CNN} fc10 logsoftmax", "optimizer": ("Adam", {"lr": 1e-3}), "batch": 32},
    ),
    Program(
        id="LMFD-PAD-1", source="meilfang/LMFD-PAD pull request 1",
        title="real face or picture of one", net=f"{CNN} fc1 sigmoid", data=TWO, classes=2, loss="bce_logits_one",
        truth=("F40",), why="a sigmoid before a loss that has its own; the pull request removes it",
        repaired={"net": f"{CNN} fc1"},
    ),
    Program(
        id="focal-loss-pytorch-5", source="itakurah/focal-loss-pytorch pull request 5", held=True,
        title="a focal loss that hardly falls", net=f"{CNN} fc1", data=TWO, classes=2, loss="focal_of_sigmoid",
        truth=("F40",), why="the probability is given to the loss that wants the logit (net and data are ours)",
        repaired={"loss": "focal"},
    ),
    Program(
        id="opendataval-25", source="opendataval/opendataval issue 25",
        title="logistic regression of ten classes", net="fc10 sigmoid", data=("digits", {}), classes=10,
        loss="cross_entropy", truth=("F39", "F40"), optimizer=("Adam", {"lr": 1e-2}),
        why="cross-entropy of sigmoids; the answer removes the sigmoid", repaired={"net": "fc10"},
    ),
    Program(
        id="Tensorflow-101-3", source="sjchoi86/Tensorflow-101 pull request 3", held=True,
        title="digits by two hidden layers", net="fc256 sigmoid fc128 sigmoid fc10 sigmoid", data=("digits", {}),
        classes=10, loss="cross_entropy", truth=("F39", "F40"),
        why="sigmoids before a softmax cross-entropy; the pull request removes them",
        repaired={"net": "fc256 sigmoid fc128 sigmoid fc10", "optimizer": ("Adam", {"lr": 3e-3})},
    ),
    Program(
        id="AlexNet_with_tensorflow-2", source="hjptriplebee/AlexNet_with_tensorflow issue 2", held=True,
        title="the last layer of an AlexNet",
        net="conv32 relu pool conv64 relu fc128 relu drop.5 fc128 relu drop.5 fc10 relu",
        data=TEN, classes=10, loss="cross_entropy", truth=("F42", "F40"),
        why="a ReLU behind the last layer: no score can be below 0; the answer agrees",
        repaired={"net": "conv32 relu pool conv64 relu fc128 relu drop.2 fc128 relu drop.2 fc10"},
    ),
    Program(
        id="tf-dev-summit-tensorboard-tutorial-3", source="martinwicke/tf-dev-summit-tensorboard-tutorial issue 3",
        title="digits learn to 65 % and no further", net="conv32f5 relu pool conv64f5 relu pool fc256 relu fc10 relu",
        data=("digits", {"side": 16}), classes=10, loss="cross_entropy", truth=("F42", "F40"), batch=100,
        why="a ReLU on the scores; without it 99 %, says the thread",
        repaired={"net": "conv32f5 relu pool conv64f5 relu pool fc256 relu fc10"},
    ),
    Program(
        id="tensorflow-vgg-13", source="huyng/tensorflow-vgg issue 13", held=True,
        title="a VGG whose scores pass a ReLU", net="conv32 relu conv32 relu pool conv64 relu fc128 relu fc10 relu",
        data=TEN, classes=10, loss="cross_entropy", truth=("F42", "F40"), why="a ReLU on the scores",
        repaired={"net": "conv32 relu conv32 relu pool conv64 relu fc128 relu fc10"},
    ),
    Program(
        id="darch-12", source="maddin79/darch issue 12", held=True,
        title="predictions get worse with dropout", net="fc100 relu drop.5 fc10 drop.5", data=("digits", {}),
        classes=10, loss="cross_entropy", truth=("F42",),
        why="dropout reaches the output layer; the repair keeps it to the hidden ones",
        repaired={"net": "fc100 relu drop.2 fc10"},
    ),
    Program(
        id="model-zoo-8", source="FluxML/model-zoo issue 8",
        title="digits by squared error", net="fc32 relu fc10", data=("digits", {}), classes=10,
        loss="one_hot_probability_squares", truth=("F43",),
        why="squared error behind a softmax; the repair is the cross-entropy",
        repaired={"loss": "cross_entropy"},
    ),
    Program(
        id="CGES-1", source="jaehong31/CGES issue 1", held=True,
        title="digits by a small convolutional net",
        net="conv32f5 relu pool conv64f5 relu pool fc256 relu fc10 softmax",
        data=("digits", {"side": 16}), classes=10, loss="cross_entropy", truth=("F15", "F40"),
        why="softmax in the net and in the loss; the answer removes the first",
        repaired={"net": "conv32f5 relu pool conv64f5 relu pool fc256 relu fc10"},
    ),
    Program(
        id="tflearn-562", source="tflearn/tflearn pull request 562",
        title="the softmax of an example is applied twice", net="fc64 relu fc64 relu fc10 softmax",
        data=("digits", {}), classes=10, loss="cross_entropy", optimizer=("SGD", {"lr": 0.1}), truth=("F15", "F40"),
        why="softmax in the net and in the loss; the pull request removes the first (net and data are ours)",
        repaired={"net": "fc64 relu fc64 relu fc10", "optimizer": ("Adam", {"lr": 1e-3})},
    ),
    Program(
        id="pytorchfundamentals-21", source="MicrosoftDocs/pytorchfundamentals pull request 21, issue 4", held=True,
        title="digits by one dense layer", net="fc10 logsoftmax0", data=("digits", {}), classes=10, loss="nll",
        batch=64, optimizer=("Adam", {"lr": 1e-2}), truth=("F48",),
        why="log_softmax over the batch; the pull request takes the classes' dimension",
        repaired={"net": "fc10 logsoftmax"},
    ),
    Program(
        id="pointnet.pytorch-27", source="fxia22/pointnet.pytorch issue 27",
        title="the scores of a classifier of shapes", net="conv32 relu pool conv64 relu fc64 bn relu fc10 logsoftmax0",
        data=TEN, classes=10, loss="nll", truth=("F48",),
        why="log_softmax over the batch; fixed in a later version (points are pictures here)",
        repaired={"net": "conv32 relu pool conv64 relu fc64 bn relu fc10 logsoftmax"},
    ),
    Program(
        id="mstn-5", source="EasonApolo/mstn issue 5", held=True,
        title="a softmax over the batch in a classifier that is adapted", net=f"{CNN} fc10 softmax0", data=TEN,
        classes=10, loss="negative_log", truth=("F48",),
        why="the softmax's dimension is 0; with 1 it converges earlier, says the thread",
        repaired={"net": f"{CNN} fc10 softmax"},
    ),
]  # fmt: skip
