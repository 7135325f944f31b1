"""The range of most values: what an axis shows while a few spikes stick out."""

from __future__ import annotations

import numpy as np

from cvtui.draw.robust_range import typical, typical_of_all


def test_a_short_curve_loses_the_value_that_sticks_out_of_the_longer_ones() -> None:
    steps = 0.5 + 0.4 * np.sin(np.arange(96.0))
    means = np.array([0.49, 0.21, 3.1e26, 2.4, 0.24, 0.67])  # of epochs, the third with a spike of 5e27
    curves = [steps, means]
    most = typical_of_all([typical(y) for y in curves], curves)
    assert most is not None
    assert most[1] == 2.4


def test_a_short_curve_that_lies_elsewhere_is_shown() -> None:
    """Validation far above training is no spike; nor is its first value alone."""
    steps = 0.5 + 0.4 * np.sin(np.arange(96.0))
    for validation in ([40.0, 41.0, 42.0, 43.0], [40.0]):
        curves = [steps, np.array(validation)]
        most = typical_of_all([typical(y) for y in curves], curves)
        assert most is not None
        assert most[1] == validation[-1]
