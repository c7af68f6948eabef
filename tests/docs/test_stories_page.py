"""docs/stories.md: its example is a story that is run, and it names every word that a story can use."""

import re
from pathlib import Path

import pytest

from infra.local.faults import HOW, WHERE
from infra.local.simulate import Simulation
from infra.local.story import OUTSIDE, StoryFile
from infra.local.stripe_methods import BEHAVIOURS

PAGE = (Path(__file__).parents[2] / "docs/stories.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_comes_out_as_it_says(tmp_path, number):
    path = tmp_path / "story.yaml"
    path.write_text(EXAMPLES[number], encoding="utf-8")
    assert Simulation(StoryFile(path), lambda _: None).play() == []


def test_there_is_an_example():
    assert EXAMPLES


@pytest.mark.parametrize("word", [*BEHAVIOURS, *WHERE, *HOW])
def test_every_word_is_explained(word):
    assert f"`{word}`" in PAGE


@pytest.mark.parametrize("step", OUTSIDE)
def test_every_thing_that_the_outside_does_is_explained(step):
    assert f"`{{{step}: " in PAGE
