"""Image classifiers of GitHub threads whose loop or data was wrong, as PyTorch loops: facts only.

The id is the repository and the thread's number. Where a thread names no net or data, they are ours.
"""

from __future__ import annotations

from tests.benchmarks.doctor.real.program import Program

TEN = ("pictures", {"shape": (3, 16, 16), "classes": 10})
FIVE = ("pictures", {"shape": (3, 16, 16), "classes": 5})
CNN = "conv32 relu pool conv64 relu fc128 relu fc10"
FIVE_CNN = "conv32 relu pool conv64 relu fc128 relu fc5"
NORMED = "conv32 bn relu pool conv64 bn relu fc128 relu drop.5 fc10"
DROPPED = "conv32 relu pool conv64 relu fc128 relu drop.5 fc10"
SGD = ("SGD", {"lr": 0.01, "momentum": 0.9})

PROGRAMS = [
    # ------------------------------------------------------------------ the optimizer
    Program(
        id="nni-3339", source="microsoft/nni pull request 3339",
        title="the accuracy of an image classifier never changes", net=CNN, data=TEN, classes=10,
        loss="cross_entropy", loop="never stepped", truth=("F44",),
        why="loss and gradient are computed, the optimizer is never stepped, says the pull request",
        repaired={},
    ),
    Program(
        id="nni-4521", source="microsoft/nni issue 4521", held=True,
        title="a pruned net does not change when it is fine-tuned", net=CNN, data=TEN, classes=10,
        loss="cross_entropy", optimizer=SGD, loop="old weights", truth=("F26", "F44"),
        why="layers were replaced after the optimizer was made: it holds the old weights",
        repaired={"optimizer": ("SGD", {"lr": 0.05, "momentum": 0.9})},
    ),
    Program(
        id="FairMOT-125", source="ifzhang/FairMOT issues 99 and 125", held=True,
        title="the classifying layer of identities is not optimised", net=CNN, data=TEN, classes=10,
        loss="cross_entropy", loop="head left out", truth=("F26",),
        why="the last layer is not among the optimizer's parameters; later versions train it", repaired={},
    ),
    Program(
        id="deep-learning-v2-pytorch-160", source="udacity/deep-learning-v2-pytorch pull request 160",
        title="transfer learning with gradients that add up", frozen=4, net=FIVE_CNN, data=FIVE, classes=5,
        loss="cross_entropy", optimizer=("Adam", {"lr": 3e-3}), batch=64, loop="not zeroed", truth=("F25",),
        why="zero_grad is missing; the pull request adds it", repaired={"optimizer": ("Adam", {"lr": 1e-3})},
    ),
    Program(
        id="Flow-Factory-186", source="X-GenGroup/Flow-Factory pull request 186",
        title="the loss of full fine-tuning stays flat", net=CNN, data=TEN, classes=10, loss="cross_entropy",
        optimizer=("AdamW", {"lr": 1e-3}), batch=32, steps=300, loop="one autocast", truth=("F56",),
        why="one autocast context stands around the loop and hides the updates; the pull request enters it in each "
        "forward pass (there an image generator; net and data are ours)",
        repaired={"loop": "autocast by step", "batch": 64, "steps": 400},
    ),
    Program(
        id="insightface-2258", source="deepinsight/insightface issue 2258", held=True,
        title="gradient accumulation of a classifier of faces", net=CNN, data=TEN, classes=10, loss="cross_entropy",
        optimizer=("SGD", {"lr": 0.05, "momentum": 0.9}), batch=16, steps=300, loop="accumulated, not divided",
        truth=("F50",), why="the loss is not divided by the number of batches; confirmed in the thread",
        repaired={"loop": "accumulated", "steps": 600},
    ),
    Program(
        id="transformers-48207", source="huggingface/transformers pull request 48207 (issue 47688)",
        title="the loss of an image classifier is inflated under accumulation",
        net="conv64f4s4 relu gap fc64 relu fc10", data=TEN, classes=10, loss="cross_entropy",
        optimizer=("AdamW", {"lr": 3e-3}), batch=16, steps=300, loop="accumulated, not divided", truth=("F50",),
        why="the loss of each batch is not divided by the number of batches (net and data are ours)",
        repaired={"loop": "accumulated", "net": "conv64f4s2 relu conv64f3 relu gap fc64 relu fc10",
                  "steps": 800, "optimizer": ("AdamW", {"lr": 5e-3})},
    ),
    Program(
        id="tutorials-640", source="pytorch/tutorials pull request 640", held=True,
        title="the schedule of a transfer-learning loop", net=CNN, data=TEN, classes=10, loss="cross_entropy",
        optimizer=("SGD", {"lr": 0.05, "momentum": 0.9}), loop="schedule by batch", truth=("F32",),
        symptoms=("F02", "F36", "F37", "F19"),
        why="a tenth every seven batches, not epochs; the pull request steps it once an epoch",
        repaired={"loop": "schedule by epoch"},
    ),
    # ------------------------------------------------------------------ layers and modes
    Program(
        id="pytorch-666", source="pytorch/pytorch issue 666", held=True,
        title="layers in a list are not printed and not trained", net="fc64 relu fc64 relu fc64 relu fc10",
        data=("digits", {}), classes=10, loss="cross_entropy", spoil="layers in a list", truth=("F45",),
        why="a Python list in place of nn.ModuleList (the thread names no data)", repaired={},
    ),
    Program(
        id="TorchSharp-532", source="dotnet/TorchSharp issue 532", held=True,
        title="layers in an array break the learning", net="fc128 sigmoid fc64 sigmoid fc10", data=("digits", {}),
        classes=10, loss="cross_entropy", optimizer=("SGD", {"lr": 0.1}), spoil="layers in a list", truth=("F45",),
        why="layers in an array are not registered (the thread names no data)",
        repaired={"optimizer": ("Adam", {"lr": 3e-3})},
    ),
    Program(
        id="torchfix-31", source="meta-pytorch/torchfix issue 31", held=True,
        title="hidden layers that no optimizer sees", net="conv32 relu pool conv64 relu fc64 relu fc10", data=TEN,
        classes=10, loss="cross_entropy", spoil="layers in a list", truth=("F45",),
        why="a Python list in place of nn.ModuleList (net and data are ours)", repaired={},
    ),
    Program(
        id="optuna-1725", source="optuna/optuna pull request 1725",
        title="clothes by dense layers with dropout", net="fc128 relu drop.5 fc64 relu drop.5 fc10",
        data=("digits", {}), classes=10, loss="cross_entropy", batch=64, loop="train() once", truth=("F46",),
        why="train() stands before the loop of epochs, and eval() in it; the pull request moves it",
        repaired={"net": "fc128 relu drop.2 fc64 relu drop.2 fc10"},
    ),
    Program(
        id="resnet_finetune_cub-6", source="zhangyongshun/resnet_finetune_cub issue 6", held=True,
        title="birds by a net with batch norm", net=NORMED, data=TEN, classes=10, loss="cross_entropy",
        loop="train() once", truth=("F46",), why="train() must be called in every epoch, says the thread",
        repaired={"net": "conv32 bn relu pool conv64 bn relu fc128 relu drop.2 fc10"},
    ),
    Program(
        id="SimpleNet-2", source="Coderx7/SimpleNet issue 2", held=True,
        title="a trained net answers differently each time",
        net="conv32 bn relu pool conv64 bn relu drop.5 fc128 relu fc10", data=TEN, classes=10, loss="cross_entropy",
        spoil="functional dropout", truth=("F47",), why="functional dropout with training=True; fixed",
        repaired={"net": "conv32 bn relu pool conv64 bn relu drop.2 fc128 relu fc10"},
    ),
    Program(
        id="pytorch_DANN-14", source="CuthbertCai/pytorch_DANN issue 14", held=True,
        title="a classifier of digits loses two or three points",
        net="conv32f5 relu pool conv48f5 relu pool fc100 relu drop.5 fc100 relu fc10",
        data=("digits", {"side": 16}), classes=10, loss="cross_entropy", optimizer=SGD,
        spoil="functional dropout", truth=("F47",), why="F.dropout without `training` stays alive in evaluation",
        repaired={"net": "conv32f5 relu pool conv48f5 relu pool fc100 relu drop.2 fc100 relu fc10",
                  "optimizer": ("SGD", {"lr": 0.03, "momentum": 0.9})},
    ),
    Program(
        id="NTS-Net-14", source="yangze0930/NTS-Net issue 14", held=True,
        title="eval() has no effect on dropout", net=DROPPED, data=TEN, classes=10, loss="cross_entropy",
        spoil="dropout made in forward", truth=("F47",), why="nn.Dropout is constructed in forward",
        repaired={"net": "conv32 relu pool conv64 relu fc128 relu drop.2 fc10"},
    ),
    Program(
        id="deep-learning-v2-pytorch-3", source="udacity/deep-learning-v2-pytorch issue 3",
        title="digits by dense layers: validation without eval()", net="fc512 relu drop.2 fc512 relu drop.2 fc10",
        data=("digits", {}), classes=10, loss="cross_entropy", optimizer=("SGD", {"lr": 0.05, "momentum": 0.9}),
        batch=20, loop="never eval()", truth=("F47",), why="eval() is never called; the owner adds it", repaired={},
    ),
    # ------------------------------------------------------------------ data
    Program(
        id="super-gradients-416", source="Deci-AI/super-gradients issue 416",
        title="a batch holds one class only", net=CNN, data=TEN, classes=10, loss="cross_entropy", optimizer=SGD,
        loop="sorted", truth=("F12",), why="the loader does not shuffle by default; shuffle=True solves it",
        repaired={"optimizer": ("SGD", {"lr": 0.05, "momentum": 0.9})},
    ),
    Program(
        id="deepcluster-46", source="facebookresearch/deepcluster issue 46", held=True,
        title="a classifier that is trained without shuffling", net=NORMED, data=TEN, classes=10,
        loss="cross_entropy", batch=16, loop="sorted", truth=("F12",),
        why="shuffle=False in training (net and data are ours)",
        repaired={"net": "conv32 bn relu pool conv64 bn relu fc128 relu drop.2 fc10", "batch": 32},
    ),
    Program(
        id="ResNet-pytorch-1", source="JeasunLok/ResNet-pytorch issue 1",
        title="training is right, the test is very low", net="conv32 bn relu pool conv64 bn relu gap fc10", data=TEN,
        classes=10, loss="cross_entropy", spoil="only training normalised", truth=("F21",),
        symptoms=("F18",), why="the test images are not normalised; the owner made both alike",
        repaired={"spoil": "normalised", "net": "conv32 bn relu pool conv64 bn relu fc64 relu fc10"},
    ),
    Program(
        id="iTAML-3", source="brjathu/iTAML issue 3", held=True,
        title="small pictures: the test does not work", net=CNN, data=TEN, classes=10, loss="cross_entropy",
        spoil="only validation normalised", truth=("F21",), symptoms=("F18",),
        why="the training transform lacks the Normalize that the test has; fixed", repaired={"spoil": "normalised"},
    ),
    Program(
        id="kaggle_image-classify-12", source="Borda/kaggle_image-classify pull request 12", held=True,
        title="pictures with labels of others", net=FIVE_CNN, data=FIVE, classes=5, loss="cross_entropy",
        spoil="labels of other images", truth=("F13",), symptoms=("F18", "F36", "F37", "F19", "F14"),
        why="the labels were read before the files were shuffled; the pull request changes the order", repaired={},
    ),
    Program(
        id="coral-ordinal-6", source="ck37/coral-ordinal issue 6", held=True,
        title="digits: the test is right in 10 %", net="conv32 relu pool conv64 relu pool fc64 relu fc10",
        data=("digits", {"side": 16}), classes=10, loss="cross_entropy", spoil="validation labels of other images",
        truth=("F21",), symptoms=("F18",), why="the test images were shuffled, the labels they are compared with not",
        repaired={},
    ),
    Program(
        id="darknet-674", source="AlexeyAB/darknet issue 674", held=True,
        title="letters are mirrored in training", net="conv32 relu pool conv64 relu fc128 relu fc6",
        data=("pictures", {"shape": (1, 16, 16), "classes": 6, "mirrored": True, "noise": 0.6}), classes=6,
        loss="cross_entropy", loop="mirrored", truth=("F51",), symptoms=("F36", "F37", "F19", "F13", "F14"),
        why="each image is mirrored in one half of cases, and no option switches it off: b becomes d",
        repaired={},
    ),
    Program(
        id="mo4tech-0.69", source="a page of mo4tech.com (cats and dogs, CrossEntropyLoss stays at 0.69)",
        title="two classes, the loss stays at 0.69", net="conv32 bn relu pool conv64 bn relu gap fc2",
        data=("pictures", {"shape": (3, 16, 16), "classes": 2, "noise": 2.0}), classes=2, loss="cross_entropy",
        loop="cut small", truth=("F51",), symptoms=("F36", "F37", "F19"),
        why="crops of 50 of 128 pixels, vertical flips, colours changed by a half; without them it converges",
        repaired={"net": "conv32 bn relu pool conv64 bn relu fc64 relu fc2"},
    ),
    # ------------------------------------------------------------------ rates
    Program(
        id="SVHNClassifier-PyTorch-12", source="potterhsu/SVHNClassifier-PyTorch issue 12",
        title="the loss becomes not a number", net="conv48f5 relu pool conv64f5 relu fc128 relu fc10", data=TEN,
        classes=10, loss="cross_entropy", optimizer=("SGD", {"lr": 0.16, "momentum": 0.9, "weight_decay": 5e-4}),
        truth=("F01", "F31", "F03"), why="a rate of 0.16; 0.016, says the thread (data are ours)",
        repaired={"optimizer": ("SGD", {"lr": 0.016, "momentum": 0.9, "weight_decay": 5e-4})},
    ),
    Program(
        id="examples-736", source="pytorch/examples issue 736", held=True,
        title="digits: the loss is not a number with SGD",
        net="conv32 relu conv64 relu pool drop.25 fc128 relu drop.5 fc10 logsoftmax", data=("digits", {"side": 16}),
        classes=10, loss="nll", optimizer=("SGD", {"lr": 1.0}), batch=64, steps=150, spoil="normalised",
        truth=("F01", "F31", "F03"), why="Adadelta's rate of 1 with SGD; the answer lowers it",
        repaired={"spoil": "normalised", "optimizer": ("SGD", {"lr": 0.05}),
                  "net": "conv16 relu conv32 relu pool drop.2 fc128 relu drop.2 fc10 logsoftmax"},
    ),
    Program(
        id="FaceRecognition_PyTorch-2", source="BobLiu20/FaceRecognition_PyTorch issue 2",
        title="faces: not a number at the rate of the instructions",
        net="conv32 relu conv64s2 relu conv64 relu conv128s2 relu fc128 relu fc20",
        data=("pictures", {"shape": (3, 16, 16), "classes": 20, "count": 800, "noise": 0.5}), classes=20,
        loss="cross_entropy", optimizer=("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4}), steps=200,
        truth=("F01", "F31", "F03", "F30"), symptoms=("F36", "F37", "F19", "F04"),
        why="0.1; with 0.001 the loss changes normally, says the thread (data are ours)",
        repaired={"optimizer": ("SGD", {"lr": 0.01, "momentum": 0.9, "weight_decay": 5e-4}), "steps": 400},
    ),
    # ------------------------------------------------------------------ the accuracy
    Program(
        id="pytorch-deep-learning-163", source="mrdbourke/pytorch-deep-learning issue 163", held=True,
        title="the accuracy of the confusion matrix is lower",
        net="conv10 relu conv10 relu pool conv10 relu conv10 relu pool fc10",
        data=("digits", {"side": 22}), classes=10, loss="cross_entropy", optimizer=("SGD", {"lr": 0.1}),
        loop="accuracy over the batch", truth=("F49",), why="the softmax before argmax has dimension 0",
        repaired={"optimizer": ("Adam", {"lr": 3e-3}), "steps": 400},
    ),
    Program(
        id="beginners-pytorch-deep-learning-36", held=True,
        source="falloutdurham/beginners-pytorch-deep-learning pull request 36",
        title="fish or cat", net="fc84 relu fc50 relu fc2",
        data=("pictures", {"shape": (3, 20, 20), "classes": 2, "noise": 2.0}), classes=2, loss="cross_entropy",
        batch=64, loop="accuracy over the batch", truth=("F49",), repaired={},
        why="the softmax before argmax has dimension 0",
    ),
    Program(
        id="GaNDLF-351", source="mlcommons/GaNDLF issue 351", held=True,
        title="brain scans: the training accuracy is above 1",
        net="conv32 relu conv32 relu pool conv64 relu fc64 relu fc2",
        data=("pictures", {"shape": (1, 16, 16), "classes": 2, "noise": 2.0}), classes=2, loss="cross_entropy",
        loop="accuracy by batches", truth=("F49",),
        why="right answers are divided by something that is not their number",
        repaired={},
    ),
    Program(
        id="Soft-Decision-Tree-6", source="xuyxu/Soft-Decision-Tree issue 6",
        title="the training accuracy is far too low", net="fc64 relu fc10", data=("digits", {}), classes=10,
        loss="cross_entropy", batch=64, loop="accuracy by the dataset", truth=("F49",),
        why="right answers of a batch are divided by the size of the whole set, says the answer (a net for the tree)",
        repaired={},
    ),
    Program(
        id="data2040_final-1", source="frlim/data2040_final issue 1", held=True,
        title="ten classes: 90 % from the first epoch on", net=f"{CNN} softmax", data=TEN, classes=10,
        loss="keras_binary", loop="accuracy by output", truth=("F49",),
        why="the accuracy of binary decisions, output by output: too high, says the thread",
        repaired={"loss": "keras_crossentropy"},
    ),
]  # fmt: skip
