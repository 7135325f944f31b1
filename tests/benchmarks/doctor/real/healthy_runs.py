"""Forty and more runs that are right and unusual: whatever warns of them is a false alarm."""

from __future__ import annotations

from typing import Any

from tests.benchmarks.doctor.real.program import Program

TEN: tuple[str, dict[str, Any]] = ("pictures", {"shape": (3, 16, 16), "classes": 10})
FIVE: tuple[str, dict[str, Any]] = ("pictures", {"shape": (3, 16, 16), "classes": 5})
TWO: tuple[str, dict[str, Any]] = ("pictures", {"shape": (3, 16, 16), "classes": 2, "noise": 2.0})
DIGITS: tuple[str, dict[str, Any]] = ("digits", {"side": 16})
CNN = "conv32 relu pool conv64 relu fc128 relu"
NORMED = "conv32 bn relu pool conv64 bn relu fc64 bn relu"
MOMENTUM = ("SGD", {"lr": 0.05, "momentum": 0.9})


def _healthy(name: str, **fields: Any) -> Program:
    """Return a run of which nothing is to be said."""
    plain: dict[str, Any] = {"title": name, "data": TEN, "classes": 10, "loss": "cross_entropy", "net": f"{CNN} fc10"}
    rest = {"truth": (), "why": "nothing is wrong", "repaired": {}, "source": "ours"}
    return Program(**{**plain, **rest, **fields, "id": f"ok-{name}"})


