"""Random nets on random inputs: every row of the calculator against PyTorch. No mismatch is tolerated."""

from __future__ import annotations

from contextlib import nullcontext
from typing import cast

import pytest
import torch
from hypothesis import HealthCheck, event, given, reject, seed, settings
from torch import Tensor, nn
from torch.utils.module_tracker import ModuleTracker

from cvtui.calc import Chain, ReceptiveField, Size, Table, net_expression, trace, values
from cvtui.calc.net.parser import parse
from cvtui.errors import RequestError
from tests.calc.nets import nets, sizes
from tests.calc.oracle import Built, as_shape, as_size, own_parameters
from tests.flops import flop_counter


def checked(number: int, first: int | None = None) -> None:
    """So many random nets; `first` fixes which."""
    test = settings(max_examples=number, deadline=None, database=None, suppress_health_check=list(HealthCheck))(
        given(nets, sizes)(agrees)
    )
    (test if first is None else seed(first)(test))()


def agrees(chain: Chain, size: Size) -> None:
    """Assert the same shapes, parameters, MACs and receptive field.

    What one refuses the other refuses; it is not counted.
    """
    assert parse(net_expression(chain)) == chain
    try:
        table = trace(chain, size, classes=7)
    except RequestError:
        with pytest.raises((RuntimeError, ValueError)):
            Built(chain, as_shape(size), classes=7, smooth=True)
        reject()
    built = Built(chain, as_shape(size), classes=7, smooth=True)
    assert [row.output for row in table.rows] == [as_size(shape) for _, shape in built.layers]
    counted = [own_parameters(module) for module, _ in built.layers]
    assert [(row.weights, row.biases) for row in table.rows] == counted
    assert table.parameters == sum(parameter.numel() for parameter in built.module.parameters())
    assert table.activations == sum(values(as_size(shape)) for _, shape in built.layers)

    generator = torch.Generator().manual_seed(0)
    module = built.module.double().eval()
    for parameter in module.parameters():  # positive, so that no two paths cancel
        nn.init.uniform_(parameter, 0.5, 1.5, generator=generator)
    image = torch.rand(1, *as_shape(size), dtype=torch.double, generator=generator).requires_grad_()
    counter = flop_counter()
    counter.mod_tracker = cast("ModuleTracker", Nowhere())
    with counter:
        output = module(image)
    assert table.macs * 2 == counter.get_total_flops()
    sees_as_gradients_do(table, image, output)


class Nowhere(nullcontext[None]):
    """In place of the counter's tracker of modules, whose hooks take longer than the net; only the total is asked."""

    parents = frozenset({"Global"})


def sees_as_gradients_do(table: Table, image: Tensor, output: Tensor) -> None:
    """Compare the receptive field of output units with the pixels that have a gradient.

    Of a unit whose field leaves the input only the part inside can have one, and from there on the field is a bound:
    windows of earlier layers may lie on padding. (Where branches meet, leaving on one axis concerns the other too: a
    branch whose columns are all padding adds no rows.) Where all units are mixed, the pixels are known one by one.
    """
    meets = any(row.kind in ("add", "cat") for row in table.rows)
    field = table.rows[-1].receptive_field
    assert field is not None
    units = [(0, 0)]
    if output.dim() == 4 and not any("step over" in row.note for row in table.rows):
        high, wide = output.shape[2:]
        units = list(dict.fromkeys([(0, 0), (high // 2, wide // 2), (high - 1, wide - 1)]))
    for unit in units:
        chosen = output[0, :, unit[0], unit[1]].sum() if output.dim() == 4 else output[0, 0]
        (gradient,) = torch.autograd.grad(chosen, image, retain_graph=True)
        seen = gradient[0].abs().amax(0) > 1e-12
        if 0 in field.size:
            assert not seen.any()
            continue
        if not seen.any() and output.dim() == 4:
            # The unit's own window lies on padding, of the input or of a map whose units all see the same.
            assert any(_leaves(field, unit, axis, table.input) or field.stride[axis] == 0 for axis in (0, 1))
            continue
        for axis in (0, 1):
            pixels = seen.any(1 - axis).nonzero().flatten().tolist()
            low = field.offset[axis] + unit[axis] * field.stride[axis]
            assert low <= pixels[0]
            assert pixels[-1] <= low + field.size[axis] - 1
            if not any(_leaves(field, unit, one, table.input) for one in ((0, 1) if meets else (axis,))):
                event("field inside the input")
                assert (pixels[0], pixels[-1]) == (low, low + field.size[axis] - 1)


def _leaves(field: ReceptiveField, unit: tuple[int, int], axis: int, size: Size) -> bool:
    low = field.offset[axis] + unit[axis] * field.stride[axis]
    return low < 0 or low + field.size[axis] > size[axis]


def test_a_hundred_random_nets_equal_pytorch() -> None:
    checked(100, first=0)


@pytest.mark.long
@pytest.mark.parametrize("part", range(4))
def test_two_thousand_random_nets_equal_pytorch(part: int) -> None:
    checked(500, first=part)


@pytest.mark.long
@pytest.mark.parametrize("_part", range(10))
def test_ten_thousand_other_random_nets_equal_pytorch(_part: int) -> None:
    checked(1000)


def test_a_layer_norm_sees_the_whole_map() -> None:
    """With its true gradient, which the random nets replace."""
    size = (6, 7, 2)
    table = trace(parse("conv2-ln-conv2f3s2p0"), size)
    built = Built(parse("conv2-ln-conv2f3s2p0"), as_shape(size))
    image = torch.rand(1, *as_shape(size), generator=torch.Generator().manual_seed(0)).requires_grad_()
    built.module(image)[0, 0, 0, 0].backward()
    assert image.grad is not None
    assert (image.grad[0].abs().amax(0) > 0).all()
    assert table.rows[-1].receptive_field == ReceptiveField((6, 7), (0, 0), (0, 0))
