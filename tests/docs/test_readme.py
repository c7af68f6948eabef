"""The README's commands are run as they stand, and what it shows is what comes out."""

import json
import os
import re
import shlex
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


@pytest.fixture(scope="module")
def running():
    """``make run`` on a free port, and the variables of its export line."""
    command = [sys.executable, "-u", "-m", "infra.local", "run", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        said = ""
        for line in process.stdout:
            said += line
            if "Stop with Ctrl-C" in line:
                break
        exported = re.search(r"export (.+)", said)[1]
        named = re.search(r"Pay page +(\S+)", said)[1]
        yield dict(pair.split("=", 1) for pair in shlex.split(exported)) | {"PAY_PAGE": named}
        process.terminate()


def curl(line, variables):
    """Do what a curl line of the README does, without curl."""
    words = shlex.split(os.path.expandvars(line))
    method, headers, body, address = "GET", {}, None, None
    rest = iter(words[1 : words.index("|")] if "|" in words else words[1:])
    for word in rest:
        if word == "-X":
            method = next(rest)
        elif word == "-H":
            name, _, value = next(rest).partition(": ")
            headers[name] = value
        elif word == "-d":
            body = next(rest)
        elif word != "-s":
            address = word
    return ask(address, method, headers, body)


def ask(address, method="GET", headers=None, body=None):
    request = urllib.request.Request(address, (body or "").encode() or None, headers or {}, method=method)
    try:
        with urllib.request.urlopen(request) as reply:
            return reply.status, json.loads(reply.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def test_the_three_curl_lines_buy_a_seat_and_show_its_paid_invoice(running, monkeypatch):
    for name, value in running.items():
        monkeypatch.setenv(name, value)
    lines = re.findall(r"^curl .+$", README, re.MULTILINE)
    assert len(lines) == 3

    status, bought = curl(lines[0], running)
    assert (status, bought["total"], bought["charge"]["amount"]) == (201, 6, "58.06")
    assert curl(lines[1], running) == (200, {"now": "2026-03-01T00:00:00Z"})
    status, invoice = curl(lines[2], running)

    assert (status, invoice["status"], invoice["total"]) == (200, "paid", {"amount": "658.06", "currency": "USD"})
    printed = re.search(r"```\n(6 × .+?)```", README, re.DOTALL)[1].splitlines()
    assert [re.split(r"\s{2,}", line) for line in printed] == [
        [line["description"], f"{line['period']['start']}/{line['period']['end']}", line["amount"]["amount"]]
        for line in invoice["lines"]
    ]


def test_the_pay_page_that_the_terminal_names_can_be_opened(running):
    with urllib.request.urlopen(running["PAY_PAGE"]) as reply:
        assert "300.00 USD to pay. The last payment failed: Your card was declined." in reply.read().decode()


def test_the_api_wants_a_token_of_this_machine(running):
    address = f"{running['API']}/v1/accounts/acme/invoices"
    signed = {"Authorization": f"Bearer {running['TOKEN']}"}
    head, claims, signature = running["TOKEN"].split(".")
    tampered = {"Authorization": f"Bearer {head}.{claims[:-4]}AAAA.{signature}"}
    assert ask(address, headers=signed)[0] == 200
    assert [ask(address)[0], ask(address, headers=tampered)[0]] == [401, 401]


def test_a_token_of_the_command_line_is_taken(running):
    command = [sys.executable, "-m", "infra.local", "token", "--account", "other", "--permissions", "billing.view"]
    token = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    status, answer = ask(f"{running['API']}/v1/accounts/acme", headers={"Authorization": f"Bearer {token}"})
    assert (status, answer["code"]) == (403, "foreign_account")


@pytest.mark.parametrize("body", ["", "{}", '{"to": "tomorrow"}', '{"to": "2026-03-01"}', "[]", '{"to": 5}'])
def test_the_calendar_wants_an_instant(running, body):
    status, answer = ask(f"{running['API']}/_local/clock", "POST", body=body)
    assert (status, answer["code"]) == (422, "invalid_instant")


def test_the_calendar_does_not_go_back(running):
    status, answer = ask(f"{running['API']}/_local/clock", "POST", body='{"to": "2020-01-01T00:00:00Z"}')
    assert (status, answer["code"]) == (422, "clock_goes_back")


def test_a_port_that_is_taken_is_said_so(running):
    port = running["API"].rpartition(":")[2]
    command = [sys.executable, "-m", "infra.local", "run", "--port", port]
    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert second.returncode == 1
    assert f"Port {port} cannot be used" in second.stderr


def test_the_story_in_the_readme_is_the_one_in_the_repository():
    shown = re.search(r"```yaml\n(.+?)```", README, re.DOTALL)[1]
    [name] = re.findall(r"simulate (tests/\S+\.yaml)", README)
    assert (ROOT / name).read_text().endswith(shown)


def test_what_the_readme_names_is_there():
    for target in re.findall(r"^make (\w+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), target
    for page in re.findall(r"\]\(([^)#]+)\)", README) + re.findall('src="([^"]+)"', README):
        assert (ROOT / page).exists(), page


def test_every_token_that_a_page_tells_of_is_a_staffs_or_names_its_account():
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    commands = [each for page in pages for each in re.findall(r"infra\.local token [^`\n]*", page.read_text())]
    assert len(commands) > 1
    assert [each for each in commands if "seller.admin" not in each and "--account" not in each] == []
