"""``make deploy-local``: template.yaml itself, deployed to a stand-in for AWS and driven over HTTP, step by step.

Each step is printed with a mark; exit status 0 if all of them came out as they
should. Everything listens on loopback only, and nothing is left behind.
"""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from time import monotonic
from typing import Any, ParamSpec, TypeVar

from infra.local.cloud import WEBHOOK_SECRET
from infra.local.deploy_issuer import Issuer
from infra.local.deploy_packages import build, fetch
from infra.local.deploy_stack import DIFFERENCES, Failed, deploy, ministack
from infra.local.deploy_story import Story
from infra.local.stripe import Stripe, serve
from shared.edge import clock

P = ParamSpec("P")
T = TypeVar("T")
LONGEST = 180
"""Seconds that it may take, once everything is installed and fetched."""
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LAST_LINES = 20
_PLENTY = 4 * 2**30  # bytes


def main() -> int:
    """Do all of it, and put everything away however it ends; the exit status."""
    for sign in _STOPPING:
        signal.signal(sign, _stop)
    start = monotonic()
    try:
        fetch()
        start = monotonic()
        _deploy_and_drive()
    except KeyboardInterrupt:
        print("\nStopped.")
        return 130
    except Failed as failure:
        print(f"\nIt failed, after {monotonic() - start:.0f} s:\n{_indented(str(failure))}")
        return 1
    status, sentence = verdict(monotonic() - start)
    print(f"\n{sentence}")
    return status


def verdict(seconds: float) -> tuple[int, str]:
    """Exit status and last sentence of a run whose every step came out as it should."""
    if seconds > LONGEST:
        return 1, f"All of it came out as it should, but in {seconds:.0f} s: more than {LONGEST} are too many."
    return 0, f"All of it came out as it should, in {seconds:.0f} s."


def _stop(*_: Any) -> None:
    """Stop once, and not while everything is being put away."""
    for sign in _STOPPING:
        signal.signal(sign, signal.SIG_IGN)
    raise KeyboardInterrupt


def step(do: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do something, and print the first line of its docstring with a mark and the seconds that it took."""
    start, sentence = monotonic(), (do.__doc__ or "").partition("\n")[0]
    try:
        found = do(*args, **kwargs)
    except Exception as error:
        reason = str(error) if isinstance(error, Failed) else f"{type(error).__name__}: {error}"
        print(f"✗ {monotonic() - start:5.1f} s  {sentence}", flush=True)
        raise Failed(reason) from error
    said = f" {found}." if isinstance(found, str) else ""
    print(f"✓ {monotonic() - start:5.1f} s  {sentence}{said}", flush=True)
    return found


def _deploy_and_drive() -> None:
    print(f"{DIFFERENCES}\n", flush=True)
    with ExitStack() as up:
        folder = Path(up.enter_context(tempfile.TemporaryDirectory(prefix="prorata-", dir=_in_memory())))
        packages = step(build, folder)
        issuer = up.enter_context(closing(Issuer()))
        stripe = Stripe(clock.now, webhook_secret=WEBHOOK_SECRET)
        server = up.enter_context(serve(stripe))
        up.callback(server.shutdown)
        parameters = {"JwtIssuer": issuer.address, "StripeApiBase": f"http://127.0.0.1:{server.server_port}"}
        address = up.enter_context(ministack(folder))
        stack = None
        try:
            stack = step(deploy, address, packages, parameters)
            for each in Story(stack, issuer, stripe).steps():
                step(each)
        except Failed:
            said = (folder / "ministack.log").read_text(errors="replace").splitlines()[-_LAST_LINES:]
            said += stack.troubles() if stack else []
            print("\nWhat ministack and the functions said:\n" + _indented("\n".join(said)), flush=True)
            raise


def _in_memory() -> str | None:
    """Memory for a disk, where there is plenty: every running function unpacks a layer of its own."""
    memory = "/dev/shm"  # noqa: S108 - a folder of our own is made in it
    return memory if Path(memory).is_dir() and shutil.disk_usage(memory).free > _PLENTY else None


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


if __name__ == "__main__":
    sys.exit(main())
