"""What the engine makes of a recipe's texts, for the tests of its parts."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from cvtui.engine.data.augment import Augment
from cvtui.engine.data.images import ChannelStats, Part
from cvtui.engine.data.preprocess import Preprocess
from cvtui.engine.nn import init
from cvtui.engine.optim import factory, loss
from cvtui.recipe import first_loss as first
from cvtui.recipe.choices.augments import AUGMENTS
from cvtui.recipe.choices.inits import INITS
from cvtui.recipe.choices.losses import LOSSES, FirstLoss
from cvtui.recipe.choices.optimizers import OPTIMIZERS
from cvtui.recipe.choices.preprocesses import PREPROCESSES
from cvtui.recipe.choices.spec import parse_chain, parse_choice
from cvtui.recipe.recipe import Recipe


def augment(text: str, seed: int) -> Augment:
    return Augment(parse_chain(text, AUGMENTS, "augment"), seed)


def preprocess(text: str, stats: ChannelStats, device: torch.device, images: Part | None = None) -> Preprocess:
    return Preprocess(parse_choice(text, PREPROCESSES, "preprocess"), stats, device, images)


def make_loss(text: str) -> loss.Loss:
    return loss.make_loss(parse_choice(text, LOSSES, "loss"))


def first_loss(text: str, classes: int) -> FirstLoss:
    return first.first_loss(parse_choice(text, LOSSES, "loss"), classes)


def make_optimizer(model: nn.Module, recipe: Recipe) -> Optimizer:
    return factory.make_optimizer(model, parse_choice(recipe.optimizer, OPTIMIZERS, "optimizer"), recipe)


def needs_batch(text: str) -> bool:
    return init.needs_batch(parse_choice(text, INITS, "init"))


def initialise(net: nn.Module, text: str, generator: torch.Generator, batch: Tensor | None = None) -> None:
    init.initialise(net, parse_choice(text, INITS, "init"), generator, batch)
