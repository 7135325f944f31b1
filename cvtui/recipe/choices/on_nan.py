"""on_nan: what happens at a step whose loss or gradient is not finite."""

from __future__ import annotations

from cvtui.recipe.choices.spec import Choice, Parameter, table_of


class OnNanChoice(Choice):
    guarded: bool = True
    """Such an update is left out."""


ON_NAN = table_of(
    OnNanChoice(
        name="stop",
        summary="leave out such an update; end the run after so many in a row",
        formula="",
        parameters={
            "steps": Parameter(default=3, low=1, high=1_000_000, doc="steps in a row that are NaN or infinite")
        },
    ),
    OnNanChoice(
        name="skip",
        summary="leave out such updates and go on; end the run only after very many in a row",
        formula="",
        parameters={
            "steps": Parameter(default=100, low=1, high=1_000_000_000, doc="steps in a row that are NaN or infinite")
        },
    ),
    OnNanChoice(
        name="continue",
        summary="train on with whatever comes (weights may become NaN, or stand still for good)",
        formula="",
        guarded=False,
    ),
)
"""What happens at a step whose loss or gradient is not finite."""
