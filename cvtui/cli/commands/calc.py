"""`cvtui calc`: every number of a network before it is built."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from cvtui.calc import Chain, Size
from cvtui.calc.sizes import MAX_SIDE, InputShape, image_shape, parse_inputs, parse_size
from cvtui.calc.solve import Solution, solve
from cvtui.cli import out
from cvtui.errors import RequestError
from cvtui.recipe.net_target import is_target

if TYPE_CHECKING:
    from cvtui.recipe.recipe import Recipe

DEFAULT_INPUT = (32, 32, 3)
DEFAULT_CLASSES = 10
DEFAULT_BATCH = 64


class _Request(NamedTuple):
    """A net expression and what it is calculated for."""

    text: str
    chain: Chain
    input: Size
    classes: int
    batch: int


HELP = """Calculate a network: sizes, parameters, MACs, receptive fields, memory.

NET is an expression such as "[(conv32-relu)*2-pool]*3-(fc128-relu)-fc", a recipe file (*.toml),
torchvision:NAME (torchvision:resnet18), timm:NAME or package.module:callable. Quote it: brackets and
stars mean something to the shell.

\b
A ? asks what fits:       cvtui calc "conv32f5s2p?"
for a wanted output:      cvtui calc "conv32f?s?p?" --output 16x16x32

\b
--json prints, with sizes as [H, W, C] or [N]:
  {"input": SIZE,
   "layers": [{"name", "expression", "output", "weights", "biases", "parameters",
               "macs", "activations",
               "receptive_field": {"size": [h, w], "stride": [h, w], "offset": [h, w]},
               "fan_in", "note"}, …],
   "totals": {"parameters", "trained", "macs", "activations", "kept"}}
One MAC is one multiply-add (2 FLOPs), biases apart. A unit (i, j) sees size pixels from
offset + (i, j) x stride on; stride 0: all units see the same; null: not known. "kept" are the
bytes of an image that wait for the backward pass. With ? in NET
there is also "solutions": [{"asked", "fits": [{"expression", "output", "exact"}]}], with
--against-fc "against_fc": [{"name", "fc", "conv", "ratio", "sparse", "shared"}].
"""

INPUT_HELP = """HxWxC, HxW (one channel) or N (flat). Of PyTorch code also, in PyTorch's order and without the batch:
CxL (8x16000:float), CxTxHxW, and several inputs with commas between (3x224x224,77:int; int: whole numbers).
Default: 32x32x3; of PyTorch code what the library trained the model with, or 224x224x3."""


@click.command(help=HELP)
@click.argument("net", metavar="NET")
@click.option("--input", "input_size", metavar="SIZE", help=INPUT_HELP)
@click.option("--chw", is_flag=True, help="SIZE is in PyTorch's order, CxHxW.")
@click.option("--classes", metavar="N", type=int, help="Outputs of an fc without a number. Default: 10.")
@click.option("--batch", metavar="N", type=int, help="Images a batch, for the memory to train. Default: 64.")
@click.option("--output", "wanted", metavar="SIZE", help="The output to reach: solves for every ? in NET together.")
@click.option("--against-fc", is_flag=True, help="Set each conv beside a fully connected layer of the same sizes.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object (above) instead of the table.")
def calc(
    net: str,
    input_size: str | None,
    chw: bool,
    classes: int | None,
    batch: int | None,
    wanted: str | None,
    against_fc: bool,
    as_json: bool,
) -> None:
    """Calculate a network: sizes, parameters, MACs, receptive fields, memory."""
    for name, number in (("--classes", classes), ("--batch", batch)):
        if number is not None and not 1 <= number <= MAX_SIDE:
            raise RequestError(f"{name} {number}: at least 1 and at most {MAX_SIDE:,}")
    code, recipe = net if ":" in net and not Path(net).exists() else "", _recipe(net)
    if recipe is not None and is_target(recipe.net):
        code = recipe.net
    if code:
        for name, given in (("--output", wanted), ("--against-fc", against_fc)):
            if given:
                raise RequestError(f"{name}: for a net expression only, not for {code}")
        inputs = parse_inputs(input_size, channels_first=chw) if input_size is not None else None
        if recipe is not None and (inputs is None or classes is None):
            found, classes = _data(net, recipe, None, classes)
            inputs = inputs or (image_shape(found),)
        _module(code, inputs, classes, batch or _batch(recipe), as_json)
        return
    size = parse_size(input_size, channels_first=chw) if input_size is not None else None
    request = _request(net, recipe, size, classes, batch)
    goal = parse_size(wanted, "--output", channels_first=chw) if wanted is not None else None
    solution = solve(request.chain, request.input, request.classes, goal, source=request.text)
    if as_json:
        out.json_line(_json(solution, against_fc))
    else:
        from cvtui.cli.output.calc_view import print_memory

        _show(request, solution, goal is not None, against_fc)
        print_memory(out.console(markup=True), solution.table, request.batch)


def show_net(net: str, input_size: str, output: str, against_fc: bool) -> None:
    """Print what the command does of a net expression, but for the memory to train."""
    request = _request(net, None, parse_size(input_size), None, None)
    goal = parse_size(output, "--output") if output else None
    solution = solve(request.chain, request.input, request.classes, goal, source=request.text)
    _show(request, solution, goal is not None, against_fc)


def _request(net: str, recipe: Recipe | None, size: Size | None, classes: int | None, batch: int | None) -> _Request:
    """Return NET as text, or from a recipe file with its data's sizes; options win over the recipe."""
    from cvtui.calc.net.parser import parse

    if recipe is None:
        return _Request(net, parse(net), size or DEFAULT_INPUT, classes or DEFAULT_CLASSES, batch or DEFAULT_BATCH)
    size, classes = _data(net, recipe, size, classes)
    return _Request(recipe.net, parse(recipe.net), size, classes, batch or _batch(recipe))


