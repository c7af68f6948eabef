"""What the README shows of `make deploy-local` is what it prints: the steps, in their order."""

import re
from pathlib import Path

from infra.local.deploy_stack import build, deploy
from infra.local.deploy_story import Story

README = (Path(__file__).parents[2] / "README.md").read_text()


def test_the_readme_shows_every_step():
    shown = re.findall(r"^✓ +[\d.]+ s  (.+)$", README, re.MULTILINE)
    sentences = [step.__doc__.partition("\n")[0] for step in (build, deploy, *Story(None, None, None).steps())]
    assert len(shown) == len(sentences)
    for line, sentence in zip(shown, sentences, strict=True):
        assert line.startswith(sentence)