RUNS = [
    # ------------------------------------------------------------------ heads and losses
    _healthy("softmax-log-nll", net=f"{CNN} fc10 softmax", loss="negative_log"),
    _healthy("log-softmax-nll", net=f"{CNN} fc10 logsoftmax", loss="nll"),
    _healthy(
        "log-softmax-cross-entropy", net=f"{CNN} fc10 logsoftmax",
        source="Randl/MobileNetV2-pytorch issue 5, itayhubara/BinaryNet.pytorch issue 11: twice is once",
    ),
    _healthy("keras-softmax", net=f"{CNN} fc10 softmax", loss="keras_crossentropy"),
    _healthy("one-logit", net=f"{CNN} fc1", data=TWO, classes=2, loss="bce_logits_one"),
    _healthy("one-sigmoid", net=f"{CNN} fc1 sigmoid", data=TWO, classes=2, loss="bce_one"),
    _healthy("two-outputs", net=f"{CNN} fc2", data=TWO, classes=2),
    _healthy("multi-label", net=f"{CNN} fc3", data=("pictures", {"shape": (3, 16, 16), "classes": 8}), classes=3,
             loop="multi-label"),
    _healthy("label-smoothing", loop="label smoothing"),
    _healthy("hinge", loop="hinge"),
    _healthy("focal", loop="focal"),
    _healthy("summed-and-divided", loop="summed and divided"),
    _healthy("mixup", loop="mixup"),
    _healthy("cutmix", loop="cutmix", steps=300),
    _healthy("distillation", net="conv16 relu pool conv32 relu fc64 relu fc10", loop="distillation"),
    _healthy("rare-class-weights", net="conv16 relu pool conv32 relu fc64 relu fc2", data=("rare", {}), classes=2,
             loop="class weights", steps=300),
    _healthy("rare-class-sampler", net="conv16 relu pool conv32 relu fc64 relu fc2", data=("rare", {}), classes=2,
             loop="balanced", steps=300),
    # ------------------------------------------------------------------ optimizers and schedules
    _healthy("sgd-half-batch-norm", net=f"{NORMED} fc10", optimizer=("SGD", {"lr": 0.5})),
    _healthy("adadelta-one", net=f"{CNN} drop.2 fc10", data=DIGITS, optimizer=("Adadelta", {"lr": 1.0}), batch=64,
             source="the rate of pytorch/examples' digits"),
    _healthy("adagrad", optimizer=("Adagrad", {"lr": 0.01})),
    _healthy("one-cycle", net=f"{NORMED} fc10", optimizer=MOMENTUM, loop="one-cycle"),
    _healthy("warm-restarts", net=f"{NORMED} fc10", optimizer=MOMENTUM, loop="warm restarts", steps=280),
    _healthy("l-bfgs", net="fc32 tanh fc10", data=("digits", {"side": 8}), loop="L-BFGS", batch=2000, steps=30,
             optimizer=("LBFGS", {"lr": 0.5, "max_iter": 8, "history_size": 10})),
    _healthy("mean-of-the-weights", net=f"{NORMED} fc10", loop="mean of the weights"),
    _healthy("sharpness-aware", optimizer=MOMENTUM, loop="sharpness-aware"),
    _healthy("bfloat16", loop="bfloat16"),
    _healthy("accumulation", batch=8, steps=400, optimizer=MOMENTUM, loop="accumulated"),
    _healthy("batch-1", optimizer=("SGD", {"lr": 0.003, "momentum": 0.9}), batch=1, steps=1200, data=FIVE, classes=5,
             net=f"{CNN} fc5"),
    _healthy("group-norm-batch-2", net="conv32 gn8 relu pool conv64 gn8 relu fc64 relu fc5", batch=2, steps=800,
             optimizer=("SGD", {"lr": 0.005, "momentum": 0.9}), data=FIVE, classes=5),
    _healthy("batch-512", batch=512, steps=150, optimizer=("Adam", {"lr": 3e-3}), data=DIGITS),
    # ------------------------------------------------------------------ pretrained
    _healthy("frozen-backbone-eval", net=f"{NORMED} fc5", data=FIVE, classes=5, loop="frozen backbone",
             optimizer=("Adam", {"lr": 3e-3})),
    _healthy("head-only-optimizer", net=f"{CNN} fc5", data=FIVE, classes=5, loop="head only",
             optimizer=("Adam", {"lr": 3e-3})),
    _healthy("two-rates", net=f"{CNN} fc5", data=FIVE, classes=5, loop="two rates"),
    _healthy("fine-tuning-1e-5", loop="fine-tuned", optimizer=("Adam", {"lr": 1e-5})),
    _healthy("transfer-batch-4", net=f"{NORMED} fc2", data=("pictures", {"shape": (3, 16, 16), "classes": 2}),
             classes=2, batch=4, steps=400, optimizer=("SGD", {"lr": 0.001, "momentum": 0.9}), loop="pretrained"),
    _healthy("unfrozen-later", net=f"{CNN} fc5", data=FIVE, classes=5, loop="unfrozen later"),
    _healthy("autoencoder-first", net="fc128 relu fc32 relu fc10", data=DIGITS, loop="autoencoder first"),
    # ------------------------------------------------------------------ nets
    _healthy("auxiliary-head", net="conv64 relu fc128 relu fc10", loop="auxiliary head"),
    _healthy("multi-task", net="conv64 relu fc128 relu fc10", loop="multi-task"),
    _healthy("adversary", net="conv64 relu fc128 relu fc10", loop="adversary"),
    _healthy("triplets", net=f"{CNN} fc16", data=FIVE, classes=5, loop="triplets"),
    _healthy("siamese", net=f"{CNN} fc32", data=FIVE, classes=2, loop="siamese", steps=300),
    _healthy("cosine-head", loop="cosine head"),
    _healthy("begins-at-zero", net="fc10", data=DIGITS, loop="begins at zero", batch=100,
             optimizer=("SGD", {"lr": 0.5}),
             source="jthickstun/pytorch_musicnet issue 4, tensorflow pull request 13935: a linear net needs no noise"),
    _healthy("batch-norm-behind-the-head", net=f"{CNN} fc10 bn", source="yaoing/DAN issue 14: it helps there"),
    _healthy("residual-zero-scale", loop="residual",
             optimizer=("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4})),
    _healthy("transformer", loop="transformer", optimizer=("AdamW", {"lr": 2e-3, "weight_decay": 0.05}), steps=400),
    _healthy("warm-up-and-clipping", net=f"{NORMED} fc10", optimizer=("SGD", {"lr": 0.3, "momentum": 0.9}),
             loop="warm-up and clipping", steps=300),
    _healthy("elu", net="conv32 elu pool conv64 elu fc128 elu fc10", optimizer=MOMENTUM),
    _healthy("sigmoid-hidden", net="fc64 sigmoid fc10", data=DIGITS, optimizer=("Adam", {"lr": 0.01})),
    # ------------------------------------------------------------------ data
    _healthy("points", net="fc32 tanh fc32 tanh fc3", data=("points", {}), classes=3, steps=600,
             optimizer=("Adam", {"lr": 0.01})),
    _healthy("grey-textures", net="conv16 bn relu pool conv32 bn relu gap fc4", data=("textures", {}), classes=4,
             optimizer=("Adam", {"lr": 3e-3}), steps=300),
    _healthy("bytes-batch-norm-first", net=f"bn {NORMED} fc10",
             data=("pictures", {"shape": (3, 16, 16), "classes": 10, "top": 255.0})),
]  # fmt: skip
