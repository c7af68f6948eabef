"""What template.yaml says, for the local run and the tests: functions, routes, schedules, queues, the table.

Only what the template uses is understood, and anything else is refused with a sentence: a route that the
local run passed over in silence would first be found missing in production.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

TEMPLATE = Path(__file__).parents[2] / "template.yaml"
TABLE_NAME = "prorata"
BUCKET_NAME = "prorata-files"


@dataclass(frozen=True, slots=True)
class Function:
    """One Lambda function under its logical id."""

    name: str
    handler: str
    environment: Mapping[str, str]
    timeout: timedelta


@dataclass(frozen=True, slots=True)
class Route:
    """One route of the HTTP API, with its path as in ``/v1/accounts/{account}``."""

    method: str
    path: str
    function: str
    needs_token: bool


@dataclass(frozen=True, slots=True)
class Schedule:
    """A function that runs by the clock; ``input`` is its event as JSON, with Scheduler's placeholders."""

    name: str
    expression: str
    input: str
    function: str


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue; after ``max_receives`` a message moves to ``dead_letters``, which has neither of the two."""

    name: str
    visibility: timedelta
    max_receives: int | None
    dead_letters: str | None


@dataclass(frozen=True, slots=True)
class QueueMapping:
    """Who works off a queue; with ``partial_failures`` only the messages that it names come back."""

    queue: str
    function: str
    batch_size: int
    partial_failures: bool


@dataclass(frozen=True, slots=True)
class Template:
    """The whole template: functions and queues by name, the table as CloudFormation's Properties."""

    parameters: Mapping[str, str]
    table: Mapping[str, Any]
    functions: Mapping[str, Function]
    routes: tuple[Route, ...]
    schedules: tuple[Schedule, ...]
    queues: Mapping[str, Queue]
    mappings: tuple[QueueMapping, ...]


def read(path: Path = TEMPLATE) -> Template:
    """Read a template; ValueError names what is not understood."""
    document = load(path)
    defaults = document["Globals"]["Function"]
    by_type: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in _TYPES}
    for name, resource in document["Resources"].items():
        if resource["Type"] not in by_type:
            raise ValueError(f"{name}: the local run knows no {resource['Type']}.")
        by_type[resource["Type"]][name] = resource["Properties"]
    parameters = {name: str(p["Default"]) for name, p in document["Parameters"].items() if "Default" in p}
    [(table_id, table)] = by_type["AWS::DynamoDB::Table"].items()
    [api] = by_type["AWS::Serverless::HttpApi"].values()
    queues = by_type["AWS::SQS::Queue"]
    buckets = dict.fromkeys(by_type["AWS::S3::Bucket"], BUCKET_NAME)
    names = parameters | {table_id: TABLE_NAME} | buckets | {name: name for name in queues}
    functions = by_type["AWS::Serverless::Function"]
    routes, schedules = _events(functions, api["Auth"].get("DefaultAuthorizer", "NONE"))
    return Template(
        parameters=parameters,
        table=table,
        functions={name: _function(name, defaults, own, names) for name, own in functions.items()},
        routes=tuple(routes),
        schedules=tuple(schedules),
        queues={name: _queue(name, own) for name, own in queues.items()},
        mappings=tuple(_mapping(name, own) for name, own in by_type["AWS::Lambda::EventSourceMapping"].items()),
    )


def load(path: Path = TEMPLATE) -> dict[str, Any]:
    """The template as CloudFormation's JSON has it: ``!Ref X`` is ``{"Ref": "X"}``."""
    document: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - it is a SafeLoader
    return document


def every(expression: str) -> timedelta:
    """How far the runs of a schedule lie apart, as strict as EventBridge is and no linter.

    >>> every("rate(15 minutes)")
    datetime.timedelta(seconds=900)
    >>> every("rate(1 minutes)")
    Traceback (most recent call last):
    ValueError: EventBridge takes rate(1 minute), not rate(1 minutes).
    """
    if expression.startswith("cron("):
        raise ValueError(f"The local run knows rate(...) only, so it cannot follow {expression}.")
    found = re.fullmatch(r"rate\(([1-9][0-9]*) (minute|hour|day)s?\)", expression)
    if not found:
        raise ValueError(f"{expression} is no schedule: expected something like rate(15 minutes).")
    value, unit = int(found[1]), found[2]
    right = f"rate({value} {unit}{'' if value == 1 else 's'})"
    if expression != right:
        raise ValueError(f"EventBridge takes {right}, not {expression}.")
    return timedelta(**{f"{unit}s": value})


