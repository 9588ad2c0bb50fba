"""A run that has gone wrong is stopped, and one that has not is left alone."""

from __future__ import annotations

import json
import math

from model.training.divergence import Divergence


def test_a_loss_that_is_no_number_is_trouble_at_once() -> None:
    assert Divergence().trouble({"itc": 1.0, "mlm": math.nan}) == "mlm is nan"
    assert Divergence().trouble({"loss": math.inf}) == "loss is inf"


def test_a_loss_that_stays_three_times_above_its_start_is_trouble() -> None:
    watch = Divergence()
    assert watch.trouble({"itc": 2.0}) is None
    found = [watch.trouble({"itc": 9.0}) for _ in range(200)]
    assert found[50] is None, "for a while it may be chance"
    assert found[-1] is not None
    assert "itc has risen from 2" in found[-1]


def test_a_few_bad_steps_and_an_objective_that_comes_in_later_are_none() -> None:
    watch = Divergence()
    for step in range(400):
        losses = {"itc": 20.0 if step % 50 == 0 else 2.0, "loss": 2.0}
        if step > 200:
            losses |= {"mlm": 10.0, "loss": 12.0}
        assert watch.trouble(losses) is None


def test_it_remembers_across_a_checkpoint() -> None:
    watch, again = Divergence(), Divergence()
    watch.trouble({"itc": 1.0})
    again.load_state_dict(json.loads(json.dumps(watch.state_dict())))
    assert [watch.trouble({"itc": 5.0}) for _ in range(200)] == [again.trouble({"itc": 5.0}) for _ in range(200)]
