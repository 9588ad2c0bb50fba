"""A run that has gone wrong is stopped, and one that has not is left alone."""

from __future__ import annotations

import json
import math

import pytest

from model.training.divergence import Divergence, chance_loss
from model.training.recipe import load_recipe, overridden

CHANCE = {"itc": 2.0, "itm": 1.4, "mlm": 9.0}


def test_a_loss_that_is_not_finite_is_a_problem_at_once() -> None:
    assert Divergence(CHANCE).problem({"itc": 1.0, "mlm": math.nan}) == "mlm is nan"
    assert Divergence(CHANCE).problem({"loss": math.inf}) == "loss is inf"


def test_an_objective_that_stays_worse_than_chance_is_a_problem() -> None:
    watch = Divergence(CHANCE)
    assert watch.problem({"itc": 2.0}) is None
    problems = [watch.problem({"itc": 9.0}) for _ in range(200)]
    assert problems[50] is None, "for a while it may be chance"
    assert problems[-1] is not None
    assert "far worse than 2, the loss of chance" in problems[-1]


def test_a_loss_that_rises_with_the_difficulty_is_none() -> None:
    """It happened: ITM went on from trained weights at 0.13, and rose to 0.55 as its negatives got hard."""
    watch = Divergence(CHANCE)
    assert all(watch.problem({"itm": 0.13 + step * 0.002}) is None for step in range(500))


def test_a_few_bad_steps_and_the_sum_of_the_losses_are_none() -> None:
    watch = Divergence(CHANCE)
    for step in range(400):
        assert watch.problem({"itc": 20.0 if step % 50 == 25 else 2.0, "loss": 40.0}) is None


def test_it_remembers_across_a_checkpoint() -> None:
    watch, again = Divergence(CHANCE), Divergence(CHANCE)
    watch.problem({"itc": 1.0})
    again.load_state_dict(json.loads(json.dumps(watch.state_dict())))
    assert [watch.problem({"itc": 5.0}) for _ in range(200)] == [again.problem({"itc": 5.0}) for _ in range(200)]


def test_the_loss_of_chance_is_the_logarithm_of_the_number_of_choices() -> None:
    chance = chance_loss(load_recipe("paper-r50-retrieval"), 30522, 10_000)
    assert chance["itm"] == pytest.approx(math.log(6)), "one against the five hardest"
    assert chance["mlm"] == pytest.approx(math.log(30522))
    assert chance_loss(load_recipe("small"), 30522, 10_000)["itc"] == pytest.approx(math.log(256))


@pytest.mark.parametrize("accumulation_steps", [1, 4])
def test_there_are_no_more_choices_than_train_photos(accumulation_steps: int) -> None:
    changes = {"schedule.gradient_accumulation_steps": accumulation_steps, "schedule.batch_size": 256}
    recipe = overridden(load_recipe("small"), changes, "test")
    for photos, in_a_batch in ((40, 40), (256, 256), (10_000, 256)):
        chance = chance_loss(recipe, 30522, photos)["itc"]
        assert chance == pytest.approx(math.log(in_a_batch / accumulation_steps))
