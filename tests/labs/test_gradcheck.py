"""The lab `gradcheck`: finds nothing in PyTorch's backward, and every bug that is planted in it."""

from __future__ import annotations

import pytest

from tests.labs.conftest import Run


def test_backward_agrees_with_the_numeric_gradient(run: Run) -> None:
    result = run("gradcheck", entries=10)
    assert result.claim_holds is True
    assert result.numbers["largest"] < 1e-6
    assert len(result.numbers["relative errors"]) == 12  # 3 weights, 3 biases, 6 outputs


@pytest.mark.parametrize(
    "net", ["res(conv4-tanh)-gap-fc", "cat(conv2|conv2f1)-avgpool-fc", "conv4-bn-tanh-fc", "fc8-ln-gelu-fc"]
)
def test_other_nets(run: Run, net: str) -> None:
    assert run("gradcheck", net=net, entries=5).claim_holds is True


def test_a_maximum_of_equals_has_a_kink_which_is_no_mistake(run: Run) -> None:
    """On a digit's empty background conv's outputs are equal: backward takes one of them, the numeric gradient both."""
    result = run("gradcheck", entries=300)
    assert result.claim_holds is True, result.sentence
    assert "Left out where ReLU or a maximum has a kink: " in result.sentence


def test_a_bug_in_an_activation_spoils_what_lies_below_it_and_nothing_else(run: Run) -> None:
    wrong = run("gradcheck", bug="activation", entries=10).numbers["wrong"]
    assert set(wrong) == {"conv1"}


def test_a_bug_in_one_bias_spoils_that_bias(run: Run) -> None:
    result = run("gradcheck", bug="bias", entries=10)
    errors = result.numbers["relative errors"]
    assert errors["conv1 bias"] == pytest.approx(0.5, rel=1e-3)
    assert sum(error > 1e-6 for error in errors.values()) == 1


def test_double_precision_is_needed(run: Run) -> None:
    curves = {curve.name: curve.y for curve in run("gradcheck", entries=2).figures[-1].curves}  # type: ignore[union-attr]
    assert min(curves["double"]) < 1e-8
    assert min(curves["float32"]) > 1e-4
