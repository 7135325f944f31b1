"""Image classifiers of public fault sets (defects4ML, DeepLocalize's and DeepFD's), as PyTorch loops.

Of each the facts only; the truth is what the set's own repair changed, fixed before the doctor saw the program.
"""

from __future__ import annotations

from tests.benchmarks.doctor.real.program import Program

SGD_SLOW = ("SGD", {"lr": 1e-4})

PROGRAMS = [
    Program(
        id="47352366", source="Stack Overflow, in DeepLocalize's and DeepFD's sets",
        title="digits: the loss is not a number, accuracy 6 %",
        net="conv32f5 relu pool conv64f5 relu pool fc256 relu drop.5 fc10 relu",
        data=("digits", {"side": 16}), classes=10,
        loss="keras_crossentropy", batch=50, truth=("F40", "F42"),
        why="outputs of a ReLU are taken for probabilities; the repair is a softmax",
        repaired={"net": "conv32f5 relu pool conv64f5 relu pool fc256 relu drop.2 fc10 softmax"},
    ),
    Program(
        id="48594888", source="Stack Overflow, in DeepLocalize's set", held=True,
        title="ten kinds of small pictures learn to a half only",
        net="conv64 relu pool conv64 relu pool fc256 relu drop.3 fc10 softmax",
        data=("pictures", {"shape": (3, 16, 16), "classes": 10, "top": 255.0}), classes=10,
        loss="keras_crossentropy", batch=50, truth=("F11",),
        why="pixels of 0 to 255; the repair divides by 255",
        repaired={"data": ("pictures", {"shape": (3, 16, 16), "classes": 10}),
                  "net": "conv64 relu pool conv64 relu pool fc256 relu drop.2 fc10 softmax"},
    ),
    Program(
        id="50079585", source="Stack Overflow, in DeepLocalize's and DeepFD's sets",
        title="three classes, accuracy one third",
        net="conv32 relu pool conv32 relu pool conv64 relu fc64 relu drop.5 fc1 sigmoid",
        data=("pictures", {"shape": (3, 20, 20), "classes": 3}), classes=3, loss="keras_binary",
        optimizer=("RMSprop", {"lr": 1e-3, "alpha": 0.9}), batch=16, truth=("F41", "F27"),
        why="one sigmoid for three classes; the repair has three outputs and a softmax",
        repaired={"net": "conv32 relu pool conv32 relu pool conv64 relu fc64 relu drop.2 fc3 softmax",
                  "loss": "keras_crossentropy"},
    ),
    Program(
        id="55328966", source="Stack Overflow, in defects4ML (100), DeepLocalize's and DeepFD's sets", held=True,
        title="digits of 0 to 255: accuracy of chance, later not a number",
        net="fc784 fc50 relu fc10 sigmoid", data=("digits", {"top": 255.0}), classes=10, loss="keras_crossentropy",
        optimizer=SGD_SLOW, truth=("F11", "F39", "F40", "F35"),
        why="pixels of 0 to 255, sigmoids for exclusive classes and no activation behind the first layer were changed",
        repaired={"data": ("digits", {}), "net": "fc784 relu fc50 relu fc10 softmax",
                  "optimizer": ("SGD", {"lr": 0.1, "momentum": 0.9})},
    ),
    Program(
        id="59325381", source="Stack Overflow, in defects4ML (098) and DeepLocalize's set",
        title="digits: all is right in training, nothing in the test",
        net="conv64 pool conv32 pool fc128 relu fc10 softmax", data=("digits", {"side": 16, "top": 255.0}), classes=10,
        loss="keras_crossentropy", spoil="labels divided by 255", truth=("F24", "F13", "F21"),
        symptoms=("F02", "F36", "F37", "F19", "F18"),
        why="the labels were divided by 255 in place of the test images: as whole numbers all are 0",
        repaired={"data": ("digits", {"side": 16})},
    ),
    Program(
        id="56103207", source="Stack Overflow, in defects4ML (091)", held=True,
        title="five classes: validation accuracy 0",
        net="conv32f5 relu pool conv16 relu pool fc128 relu fc64 relu fc5 softmax",
        data=("pictures", {"shape": (1, 20, 20), "classes": 5}), classes=5, loss="keras_crossentropy", batch=100,
        steps=150, spoil="validated on the last class", truth=("F21", "F12"), symptoms=("F18", "F24"),
        why="sorted by class, and the last fifth was kept for validation; the repair shuffles before the split",
        repaired={},
    ),
    Program(
        id="45378493", source="Stack Overflow, in defects4ML (086)", held=True,
        title="a series of measurements: the net always says the same",
        net="series seriesconv16f4 bn leaky drop.2 seriesconv8f4 bn leaky drop.2 flatten fc64 bn leaky fc1 softmax",
        data=("series", {}), classes=2, loss="keras_binary", batch=128, truth=("F38",),
        why="a softmax over one output; the repair is a sigmoid",
        repaired={
            "net": "series seriesconv16f4 bn leaky seriesconv8f4 bn leaky flatten fc64 bn leaky fc1 sigmoid",
            "batch": 32, "steps": 500, "optimizer": ("Adam", {"lr": 3e-3}),
        },
    ),
    Program(
        id="31880720", source="Stack Overflow, in DeepLocalize's and DeepFD's sets",
        title="white and black cannot be told apart",
        net="fc50 relu drop.2 fc50 relu drop.2 fc1 softmax", data=("flat_pictures", {}), classes=2,
        loss="keras_binary", optimizer=("RMSprop", {"lr": 1e-3, "alpha": 0.9}), batch=1, steps=300, truth=("F38",),
        why="a softmax over one output; the repair is a sigmoid",
        repaired={"net": "fc50 relu drop.2 fc50 relu drop.2 fc1 sigmoid", "batch": 16},
    ),
    Program(
        id="defects4ml-001", source="defects4ML 001, a commit of tensorflow/models (d816971)", held=True,
        title="distorted digits: the loss becomes not a number",
        net="conv16s2 relu conv16s2 relu fc1024 relu drop.3 fc10 softmax", data=("digits", {"side": 40}), classes=10,
        loss="summed_log", batch=100, steps=150, truth=("F16", "F03", "F40"),
        why="minus the sum of log(softmax) by hand; the repair is the mean cross-entropy of logits",
        repaired={"net": "conv16s2 relu conv16s2 relu fc256 relu drop.2 fc10", "loss": "cross_entropy"},
    ),
    Program(
        id="defects4ml-005", source="defects4ML 005, a commit of gabrieleangeletti/Deep-Learning-TensorFlow (1bcc1ef)",
        title="digits: accuracy stays near 10 %",
        net="fc10", data=("digits", {}), classes=10, loss="keras_crossentropy",
        optimizer=("SGD", {"lr": 0.01}), batch=10, steps=300, truth=("F40",),
        why="raw scores reach a cross-entropy of probabilities; the repair puts the softmax back",
        repaired={"net": "fc10 softmax", "optimizer": ("SGD", {"lr": 0.1})},
    ),
    Program(
        id="hotdog-sandwich", source="GitHub programs of DeepLocalize's set", held=True,
        title="sandwich or not: hardly better than a guess",
        net="conv8f5 drop.5 relu conv16 drop.5 relu conv32 drop.5 relu fc240 relu fc120 fc2 softmax",
        data=("pictures", {"shape": (1, 16, 16), "classes": 2, "noise": 2.5}), classes=2, loss="keras_crossentropy",
        truth=("F34", "F35"),
        why="dropout of one half behind each convolution, and linear layers in a row, were removed",
        repaired={"net": "conv16f5 elu conv32 elu conv32 elu fc240 drop.2 elu fc2 softmax"},
    ),
]  # fmt: skip
