"""Fields that follow another one of the form, unless they were changed by hand."""

from __future__ import annotations

from cvtui.recipe.recipe import Recipe
from cvtui.tui.form.field_values import to_text
from cvtui.tui.form.form import Form


class Followers:
    """Weight decay follows the optimizer, initialization the net, preprocessing the weights."""

    def __init__(self, recipe: Recipe) -> None:
        self._optimizer = recipe.optimizer
        self._sources = {"net": recipe.net, "weights": recipe.weights}

    async def follow(self, form: Form) -> None:
        """Fill in what is usual with what stands in the form now."""
        await self._follow_optimizer(form)
        await self._follow_usual(form)

    async def _follow_optimizer(self, form: Form) -> None:
        now, before = form.rows["optimizer"].text, self._optimizer
        if now == before:
            return
        from cvtui.recipe.toml import usual_decay

        self._optimizer = now
        decay = form.rows["weight_decay"]
        if decay.text == to_text(usual_decay(before)):
            await decay.set_text(to_text(usual_decay(now)))

    async def _follow_usual(self, form: Form) -> None:
        from cvtui.recipe.net_target import usual_init, usual_preprocess

        rows = form.rows
        for source, follower, usual in (("net", "init", usual_init), ("weights", "preprocess", usual_preprocess)):
            now, before = rows[source].text.strip(), self._sources[source]
            self._sources[source] = now
            if usual(now) != usual(before) and rows[follower].text == usual(before):
                await rows[follower].set_text(usual(now))
