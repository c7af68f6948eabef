"""Prorata on one machine: ``python -m infra.local run | simulate | catalog | token``."""

from __future__ import annotations

import json
import os
import socket
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

import click

os.environ.setdefault("POWERTOOLS_LOG_LEVEL", "CRITICAL")
os.environ["POWERTOOLS_METRICS_DISABLED"] = "true"

from infra.local import telling, tokens
from infra.local.catalog_file import CatalogFile
from infra.local.simulate import CUSTOMER, Simulation
from infra.local.story import StoryFile
from infra.local.yaml_file import BadFile

SAMPLE = Path(__file__).parent / "sample.yaml"
PORT = 8787


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Prorata on one machine: the same template and the same handlers, with a calendar in hand."""


@main.command()
@click.option(
    "--port",
    default=PORT,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Where to listen, on 127.0.0.1 only.",
)
@click.option(
    "--story",
    default=SAMPLE,
    type=click.Path(path_type=Path),
    help="A story to play first: its seller, catalogue and accounts are there when it starts.",
)
def run(port: int, story: Path) -> None:
    """Serve the API on this machine, with a sample seller and a calendar that moves when told to."""
    from infra.local.server import serve

    _demand_free(port)
    click.echo("What happened so far, and from now on:\n")
    simulation = _played(story)
    account = next(iter(simulation.story.accounts), None)
    server = serve(simulation.cloud, tokens.key(), port)
    address = f"http://127.0.0.1:{server.server_port}"
    token = tokens.sign({"sub": "you", "account": account, "permissions": CUSTOMER}, tokens.key())
    subscription = next(iter(simulation.saved.values()), "")
    click.echo(f"\nProrata is running. Its calendar stands at {simulation.cloud.now:%Y-%m-%dT%H:%M:%SZ}.\n")
    click.echo(f"  API        {address}/v1")
    click.echo(f"  Account    {account}, subscription {subscription}")
    click.echo(f"  Token      {token}")
    click.echo(f"  Pay page   {_pay_page(simulation, address)}\n")
    click.echo("Try it from another terminal:\n")
    click.echo(f"  export API={address} TOKEN={token} SUB={subscription}\n")
    click.echo("and then the three lines of the README; what they bring about is told here.")
    click.echo("Stop with Ctrl-C: everything is forgotten.\n")
    sys.stdout.flush()
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        click.echo("\nStopped.")
    finally:
        server.server_close()


@main.command()
@click.argument("story", type=click.Path(path_type=Path))
@click.option("--format", "as_", type=click.Choice(["text", "json"]), default="text", help="How to tell it.")
def simulate(story: Path, as_: str) -> None:
    """Play STORY (a YAML file, see docs/stories.md) and tell what happened, day by day.

    Exit status 0: every expectation holds; 1: one does not; 2: the file cannot be read.
    """
    simulation = _simulation(story, _as_json if as_ == "json" else _as_text)
    try:
        failures = _play(simulation)
    except BadFile as error:
        _unreadable(error)
    for failure in failures:
        click.echo(failure, err=True)
    sys.exit(1 if failures else 0)


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print it as the body of PUT /v1/catalog.")
def catalog(file: Path, as_json: bool) -> None:
    """Check a catalogue FILE (YAML, see infra/catalog/hub.yaml) before it is published.

    Exit status 0: it can be sold from; 2: it cannot (file, line, reason).
    """
    try:
        found = CatalogFile(file)
    except BadFile as error:
        _unreadable(error)
    if as_json:
        click.echo(json.dumps(found.file.data, ensure_ascii=False))
    else:
        sold = found.catalog
        click.echo(f"{file}: {len(sold.prices)} prices of {len(sold.products)} products, ready to be published.")


@main.command()
@click.option("--account", help="The account that the caller belongs to.")
@click.option("--permissions", default=CUSTOMER, show_default=True, help="What the caller may do.")
@click.option("--subject", default="you", show_default=True, help="Who the caller is.")
def token(account: str | None, permissions: str, subject: str) -> None:
    """Print a signed token for trying things out on the local run."""
    claims = {"sub": subject, "permissions": permissions} | ({"account": account} if account else {})
    click.echo(tokens.sign(claims, tokens.key()))


@main.command()
def openapi() -> None:
    """Write docs/openapi.json anew, its examples played through the handlers."""
    from infra.local import openapi as description

    description.write()
    click.echo(f"Wrote {', '.join(str(file.relative_to(description.ROOT)) for file in description.FILES)}.")


def _pay_page(simulation: Simulation, address: str) -> str:
    """Where something can be paid that somebody owes."""
    from shared.edge import links
    from shared.store import queries

    owed = (
        bill for account in simulation.story.accounts for bill in queries.unsettled_invoices(account) if bill.payable
    )
    bill = next(owed, None)
    if bill is None:
        return "nobody owes anything"
    return address + links.path(links.Link(links.Kind.INVOICE, bill.account_id, bill.id))


def _simulation(story: Path, tell: Any) -> Simulation:
    try:
        return Simulation(StoryFile(story), tell)
    except BadFile as error:
        _unreadable(error)


def _unreadable(error: BadFile) -> NoReturn:
    click.echo(str(error), err=True)
    sys.exit(2)


def _demand_free(port: int) -> None:
    """Say at once that a port is taken, and not after the story was played."""
    try:
        with socket.create_server(("127.0.0.1", port)):
            pass
    except OSError as error:
        sentence = f"Port {port} cannot be used ({error.strerror}). Try another: make run PORT=8788"
        raise click.ClickException(sentence) from None


def _played(story: Path) -> Simulation:
    simulation = _simulation(story, _as_text)
    try:
        failures = simulation.play()
    except BadFile as error:
        _unreadable(error)
    if failures:
        raise click.ClickException("\n".join(failures))
    return simulation


def _play(simulation: Simulation) -> list[str]:
    """Play it, with a progress bar where somebody is looking."""
    days = _days(simulation)
    if not sys.stderr.isatty() or days < 60:
        return simulation.play()
    with click.progressbar(length=days, label="Simulating", file=sys.stderr) as bar:
        start, done = simulation.cloud.now, 0

        def tick(now: datetime) -> None:
            nonlocal done
            so_far = (now - start) // timedelta(days=1)
            bar.update(so_far - done)
            done = so_far

        return simulation.play(tick)


def _days(simulation: Simulation) -> int:
    """About how many days a story lasts."""
    times = [step.at or step.until for step in simulation.story.steps]
    dates = [text[:10] for text in times if isinstance(text, str)]
    try:
        return (datetime.fromisoformat(max(dates)) - datetime.fromisoformat(min(dates))).days
    except ValueError:
        return 0


def _as_json(told: dict[str, Any]) -> None:
    click.echo(json.dumps(told, ensure_ascii=False))


def _as_text(told: dict[str, Any]) -> None:
    for line in telling.lines(told):
        click.echo(line)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