_TYPES = (
    "AWS::DynamoDB::Table",
    "AWS::S3::Bucket",
    "AWS::S3::BucketPolicy",  # the local run is one process
    "AWS::SQS::Queue",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Serverless::Function",
    "AWS::Serverless::HttpApi",
    "AWS::Serverless::LayerVersion",  # nothing to do: the local run has its dependencies installed
)


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms, spelled as its long ones."""

    def short_form(self, tag: str, node: yaml.ScalarNode) -> dict[str, Any]:
        value = self.construct_scalar(node)
        if tag == "Ref":
            return {"Ref": value}
        return {f"Fn::{tag}": value.split(".") if tag == "GetAtt" else value}


_Loader.add_multi_constructor("!", _Loader.short_form)


def _function(name: str, defaults: dict[str, Any], own: dict[str, Any], names: dict[str, str]) -> Function:
    variables = defaults["Environment"]["Variables"] | own.get("Environment", {}).get("Variables", {})
    timeout = timedelta(seconds=own.get("Timeout", defaults["Timeout"]))
    environment = {key: _value(f"{name}, {key}", value, names) for key, value in variables.items()}
    return Function(name, own["Handler"], environment, timeout)


def _value(where: str, value: Any, names: dict[str, str]) -> str:
    """A variable's value with its reference resolved: a queue's address is its name here."""
    match value:
        case str():
            return value
        case {"Ref": name} if name in names:
            return names[name]
    raise ValueError(f"{where}: the local run cannot resolve {value}.")


def _events(functions: dict[str, dict[str, Any]], authorizer: str) -> tuple[list[Route], list[Schedule]]:
    routes, schedules = [], []
    for function, properties in functions.items():
        for name, event in properties.get("Events", {}).items():
            own = event["Properties"]
            match event["Type"]:
                case "HttpApi":
                    needs_token = own.get("Auth", {}).get("Authorizer", authorizer) != "NONE"
                    routes.append(Route(own["Method"], own["Path"], function, needs_token))
                case "ScheduleV2":
                    expression = own["ScheduleExpression"]
                    schedules.append(Schedule(function + name, expression, own["Input"], function))
                case other:
                    raise ValueError(f"{function}, {name}: the local run knows no event of type {other}.")
    return routes, schedules


def _queue(name: str, own: dict[str, Any]) -> Queue:
    visibility = timedelta(seconds=own.get("VisibilityTimeout", 30))
    match own.get("RedrivePolicy"):
        case {"maxReceiveCount": receives, "deadLetterTargetArn": {"Fn::GetAtt": [dead_letters, "Arn"]}}:
            return Queue(name, visibility, receives, dead_letters)
    return Queue(name, visibility, None, None)


_OF_A_MAPPING = {"FunctionName", "EventSourceArn", "BatchSize", "FunctionResponseTypes"}
_OF_NO_EFFECT = {"MaximumBatchingWindowInSeconds", "ScalingConfig"}
"""How fast a queue is worked off: here it always is at once, one batch after the other."""


def _mapping(name: str, own: dict[str, Any]) -> QueueMapping:
    if unknown := own.keys() - _OF_A_MAPPING - _OF_NO_EFFECT:
        raise ValueError(f"{name}: the local run knows no {', '.join(sorted(unknown))} of a mapping.")
    queue, function = own["EventSourceArn"]["Fn::GetAtt"][0], own["FunctionName"]["Ref"]
    partial_failures = "ReportBatchItemFailures" in own.get("FunctionResponseTypes", [])
    return QueueMapping(queue, function, own["BatchSize"], partial_failures)
