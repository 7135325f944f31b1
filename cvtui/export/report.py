"""The HTML report: one file with everything in it, readable without a network, light and dark."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from cvtui import door
from cvtui.calc.table import size_text
from cvtui.draw.robust_range import typical, typical_of_all
from cvtui.export.chart import Chart, ChartCurve, draw
from cvtui.export.evaluation_page import evaluation_html
from cvtui.export.pictures import pictures_html
from cvtui.export.style import STYLE, picture_style
from cvtui.export.whole_file import written
from cvtui.export.words import escape
from cvtui.recipe.first_loss import first_loss_or_none
from cvtui.runlog.axes import Floats, Smoother, at_epochs, epoch_middles
from cvtui.runlog.events import Histogram, LayersSampled
from cvtui.runlog.history import History
from cvtui.runlog.series import FloatColumn
from cvtui.text import compact, counted, percent

SMOOTHING = 0.98


FAR = 1000.0
"""A loss so many times as large as most others is cut off."""


def charts(history: History) -> list[Chart]:
    """Loss, accuracy and learning rate, over steps: the figures of the Train place."""
    steps = history.steps
    x = steps.step.astype(np.float64)
    marks = [(float(c.step), c.words or c.command) for c in history.commands if c.command != "look"]
    ends = np.array([float(epoch.step) for epoch in history.epochs], dtype=np.float64)
    middles = epoch_middles(history)
    first = (history.run.prediction.get("first_loss") if history.run else None) or None
    known = first_loss_or_none(history.run.recipe.get("loss"), 2) if history.run else None
    loss = [
        ChartCurve(name="each step", x=x, y=steps.loss, kind="train", dim=True),
        ChartCurve(name="training, smoothed", x=x, y=_smooth(steps.loss), kind="train"),
        _of_epochs(history, "training, mean of the epoch", "train_loss", middles, "epoch"),
        _of_epochs(history, "validation", "val_loss", ends, "validation"),
    ]
    told = np.isfinite(steps.accuracy)  # (a custom loop tells it when it likes)
    accuracy = [
        ChartCurve(name="each step", x=x, y=steps.accuracy, kind="train", dim=True),
        ChartCurve(name="training, smoothed", x=x[told], y=_smooth(steps.accuracy)[told], kind="train"),
        _of_epochs(history, "validation", "val_accuracy", ends, "validation"),
    ]
    values = [curve.y[np.isfinite(curve.y)] for curve in loss]
    positive = all((part > 0).all() for part in values) and any(len(part) for part in values)
    most = typical_of_all([typical(part) for part in values], values)
    # A spike of 5e27 leaves the rest no more room on a logarithmic axis than on a linear one, where it is cut off.
    readable = most is None or max(float(part.max()) for part in values if len(part)) < FAR * most[1]
    rule = known.rule if known is not None else "ln C"
    guides = [(float(first), f"{rule} = {float(first):.3f}")] if isinstance(first, int | float) else []
    return [
        Chart(title="Loss", curves=loss, log_y=positive and readable, guides=guides, marks=marks),
        Chart(title="Accuracy", curves=accuracy, percent=True, marks=marks),
        Chart(title="Learning rate", curves=[ChartCurve(name="lr", x=x, y=steps.lr, kind="rate")], marks=marks),
    ]


def _smooth(values: FloatColumn) -> Floats:
    smoother = Smoother(SMOOTHING)
    smoother.extend(values)
    return smoother.values


def _of_epochs(history: History, title: str, name: str, places: Floats, kind: str) -> ChartCurve:
    x, y = at_epochs(history, name, places)
    return ChartCurve(name=title, x=x, y=y, kind=kind, points=True)


def write_svg(history: History, path: Path) -> Path:
    """Write the three figures to one SVG picture, one below the other."""
    pictures = [draw(chart) for chart in charts(history)]
    from cvtui.export.chart import HEIGHT, WIDTH

    inner = "\n".join(
        picture.replace("<svg ", f'<svg y="{index * HEIGHT}" width="{WIDTH}" height="{HEIGHT}" ', 1)
        for index, picture in enumerate(pictures)
    )
    text = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT * len(pictures)}">'
        f'<style>{picture_style()}</style><rect class="paper" width="100%" height="100%"/>\n{inner}\n</svg>\n'
    )
    with written(path) as file:
        file.write_text(text, encoding="utf-8")
    return path


def write_html(history: History, path: Path) -> Path:
    """One self-contained page: result, curves, layers, confusion matrix, pictures, recipe, log."""
    name = escape(history.folder.name)
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{name} · cvtui</title><style>{STYLE}</style></head><body><main>",
        f"<h1>{name}</h1>",
        _facts(history),
        *(f"<figure>{draw(chart)}</figure>" for chart in charts(history)),
        _best(history),
        _layers(history),
        _confusion(history),
        evaluation_html(history.folder),
        pictures_html(history),
        _findings(history),
        _recipe(history),
        _log(history),
        "<footer>Written by cvtui from the run's own log.</footer></main></body></html>",
    ]
    with written(path) as file:
        file.write_text("\n".join(part for part in parts if part), encoding="utf-8")
    return path


def _facts(history: History) -> str:
    run, end = history.run, history.end
    facts = [("state", history.state() + (f": {end.reason}" if end is not None and end.reason else ""))]
    if run is not None:
        facts += [
            ("data", f"{run.recipe.get('data', '')}: {run.data.get('train', '?')} training, "
                     f"{run.data.get('validation', '?')} validation images"),
            ("net", str(run.recipe.get("net", ""))),
            ("parameters", f"{run.parameters:,}"),
            ("device", f"{run.device}, {counted(run.threads, 'thread')}"),
            ("begun", time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.time))),
            ("libraries", ", ".join(f"{key} {value}" for key, value in run.libraries.items())),
        ]  # fmt: skip
    done = [epoch for epoch in history.epochs if epoch.val_accuracy is not None]
    if done:
        best = max(done, key=lambda epoch: epoch.val_accuracy or 0.0)
        facts.insert(1, ("best validation accuracy", f"{best.val_accuracy:.2%} in epoch {best.epoch}"))
    facts.append(("steps", f"{history.steps_done:,} in {counted(len(history.epochs), 'epoch')}"))
    rows = "".join(f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in facts)
    return f"<dl>{rows}</dl>"


def _best(history: History) -> str:
    done = [epoch for epoch in history.epochs if epoch.val_accuracy is not None]
    if not done:
        return ""
    done.sort(key=lambda epoch: -(epoch.val_accuracy or 0.0))
    head: tuple[str, ...] = (
        "epoch",
        "step",
        "training loss",
        "training accuracy",
        "validation loss",
        "validation accuracy",
    )
    rows: list[tuple[str, ...]] = [
        (str(e.epoch), f"{e.step:,}", _number(e.train_loss, e.not_finite.get("train_loss", "")),
         _share(e.train_accuracy), _number(e.val_loss, e.not_finite.get("val_loss", "")), _share(e.val_accuracy))
        for e in done[:5]
    ]  # fmt: skip
    return "<h2>Best epochs</h2>" + _table(head, rows)


def _layers(history: History) -> str:
    run = history.run
    if run is None or not run.layers:
        return ""
    sample = history.latest_layers
    stats = {layer.name: layer for layer in sample.layers} if sample is not None else {}
    head = ("layer", "as written", "output", "parameters", "MACs", "mean ± std", "histogram", "zeros", "dead",
            "gradient", "update ratio")  # fmt: skip
    rows = []
    for layer in run.layers:
        seen = stats.get(layer.name)
        cells = [
            escape(layer.name),
            escape(layer.expression),
            size_text(layer.output),
            f"{layer.parameters:,}" if layer.parameters else "",
            f"{layer.macs:,}" if layer.macs else "",
        ]
        if seen is None:
            cells += [""] * 6
        else:
            said = seen.not_finite.get
            cells += [
                f"{_number(seen.mean, said('mean', ''))} ± {_number(seen.std, said('std', ''))}",
                _strip(seen.histogram),
                _share(seen.zeros),
                _share(seen.dead),
                _number(seen.grad_norm, said("grad_norm", "")),
                _number(seen.update_ratio, said("update_ratio", "")),
            ]
        rows.append(tuple(cells))
    when = _when(sample)
    return f"<h2>Layers{when}</h2>" + _table(head, rows, escaped=True)


def _when(sample: LayersSampled | None) -> str:
    return f" <small>at step {sample.step:,}</small>" if sample is not None else ""


def _strip(histogram: Histogram | None) -> str:
    if histogram is None or not any(histogram.counts):
        return ""
    top = max(histogram.counts)
    bars = "".join(
        f'<rect x="{3 * i}" y="{18 - 18 * count / top:.1f}" width="3" height="{18 * count / top:.1f}"/>'
        for i, count in enumerate(histogram.counts)
    )
    words = f"{histogram.low:.3g} to {histogram.high:.3g}"
    return f'<svg class="strip" viewBox="0 0 {3 * len(histogram.counts)} 18"><title>{words}</title>{bars}</svg>'


def _confusion(history: History) -> str:
    with_matrix = [epoch for epoch in history.epochs if epoch.confusion]
    if not with_matrix:
        return ""
    epoch = with_matrix[-1]
    classes = [str(name) for name in (history.run.data.get("classes") or [])] if history.run is not None else []
    matrix = epoch.confusion
    names = classes if len(classes) == len(matrix) else [str(i) for i in range(len(matrix))]
    head = "<tr><th></th>" + "".join(f"<th>{escape(name)}</th>" for name in names) + "</tr>"
    body = ""
    for name, row in zip(names, matrix, strict=True):
        total = max(1, sum(row))
        cells = "".join(f'<td style="--share:{count / total:.3f}" class="cell">{count or ""}</td>' for count in row)
        body += f"<tr><th>{escape(name)}</th>{cells}</tr>"
    return (
        f"<h2>Confusion matrix <small>epoch {epoch.epoch}; rows: true class, columns: predicted</small></h2>"
        f'<div class="wide"><table class="confusion">{head}{body}</table></div>'
    )


def _findings(history: History) -> str:
    if not history.findings:
        return ""
    items = "".join(f"<li>{escape(f.sentence)} <small>step {f.step:,}</small></li>" for f in history.findings)
    return f"<h2>Findings</h2><ul>{items}</ul>"


def _recipe(history: History) -> str:
    try:
        text = door.text(history.folder.recipe)
    except OSError:
        return ""
    return f"<h2>Recipe</h2><pre>{escape(text)}</pre>"


def _log(history: History) -> str:
    if not history.logs:
        return ""
    lines = "\n".join(f"{time.strftime('%H:%M:%S', time.localtime(log.time))}  {log.text}" for log in history.logs)
    if history.logs_dropped:
        lines = f"{counted(history.logs_dropped, 'line')} left out here: events.jsonl has them\n{lines}"
    return f"<h2>Log</h2><pre>{escape(lines)}</pre>"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]], escaped: bool = False) -> str:
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{cell if escaped else escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f'<div class="wide"><table><tr>{top}</tr>{body}</table></div>'


def _number(value: float | None, said: str = "") -> str:
    """`said`: what the log says of a value that was not finite."""
    return said if value is None else compact(value)


def _share(value: float | None) -> str:
    return "" if value is None else percent(value)
