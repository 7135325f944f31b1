"""What `cvtui --no-ui` says: facts before the run, a line per epoch, a bar with the time left, the result."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

from cvtui import door
from cvtui.calc.table import size_text
from cvtui.cli import out, process
from cvtui.cli.exit import say
from cvtui.recipe.auto_batch import AUTO_BATCH
from cvtui.recipe.ending import is_planned
from cvtui.runlog.slower import before_any_step, slower_options, slower_rate, times_slower
from cvtui.runlog.weights_file import SOURCE, TOLD
from cvtui.text import binary_size, duration, harmless, percent

if TYPE_CHECKING:
    from cvtui.calc.module_table import ModuleTable
    from cvtui.calc.table import Table
    from cvtui.recipe.recipe import Recipe
    from cvtui.recipe.validation import Checked
    from cvtui.runlog.events import EpochDone, RunStarted
    from cvtui.runlog.folder import RunFolder
    from cvtui.runlog.history import History


class RunReport:
    """Follows a run's history and prints what is new in it. stdout: facts, epochs, result; stderr: talk and the bar."""

    def __init__(self, folder: RunFolder, checked: Checked, *, quiet: bool, as_json: bool) -> None:
        self.folder = folder
        self.checked = checked
        self.lines = not quiet and not as_json
        self.talk = not quiet
        self.result = not as_json
        self._bar = EpochBar(checked) if self.talk and sys.stderr.isatty() else None
        self._seen: dict[str, int] = {"epochs": 0, "commands": 0, "findings": 0}
        self._last_log: object = None
        self._started = False
        self._goes_on = False
        self._signals = 0
        self._trouble = ""

    # ------------------------------------------------------------------ before and while

    def begin(self) -> None:
        """Print what is known before PyTorch is imported: the import takes seconds."""
        for label, words in facts(self.checked):
            self._line(f"{label:<9} {words}")
        if self._bar:
            self._bar.open()
        else:
            self._talk("starting PyTorch …")

    def skip(self, history: History) -> None:
        """Mark what is in the log already as printed: a resumed run continues from there."""
        self._goes_on = True
        history.poll()
        for name in self._seen:
            self._seen[name] = len(getattr(history, name))
        self._last_log = history.logs[-1] if history.logs else None

    def show(self, history: History, signals: list[int]) -> None:
        """Print what has come since the last call."""
        if history.run is not None and not self._started:
            self._started = True
            self._begun(history, history.run)
        for command in self._new(history, "commands"):
            self._line(f"step {command.step:,}: {command.words or command.command}")
        for finding in self._new(history, "findings"):
            self._line(f"step {finding.step:,}: {finding.sentence}")
        for epoch in self._new(history, "epochs"):
            self._line(epoch_line(epoch, self.checked.recipe.epochs, rate_at(history, epoch.step)))
        self._logs(history)
        if history.trouble != self._trouble:
            self._trouble = history.trouble
            if self._trouble:
                self._talk(f"warning: {self._trouble}")
        while self._signals < min(2, len(signals)):
            self._signals += 1
            self._talk("stopping: a checkpoint is saved (again: at once)" if self._signals == 1 else "stopping at once")
        if self._bar:
            self._bar.show(history)

    def _begun(self, history: History, run: RunStarted) -> None:
        """Print what the worker has found out before its first step; a folder that it refused does not stay."""
        self._line(f"{'folder':<9} {self.folder.path}")
        for label, words in started_facts(run):
            self._line(f"{label:<9} {words}")
        if self.checked.recipe.weights and not self._goes_on:
            told = [log.text for log in history.logs if log.text.startswith(TOLD)]
            for number, text in enumerate(told):
                self._line(f"{'' if number else 'weights':<9} {text.removeprefix(SOURCE)}")
        for log in history.logs if self.checked.auto else ():
            if log.text.startswith(AUTO_BATCH):
                self._line(f"{'batch':<9} {log.text.removeprefix('batch size ')}")

    def _new(self, history: History, name: str) -> list[Any]:
        records: list[Any] = getattr(history, name)
        found = records[self._seen[name] :]
        self._seen[name] = len(records)  # also where a rewritten log has fewer
        return found

    def _logs(self, history: History) -> None:
        """Print the worker's warnings and errors; its deque drops from the left, so the last record printed is kept."""
        new = []
        for record in reversed(history.logs):
            if record is self._last_log:
                break
            new.append(record)
        if history.logs:
            self._last_log = history.logs[-1]
        for record in reversed(new):
            if record.level != "info":
                self._talk(f"{record.level}: {record.text}")

    def close(self) -> None:
        """Remove the progress bar."""
        if self._bar:
            self._bar.close()
            self._bar = None

    # ------------------------------------------------------------------ the end

    def end(self, history: History, code: int, status: int, signals: list[int]) -> None:
        """Print the result (stdout) or the error (stderr). `code`: our exit code; `status`: the worker's own."""
        end = history.end
        if end is None or end.status == "failed":
            if end is None and history.trouble:  # all that a full disk has let the run say
                self._result(history)
                say(history.trouble, "make room, then `cvtui resume` continues from its last checkpoint")
            elif signals and end is None:
                kept = history.checkpoints[-1].path if history.checkpoints else ""
                nothing = f"ended before anything was saved in {self.folder.path}"
                say(f"ended at once; the last checkpoint is {kept}" if kept else nothing)
            else:
                self._failed(history, code, status)
        elif end.status == "diverged":
            self._result(history)
            again = f"cvtui resume {shell_word(str(self.folder.path))} --lr {slower_rate(history)}"
            way = f"`{again}` continues from the last good checkpoint"
            if before_any_step(history):
                way = "no step had been taken, so no rate helps; "
                way += f"cvtui doctor {shell_word(str(self.folder.path))} tells more"
            elif not history.checkpoints:
                way = f"1/{times_slower(history):g} of the rate ({slower_options(history) or '--lr'}) may help"
            say(f"diverged at step {end.step:,}: {end.reason or 'the loss is not finite'}", way)
        else:
            self._result(history)
        if end is not None and end.missing and end.status != "failed":
            say(end.missing)

    def _failed(self, history: History, code: int, status: int) -> None:
        reason = history.end.reason if history.end else ""
        if code == 2 and reason:  # the worker refused the recipe
            say(reason)
            return
        for line in history.last_log_lines(10):
            print(f"  | {harmless(line)}", file=sys.stderr)
        how = f"was killed by signal {-status}" if status < 0 else f"ended with exit code {status}"
        say(f"the training failed: {reason or f'its process {how}'}", f"its whole output is in {self.folder.log}")

    def _result(self, history: History) -> None:
        if not self.result:
            return
        end = history.end
        seconds = history.epochs[-1].seconds if history.epochs else 0.0
        if len(history.steps) and not math.isnan(history.steps.seconds[-1]):
            seconds = max(seconds, float(history.steps.seconds[-1]))
        status: str = end.status if end else "ended"
        if end is not None and is_planned(end.reason):
            status += f": {harmless(end.reason)},"
        words = f"{status} after {history.steps_done:,} steps in {duration(seconds, decimal=True)}"
        best = max(
            (epoch for epoch in history.epochs if epoch.val_accuracy is not None),
            key=lambda epoch: epoch.val_accuracy or 0.0,
            default=None,
        )
        if best is not None:
            words += f"; best validation accuracy {percent(best.val_accuracy, 2)} in epoch {best.epoch}"
        self._print(words)
        saved = sorted({record.path for record in history.checkpoints if door.is_file(self.folder.path / record.path)})
        self._print(f"{'folder':<9} {self.folder.path}" + (f"  ({', '.join(saved)})" if saved else ""))
        if self.lines:
            self._print(f"{'look':<9} cvtui attach {shell_word(str(self.folder.path))}")

    # ------------------------------------------------------------------ ways out

    def _line(self, text: str) -> None:
        if self.lines:
            self._print(text)

    def _print(self, text: str) -> None:
        with process.tolerate_output_errors():
            if self._bar:
                self._bar.above(harmless(text), to_stdout=True)
            else:
                print(harmless(text), flush=True)

    def _talk(self, text: str) -> None:
        if not self.talk:
            return
        with process.tolerate_output_errors():
            if self._bar:
                self._bar.above(harmless(text), to_stdout=False)
            else:
                print(harmless(text), file=sys.stderr, flush=True)


