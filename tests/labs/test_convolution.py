"""The labs about convolution: equivariance, invariance, sharing, toeplitz, fc-vs-conv."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from cvtui.errors import RequestError
from cvtui.labs.experiments.dense import conv_matrix
from cvtui.labs.experiments.toeplitz import the_matrix
from cvtui.labs.experiments.transforms import canvas, cut, relative, sample, shift_error
from tests.labs.conftest import Run

pytestmark = pytest.mark.long


def test_conv_follows_shifts_fc_does_not_and_conv_follows_no_turn(run: Run) -> None:
    """1e-5 inside the border; fc off by more than half; a conv's map after 90° (exact, no interpolation) is another."""
    result = run("equivariance", steps=0, pictures=4)
    assert result.claim_holds is True
    numbers = result.numbers
    for layer in ("conv1", "relu1", "conv2", "relu2"):
        errors = numbers[f"conv, untrained: {layer}"]
        assert max(errors["shift"]) <= 1e-5
        assert min(errors["border"]) > 0.1
        assert errors["angle"][-1] > 0.3
    assert min(numbers["fc, untrained: fc1"]["shift"]) > 0.5
    assert numbers["pixel by pixel"]["angle"][-1] == 0.0


def test_pooling_follows_shifts_by_its_stride_only(run: Run) -> None:
    errors = run("equivariance", steps=0, pictures=4).numbers
    first, second = errors["conv + pool, untrained: pool1"]["shift"], errors["conv + pool, untrained: pool2"]["shift"]
    assert [error < 1e-5 for error in first] == [False, True, False, True, False, True]
    assert [error < 1e-5 for error in second] == [False, False, False, True, False, False]


def test_trained_nets_are_measured_too(run: Run) -> None:
    result = run("equivariance", steps=5, pictures=2, shifts=2)
    assert max(result.numbers["conv, trained: relu2"]["shift"]) <= 1e-5
    assert result.claim_holds is True


def test_batch_norm_moves_with_its_picture_too(run: Run) -> None:
    """Measured in eval mode: the statistics of one batch are not those of the batch that was moved."""
    assert run("equivariance", net="conv4-bn-relu-gap-fc", steps=0, pictures=2, shifts=2).claim_holds is True


def test_moves_are_what_they_say() -> None:
    wide = canvas(8, 2, 0)
    still = cut(wide)
    assert torch.equal(cut(wide, shift=3)[..., 3:], still[..., :-3])
    assert torch.equal(sample(still, 8, 90.0, 1.0), torch.rot90(still, 1, (2, 3)))
    # 360° by interpolation (359.999…) is no turn, and a magnification by 1 by interpolation neither.
    assert relative(sample(still, 8, 359.9999, 1.0), still) < 1e-3
    assert relative(sample(still, 8, 0.0, 1.0000001), still) < 1e-5


def test_shift_error_of_maps_that_are_known() -> None:
    still = torch.arange(12.0).reshape(1, 1, 1, 12).expand(1, 1, 4, 12)
    moved = still - 2.0  # a ramp moved right by two
    assert shift_error(still, moved, 2, 1, 0) == 0.0
    assert shift_error(still, moved, 3, 1, 0) > 0.0
    assert shift_error(still, still - 0.5, 1, 2, 0) == 0.0  # half a step of a map with stride 2


@pytest.mark.long
def test_pooled_values_change_less_often(run: Run) -> None:
    """The book's figure: every detector changes, half of the maxima do."""
    result = run("invariance", steps=120)
    assert result.numbers["book: detectors changed"] == 4
    assert result.numbers["book: pooled changed"] == 2
    assert result.numbers["share changed"]["none"][0] > 0.95
    assert result.numbers["share changed"]["max"][0] < 0.65
    assert result.claim_holds is True


def test_receptive_field_grows_by_one_less_than_the_filter(run: Run) -> None:
    result = run("sharing", width=21, filter=5, depth=4)
    assert result.numbers["receptive field"] == [5, 9, 13, 17]
    assert result.numbers["parameters conv"] == 5
    assert result.claim_holds is True


def test_sharing_at_the_edge_of_the_row(run: Run) -> None:
    result = run("sharing", unit=0)
    assert result.numbers["receptive field"] == [2, 3, 4]
    assert result.claim_holds is True


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", [0, 1, 2])
def test_the_matrix_is_the_convolution(stride: int, padding: int) -> None:
    maker = torch.Generator().manual_seed(0)
    kernel = torch.randn(3, 2, 3, 2, generator=maker, dtype=torch.float64)
    image = torch.randn(2, 7, 6, generator=maker, dtype=torch.float64)
    matrix, groups = conv_matrix(kernel, 7, 6, stride=stride, padding=padding)
    expected = F.conv2d(image[None], kernel, stride=stride, padding=padding)[0]
    assert torch.allclose(matrix @ image.flatten(), expected.flatten(), atol=1e-12)
    assert torch.equal(torch.unique(matrix[groups == 5]), kernel.flatten()[4:5])
    assert torch.all(matrix[groups == 0] == 0)


def test_toeplitz_agrees_and_shares(run: Run) -> None:
    result = run("toeplitz", picture="digits")
    assert result.claim_holds is True
    assert result.numbers["largest difference"] < 1e-5
    assert result.numbers["matrix"] == [64, 64]
    # 64 units with 9 taps each, less those in the padding: (3·8 − 2)² connections.
    assert result.numbers["share of zeros"] == pytest.approx(1 - 22**2 / 64**2, abs=1e-4)


@pytest.mark.parametrize(("side", "stride", "padding"), [(5, 1, 0), (6, 2, 1), (8, 3, 2)])
def test_the_calculators_matrix_is_the_labs(side: int, stride: int, padding: int) -> None:
    kernel = torch.randn(3, 3, generator=torch.Generator().manual_seed(1))
    ours = conv_matrix(kernel[None, None], side, side, stride=stride, padding=padding)
    for mine, calculated in zip(ours, the_matrix(kernel, side, stride, padding), strict=True):
        assert torch.equal(mine, calculated)


def test_a_flipped_filter_is_a_convolution(run: Run) -> None:
    """`--flip on` is what numpy calls convolve: the matrix still agrees."""
    assert run("toeplitz", flip=True, filter="random", size=4, side=20).claim_holds is True


def test_toeplitz_refuses_a_filter_that_does_not_fit(run: Run) -> None:
    with pytest.raises(RequestError, match="does not fit"):
        run("toeplitz", filter="random", size=11, padding=0)


def test_fc_is_a_superset_of_conv_and_learns_less(run: Run) -> None:
    result = run("fc-vs-conv", epochs=3, images=1200)
    cnn, mlp = result.numbers["accuracy"]
    assert cnn > mlp + 0.05
    assert result.numbers["superset: difference"] < 1e-5
    assert result.numbers["superset: conv weights"] == 432
    assert result.numbers["parameters"][0] == pytest.approx(result.numbers["parameters"][1], rel=0.25)
    assert result.claim_holds is True


def test_fc_vs_conv_wants_a_conv(run: Run) -> None:
    with pytest.raises(RequestError, match="no conv to compare with"):
        run("fc-vs-conv", net="fc8-relu-fc", data="digits")
