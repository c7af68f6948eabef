"""What the README shows of `make deploy-local` is what it prints: the steps, in their order."""

import re
from pathlib import Path

import pytest

from infra.local.deploy import verdict
from infra.local.deploy_packages import build
from infra.local.deploy_stack import deploy
from infra.local.deploy_story import Story

README = (Path(__file__).parents[2] / "README.md").read_text()


def test_the_readme_shows_every_step():
    shown = re.findall(r"^✓ +[\d.]+ s  (.+)$", README, re.MULTILINE)
    sentences = [step.__doc__.partition("\n")[0] for step in (build, deploy, *Story(None, None, None).steps())]
    assert len(shown) == len(sentences)
    for line, sentence in zip(shown, sentences, strict=True):
        assert line.startswith(sentence)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (150.4, (0, "All of it came out as it should, in 150 s.")),
        (180, (0, "All of it came out as it should, in 180 s.")),
        (180.6, (1, "All of it came out as it should, but in 181 s: more than 180 are too many.")),
    ],
)
def test_a_run_of_more_than_three_minutes_fails(seconds, said):
    assert verdict(seconds) == said
