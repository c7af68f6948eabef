"""What the README shows of `make deploy-local` is what it prints: the steps, in their order."""

import re
from pathlib import Path

import pytest

from infra.local import template
from infra.local.deploy import verdict
from infra.local.deploy_packages import build
from infra.local.deploy_roles import expected, questions
from infra.local.deploy_stack import deploy
from infra.local.deploy_story import Story
from infra.local.deploy_template import expand, of_type, rights

EXPANDED = expand(template.load())
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


def test_the_counts_that_the_readme_shows_are_those_of_the_template():
    through, denied = expected(EXPANDED)
    assert f"{through} requests go through, {denied} are denied." in README


def test_the_roles_are_asked_for_every_right_that_is_granted():
    granted = {right for role in of_type(EXPANDED, "AWS::IAM::Role").values() for right in rights(role, EXPANDED)}
    assert granted <= set(questions(EXPANDED))
