"""One record of each type, as small as it can be and still show its fields: the examples of docs/run-folder.md."""

from __future__ import annotations

from cvtui.runlog.events import (
    CheckpointSaved,
    Command,
    CommandApplied,
    EpochDone,
    Facts,
    Finding,
    Gpu,
    Histogram,
    Layer,
    LayersSampled,
    LayerStats,
    Log,
    Machine,
    ModuleFact,
    PictureSaved,
    Record,
    RunEnded,
    RunStarted,
    ScalarRow,
    Scalars,
    Steps,
    WeightFact,
)
from cvtui.runlog.fork import Parent
from cvtui.runlog.lottery_note import Ticket
from cvtui.runlog.ranks import RankChecks, RankStarted, RankSteps, WeightSum

TIME = 1764236522.5
RECORDS: tuple[Record, ...] = (
    RunStarted(
        time=TIME,
        recipe={"data": "digits", "net": "fc16-relu-fc", "epochs": 2, "batch_size": 64, "lr": 0.005},
        layers=[
            Layer(name="fc1", expression="fc16", output=[16], parameters=1040, macs=1024, watched=True),
            Layer(name="relu1", expression="relu", output=[16], parameters=0, macs=0, watched=True),
            Layer(name="fc2", expression="fc", output=[10], parameters=170, macs=160, watched=True),
        ],
        parameters=1210,
        steps_per_epoch=23,
        total_steps=46,
        device="cpu",
        arithmetic={"convolutions": "float32", "linear": "float32"},
        threads=3,
        libraries={"python": "3.11.9", "torch": "2.10.0", "cvtui": "0.1.0"},
        data={"classes": ["0", "1", "2"], "train": 1438, "validation": 359, "input": [8, 8, 1], "mean": [77.9],
              "std": [96.0]},
        prediction={"first_loss": 2.302585, "start_loss": 2.41, "activation_std": {"fc1": 1.39}, "memory": 61440},
        kind="engine",
    ),
    Steps(
        first=0,
        loss=[2.41, 2.36, None],
        rate=0.005,
        accuracy=[0.078125, 0.125, 0.109375],
        grad_norm=[1.52, 1.47, None],
        seconds=[0.0021, 0.0033, 0.0045],
        not_finite={"loss": {"inf": [2]}, "grad_norm": {"nan": [2]}},
    ),
    EpochDone(
        epoch=1, step=23, time=TIME + 1, train_loss=2.1, train_accuracy=0.31, val_loss=1.9, val_accuracy=0.52,
        seconds=0.04, images_per_second=36000.0, confusion=[[31, 2, 0], [4, 28, 1], [0, 3, 30]], best=True,
    ),
    LayersSampled(
        step=20,
        layers=[
            LayerStats(
                name="relu1", kind="relu", mean=0.55, std=0.83, min=0.0, max=4.9, zeros=0.48, dead=0.0625,
                histogram=Histogram(0.0, 4.9, [491, *[17] * 31]),
            )
        ],
        answers=1.87,
        watch_cost=0.021,
    ),
    PictureSaved(
        step=46, name="relu1", path="pictures/relu1-000046.png", columns=8, image=3, layer="relu1"
    ),
    CheckpointSaved(step=23, epoch=1, path="checkpoints/best.pt", reason="best", val_accuracy=0.52),
    CommandApplied(step=30, time=TIME + 2, command="set_lr", value=0.001, words="rate 0.005 → 0.001"),
    Finding(
        step=40, id="F06", severity="warn", name="dead ReLUs", layer="relu1", threshold=0.5, sure=0.9,
        sentence="62.5 % of the units of relu1 were 0 for every image.", evidence="62.5 %, the limit is 50 %",
        source="measured", cure={"init": "he"}, advice="Draw the weights with init he.", consequences=["F10"],
    ),
    Facts(
        train=1438, validation=359, classes=10, label_counts=[142, 146, 141], batch_size=64, first_loss=2.41,
        modules=[ModuleFact(name="fc1", kind="Linear"), ModuleFact(name="relu1", kind="ReLU")],
        weights=[WeightFact(name="fc1.weight", layer="fc1", fan_in=64, mean=0.0003, std=0.177)],
    ),
    Scalars(rows=[ScalarRow(name="iou", steps=[20, 40], values=[0.41, None], not_finite={"nan": [1]})]),
    Machine(
        time=TIME + 3, step=40, cores=4, cpu=0.81, process=1.9, memory=734003200, memory_free=9663676416,
        disk_free=52613349376, waited=0.38, step_seconds=0.0041,
        gpus=[Gpu(name="NVIDIA A100", memory=4294967296, memory_total=42949672960, use=0.57)],
    ),
    Log(time=TIME + 3, text="CPU threads: 2 instead of 3", step=30, threads=2),
    RunEnded(time=TIME + 4, step=46, status="finished"),
)  # fmt: skip
"""In the order in which the page tells of them."""

COMMAND = Command(command="set_lr", time=TIME + 2, value=0.001)
PARENT = Parent(run="digits", checkpoint="best.pt", step=23, epoch=1)
TICKET = Ticket(round=1, kind="ticket", prune=0.2, parent="lottery-0", origin="lottery-0")
RANK_STARTED = RankStarted(time=TIME, rank=1, world_size=2, host="node-1", pid=4711, device="cpu")
RANK_CHECKS = RankChecks(
    step=0, wrapped="ddp", parameters=4342, weights=[WeightSum(0, 3.25, 21.5), WeightSum(10, 3.11, 21.62)],
    inputs=[-103.25, 88.5], labels=[31, 29, 36], losses=[1.13, 1.09],
)  # fmt: skip
RANK_STEPS = RankSteps(
    first=0, data=[None, 0.0012], passes=[0.031, 0.0302], own=[0.0215, 0.021], update=[0.0004, 0.0004],
    seconds=[0.0329, 0.0321], images=[32, 32], memory=412090368,
)  # fmt: skip
