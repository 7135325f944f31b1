"""Fifteen image classifiers of Stack Overflow (from a public set of 109 programs, ASE 2023), as PyTorch loops."""

from __future__ import annotations

from tests.benchmarks.doctor.real.program import Program

ADAM_SLOW = ("Adam", {"lr": 1e-4})
RMSPROP = ("RMSprop", {"lr": 1e-3, "alpha": 0.9})

PROGRAMS = [
    Program(
        id="47704695",
        title="accuracy stays at one half",
        net="conv16f5 relu pool drop.5 conv32 relu pool drop.5 fc64 relu fc64 relu drop.5 fc1 softmax",
        data=("pictures", {"shape": (3, 16, 16), "classes": 2, "noise": 3.0}),
        classes=2, loss="keras_binary", truth=("F38",),
        why="a softmax over one output is 1 whatever comes in: its gradient is 0",
        repaired={"net": "conv16f5 relu pool drop.2 conv32 relu pool fc64 relu drop.2 fc1 sigmoid"},
    ),
    Program(
        id="48385830",
        title="a handwritten net of digits does not get better than chance",
        net="fc30 fc10", data=("digits", {}), classes=10, loss="one_hot_squares",
        optimizer=("SGD", {"lr": 3.0}), batch=10, steps=300, spoil="normal weights",
        truth=("F35", "F10", "F01", "F43"),
        why="no activation, weights of N(0, 1), a rate of 3, squares for classes: each was changed in the answer",
        repaired={"net": "fc30 relu fc10", "loss": "cross_entropy", "optimizer": ("SGD", {"lr": 0.1})},
    ),
    Program(
        id="51581521",
        title="fine-tuning that stays at one half",
        net="conv32 relu pool conv64 relu pool fc256 relu drop.5 fc1 softmax", frozen=6,
        data=("pictures", {"shape": (3, 16, 16), "classes": 2}), classes=2, loss="keras_binary", batch=64,
        truth=("F38",), why="a softmax over one output; the layers before it are frozen on purpose",
        repaired={"net": "conv32 relu pool conv64 relu pool fc256 relu drop.2 fc1 sigmoid"},
    ),
    Program(
        id="51901386",
        title="the loss does not fall with nine classes",
        net="conv64 relu conv64 relu pool conv64 relu pool fc256 relu drop.5 fc9 relu",
        data=("pictures", {"shape": (3, 20, 32), "classes": 9}), classes=9, loss="keras_crossentropy",
        optimizer=ADAM_SLOW, batch=24, truth=("F40", "F42"),
        why="outputs of a ReLU are taken for probabilities; a softmax belongs there",
        repaired={"net": "conv64 relu conv64 relu pool conv64 relu pool fc256 relu drop.2 fc9 softmax"},
    ),
    Program(
        id="55198221",
        title="validation accuracy does not move with five classes",
        net="conv16f2 relu pool conv16f2 relu pool conv32f2 relu pool fc128 relu fc5 sigmoid",
        data=("pictures", {"shape": (3, 20, 20), "classes": 5}), classes=5, loss="keras_crossentropy",
        optimizer=ADAM_SLOW, truth=("F39",), why="sigmoids for classes that exclude each other",
        repaired={
            "net": "conv16f2 relu pool conv16f2 relu pool conv32f2 relu pool fc128 relu fc5 softmax",
            "optimizer": ("Adam", {"lr": 1e-3}),
        },
    ),
    Program(
        id="58844149",
        title="the same loss in each epoch",
        net="conv96f11 relu pool conv128 relu fc300 relu drop.2 fc1 softmax",
        data=("pictures", {"shape": (1, 20, 20), "classes": 2}), classes=2, loss="keras_binary", truth=("F38",),
        why="a softmax over one output",
        repaired={"net": "conv96f11 relu pool conv128 relu fc300 relu drop.2 fc1 sigmoid"},
    ),
    Program(
        id="60355380",
        title="accuracy does not change after the first epoch",
        net="conv32f2 relu conv32f2 relu fc128 relu fc64 relu fc32 relu fc1 softmax",
        data=("pictures", {"shape": (1, 5, 5), "classes": 2, "noise": 0.5}), classes=2, loss="keras_binary",
        truth=("F38",), why="a softmax over one output",
        repaired={"net": "conv32f2 relu conv32f2 relu fc128 relu fc64 relu fc32 relu fc1 sigmoid"},
    ),
    Program(
        id="60508218",
        title="a classifier of cats and dogs that guesses",
        net="conv32 relu conv64 relu pool drop.25 fc128 relu drop.5 fc2 sigmoid",
        data=("pictures", {"shape": (3, 18, 18), "classes": 2, "count": 200}), classes=2, loss="keras_binary",
        optimizer=("Adam", {"lr": 3e-5}), batch=10, truth=("F39", "F02"),
        why="two sigmoids for two classes that exclude each other, at a rate of 3e-5",
        symptoms=("F36", "F37", "F19"),
        repaired={
            "net": "conv32 relu conv64 relu pool drop.25 fc128 relu drop.2 fc2 softmax", "loss": "keras_crossentropy",
            "optimizer": ("Adam", {"lr": 1e-3}),
        },
    ),
    Program(
        id="60874661",
        title="the loss becomes ever more negative",
        net="conv32 relu pool conv32 relu pool conv64 relu fc64 relu drop.5 fc1 sigmoid",
        data=("pictures", {"shape": (3, 26, 26), "classes": 10, "top": 255.0}), classes=10, loss="keras_binary",
        optimizer=RMSPROP, truth=("F41", "F27", "F11"), why="one output for ten classes; pixels of 0 to 255",
        repaired={
            "net": "conv32 relu pool conv32 relu pool conv64 relu fc64 relu drop.2 fc10 softmax",
            "data": ("pictures", {"shape": (3, 26, 26), "classes": 10}), "loss": "keras_crossentropy",
        },
    ),
    Program(
        id="61886777",
        title="three classes, and always the same one is said",
        net="conv16 relu pool bn drop.2 fc512 relu fc3 sigmoid",
        data=("pictures", {"shape": (1, 20, 20), "classes": 3}), classes=3, loss="keras_crossentropy",
        truth=("F39",), why="sigmoids with a categorical cross-entropy",
        repaired={"net": "conv16 relu pool bn drop.2 fc512 relu fc3 softmax"},
    ),
    Program(
        id="64387251",
        title="a layer on top of a frozen one stays at one half",
        net="fc1500 relu fc1", frozen=2, data=("digits", {"classes": 2}), classes=2, loss="keras_binary", batch=290,
        truth=("F40",), why="a raw score is taken for a probability: no activation on the output",
        repaired={"net": "fc1500 relu fc1 sigmoid"},
    ),
    Program(
        id="66235657",
        title="accuracy of one in seven",
        net="conv64 relu pool conv64 relu pool fc64 fc1 sigmoid",
        data=("pictures", {"shape": (3, 20, 20), "classes": 7}), classes=7, loss="keras_binary",
        truth=("F41", "F27"), why="one output for seven classes",
        repaired={"net": "conv64 relu pool conv64 relu pool fc64 relu fc7 softmax", "loss": "keras_crossentropy"},
    ),
    Program(
        id="68101077",
        title="digits at an accuracy of chance",
        net="fc128 relu fc10", data=("digits", {}), classes=10, loss="keras_crossentropy", truth=("F40",),
        why="raw scores are taken for probabilities", repaired={"net": "fc128 relu fc10 softmax"},
    ),
    Program(
        id="70589997",
        title="a hundred kinds of food, accuracy 0",
        net="conv32f5 relu pool conv64f5 relu fc1 sigmoid",
        data=("pictures", {"shape": (3, 18, 18), "classes": 101, "count": 1010, "noise": 0.5}), classes=101,
        loss="number_squares", truth=("F41", "F27", "F43"), why="one output, the class number compared as a quantity",
        repaired={"net": "conv32f5 relu pool conv64f5 relu fc101", "loss": "cross_entropy"},
    ),
    Program(
        id="70148149",
        title="a convolution over time that does not learn",
        net="series seriesconv320f8 relu fc200 relu drop.6 fc100 relu drop.6 flatten fc1 softmax",
        data=("series", {}), classes=2, loss="keras_binary", optimizer=("Adam", {"lr": 1e-5}), batch=64,
        truth=("F38", "F02", "F34"), symptoms=("F36", "F37", "F19"),
        why="a softmax over one output; the rate of 1e-5 and two dropouts of 0.6 were changed as well",
        repaired={
            "net": "series seriesconv64f8 relu overtime fc100 relu drop.2 fc1 sigmoid",
            "optimizer": ("Adam", {"lr": 1e-3}),
        },
    ),
]  # fmt: skip