def _batch(recipe: Recipe | None) -> int:
    """Return the recipe's batch size; the default without one, or for auto."""
    from cvtui.recipe.recipe import AUTO

    return DEFAULT_BATCH if recipe is None or recipe.batch_size == AUTO else recipe.batch_size


def _recipe(net: str) -> Recipe | None:
    """Return the recipe of a recipe file; None for a net."""
    if not _is_recipe(net):
        return None
    from cvtui.recipe.toml import load

    return load(Path(net))


def _data(net: str, recipe: Recipe, size: Size | None, classes: int | None) -> tuple[Size, int]:
    """Return the size of the recipe's images and its number of classes, but for those that are given. RequestError."""
    if size is not None and classes is not None:
        return size, classes
    from cvtui.recipe.datasets.facts import facts

    try:
        found = facts(recipe)
    except RequestError as error:
        raise RequestError(f"{net}: {error.message}", hint="or give --input and --classes") from None
    return size or found.size, classes or len(found.classes)


def _is_recipe(net: str) -> bool:
    """Return True for a name that ends in .toml, or a path with a slash to a file that is there."""
    if net.lower().endswith(".toml"):
        return True
    try:
        return "/" in net and len(net) < 4096 and Path(net).is_file()
    except (OSError, ValueError):  # a name that no file system takes is no file
        return False


def _show(request: _Request, solution: Solution, wanted: bool, against_fc: bool) -> None:
    from cvtui.calc import net_expression
    from cvtui.cli.output.calc_view import print_against_dense, print_solution, print_table

    console = out.console(markup=True)
    if solution.answers:
        print_solution(console, solution, wanted)
    title = net_expression(solution.chain) if solution.answers else request.text
    print_table(console, solution.table, title)
    if against_fc:
        print_against_dense(console, solution.table)


def _json(solution: Solution, against_fc: bool) -> dict[str, object]:
    from cvtui.calc import expression
    from cvtui.calc.dense import against_dense
    from cvtui.cli.output.calc_view import table_json

    found: dict[str, object] = table_json(solution.table)
    if solution.answers:
        found["solutions"] = [
            {
                "asked": expression(answer.node),
                "fits": [
                    {"expression": expression(fit.node), "output": [*fit.output, fit.node.filters], "exact": fit.exact}
                    for fit in answer.fits
                ],
            }
            for answer in solution.answers
        ]
    if against_fc:
        found["against_fc"] = [
            {
                "name": pair.row.name,
                "fc": pair.dense,
                "conv": pair.weights,
                "ratio": pair.ratio,
                "sparse": pair.sparse,
                "shared": pair.shared,
            }
            for pair in against_dense(solution.table)
        ]
    return found


def _module(net: str, inputs: tuple[InputShape, ...] | None, classes: int | None, batch: int, as_json: bool) -> None:
    """Calculate a net of torchvision, or of user code, built and run on the meta device."""
    from cvtui.cli.commands.calc_module import show_module

    show_module(net, inputs, classes, batch, as_json)