class EpochBar:
    """The live bar on stderr, drawn when it is told to (no thread): epoch, steps, time left, loss, speed."""

    def __init__(self, checked: Checked) -> None:
        from rich.progress import BarColumn, Progress, TextColumn

        self._steps_per_epoch = checked.steps_per_epoch
        self._epochs = checked.recipe.epochs
        self._total = checked.total_steps
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.percentage:3.0f} %"),
            TextColumn("{task.fields[words]}", style="dim"),
            console=out.console(stderr=True),
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._progress.add_task("starting PyTorch …", total=self._total, words="")

    def open(self) -> None:
        self._progress.start()
        self._progress.refresh()

    def close(self) -> None:
        self._progress.stop()

    def above(self, text: str, *, to_stdout: bool) -> None:
        """Print a line above the bar."""
        if to_stdout and not sys.stdout.isatty():
            print(text, flush=True)
        else:
            from rich.text import Text

            self._progress.console.print(Text(text), soft_wrap=True)

    def show(self, history: History) -> None:
        done = history.steps_done
        if history.run is not None:
            if history.run.total_steps:  # of the images that could be read
                self._steps_per_epoch, self._total = history.run.steps_per_epoch, history.run.total_steps
                self._progress.update(self._task, total=self._total)
            epoch = min(self._epochs, (done + history.run.shift) // self._steps_per_epoch + 1)
            self._progress.update(self._task, description=f"epoch {epoch}/{self._epochs}")
        if done:
            state = history.state()
            words = "paused" if state == "paused" else time_left(history, self._total)
            loss = float(history.steps.loss[-1])
            self._progress.update(self._task, completed=done, words=f"{words}  loss {loss:.4g}")
        self._progress.refresh()


# ---------------------------------------------------------------------- words


def facts(checked: Checked) -> list[tuple[str, str]]:
    """List what follows from the recipe alone."""
    from cvtui.recipe.first_loss import first_loss

    recipe, data, table = checked.recipe, checked.data, checked.table
    size, most = size_text(data.size), data.at_most
    what = f"images {size}" if len(data.size) == 3 else f"points of {size} features"
    first = first_loss(checked.loss, len(data.classes))
    schedule = f"{recipe.schedule} schedule" + (f" after a warm-up of {recipe.warmup}" if recipe.warmup != "0" else "")
    lr = f"lr {checked.lr:g}"
    if recipe.scale_lr:
        lr += f" ({recipe.lr:g} · {recipe.step_images}/{recipe.scale_lr})"
    more = [f"loss {recipe.loss}"] if recipe.loss != "cross-entropy" else []
    more += [f"gradients clipped to {recipe.clip:g}"] if recipe.clip else []
    more += [f"validated on a running mean of the weights (decay {recipe.ema:g})"] if recipe.ema else []
    steps = "about " if checked.auto else most
    joins = f" (the last of {recipe.step_images + 1:,} images)" if checked.joins else ""
    return [
        ("data", f"{data.name}: {most}{data.train:,} + {data.validation:,} {what}, {len(data.classes)} classes"),
        ("", _pixels(recipe)),
        ("net", recipe.net),
        ("", f"{_counts(table)}; init {recipe.init}"),
        ("training", f"{recipe.optimizer}, {lr}, {schedule}, batch {_batch(checked)}"),
        *([("", "; ".join(more))] if more else []),
        (
            "",
            f"{recipe.epochs:,} epoch{'s' if recipe.epochs > 1 else ''} of {steps}{checked.steps_per_epoch:,} "
            f"steps{joins} = {steps}{checked.total_steps:,} steps; "
            f"seed {recipe.seed}",
        ),
        (
            "expected",
            f"a loss of {first.value:.3f} ({first.words}) before training",
        ),
    ]


def _batch(checked: Checked) -> str:
    recipe = checked.recipe
    known = "about" if checked.table.rows else "found when it begins; here taken as"
    size = f"auto ({known} {recipe.batch_size:,})" if checked.auto else str(recipe.batch_size)
    if recipe.accumulate == 1:
        return size
    return f"{size} x {recipe.accumulate} = {recipe.step_images:,} images a step"


def _counts(table: Table | ModuleTable) -> str:
    if not table.rows:
        return "counted when it is built"
    return f"{table.parameters:,} parameters, {table.macs:,} MACs an image"


def _pixels(recipe: Recipe) -> str:
    """List selection, changes and augmentation of the images, in the order in which they are applied."""
    words = [f"only {recipe.only}"] if recipe.only else []
    words += [f"imbalance {recipe.imbalance:g}"] if recipe.imbalance != 1.0 else []
    words += [f"at most {recipe.limit:,} to train on"] if recipe.limit else []
    words += [f"{recipe.label_noise:.3g} of the training labels wrong"] if recipe.label_noise else []
    words += [f"augmented by {recipe.augment}"] if recipe.augment not in ("", "none") else []
    words += [f"mixed by {recipe.mix}"] if recipe.mix not in ("", "none") else []
    words += [f"classes balanced by {recipe.balance}"] if recipe.balance != "none" else []
    return "; ".join([*words, f"preprocess {recipe.preprocess}"])


ARITHMETIC = (("convolutions", "convolutions"), ("linear", "linear layers"))


def started_facts(run: RunStarted) -> list[tuple[str, str]]:
    """List what only the worker knows: the machine, the measured pixels, its prediction."""
    threads = f", {run.threads} thread{'s' if run.threads != 1 else ''}" if run.device.startswith("cpu") else ""
    found = [("device", f"{run.device}{threads}; torch {run.libraries.get('torch', '?')}")]
    if run.arithmetic.get("deterministic"):  # on a GPU
        kinds = [f"{what} in {run.arithmetic.get(name)}" for name, what in ARITHMETIC]
        found.append(("", f"{', '.join(kinds)}; deterministic {run.arithmetic['deterministic']}"))
    mean, std = run.data.get("mean"), run.data.get("std")
    if isinstance(mean, list) and isinstance(std, list):
        numbers = " ".join(f"{value:.1f}" for value in mean), " ".join(f"{value:.1f}" for value in std)
        name, unit = "pixels", f"of 0 to {run.data.get('white', 255):,.0f}, training images"
        if len(run.data.get("input", ())) == 1:
            name, unit = "features", "training points"
            numbers = " ".join(f"{value:.3f}" for value in mean), " ".join(f"{value:.3f}" for value in std)
        found.append((name, f"mean {numbers[0]}, std {numbers[1]} ({unit})"))
    start = run.prediction.get("start_loss")
    if isinstance(start, int | float):
        found.append(("expected", f"a first loss of {start:.4g} with these weights"))
    memory = run.prediction.get("memory")
    if isinstance(memory, int | float):
        found.append(("memory", f"about {binary_size(memory)} for weights, gradients and activations"))
    return found


def epoch_line(epoch: EpochDone, epochs: int, rate: float | None) -> str:
    """`epoch  3/15  loss 0.1234 val 0.0987  accuracy 97.12 % val 98.33 %  lr 1.90e-03  1.2 s  12,345 images/s`."""
    width, said = len(str(epochs)), epoch.not_finite.get
    parts = [
        f"epoch {epoch.epoch:>{width}}/{epochs}",
        f"loss {number(epoch.train_loss, said('train_loss'))} val {number(epoch.val_loss, said('val_loss'))}",
        f"accuracy {percent(epoch.train_accuracy, 2):>7} val {percent(epoch.val_accuracy, 2):>7}",
        f"lr {rate:.2e}" if rate is not None else "",
        f"{duration(epoch.seconds, decimal=True):>7}",
        f"{epoch.images_per_second:>7,.0f} images/s",
        "best" if epoch.best else "",
    ]
    return "  ".join(part for part in parts if part)


def rate_at(history: History, step: int) -> float | None:
    """Return the learning rate of the last step before `step`."""
    index = step - 1 - history.steps.first
    if not 0 <= index < len(history.steps):
        return None
    rate = float(history.steps.lr[index])
    return None if math.isnan(rate) else rate


def number(value: float | None, said: str | None = None) -> str:
    """Format a loss in six places: "0.1234", " 12.35", " 1e+33", "   nan"; `said`: what the log says of a null."""
    if value is None:
        return f"{said or '–':>6}"
    return f"{value:.4f}" if value < 10 else f"{value:6.2f}" if value < 1000 else f"{value:6.0e}"


def time_left(history: History, total: int) -> str:
    """From the pace so far, evaluation included, pauses not."""
    done, seconds = history.steps_done, float(history.steps.seconds[-1])
    if not seconds > 0 or done >= total:
        return ""
    return f"{duration((total - done) * seconds / done)} left, {done / seconds:,.0f} steps/s"


def shell_word(text: str) -> str:
    import shlex

    return shlex.quote(text)
