"""What no linter of CloudFormation sees in template.yaml, and the sample events beside it."""

import importlib
import json
import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from infra.local import template
from shared.domain.counting import WRITTEN_WITHIN

ROOT = Path(__file__).parents[2]
RESOURCES = template.load()["Resources"]
PRORATA = template.read()
WEBHOOK = "/v1/stripe/webhook"


def sample_of(function):
    """A function's sample event: accounts.handler has accounts.json, rollover.work has rollover_work.json."""
    _, module, name = function.handler.split(".")
    return ROOT / "infra/events" / f"{module if name == 'handler' else f'{module}_{name}'}.json"


def statements_of(function):
    """Everything that a function may do, as (action, resource)."""
    for policy in RESOURCES[function]["Properties"]["Policies"]:
        for statement in policy["Statement"]:
            actions, resources = statement["Action"], statement["Resource"]
            for action in actions if isinstance(actions, list) else [actions]:
                for resource in resources if isinstance(resources, list) else [resources]:
                    yield action, json.dumps(resource)


def allowed(function, action, resource):
    return any(action == may and resource in where for may, where in statements_of(function))


@pytest.mark.parametrize("function", PRORATA.functions.values(), ids=lambda function: function.name)
def test_a_handler_names_a_function_of_a_module(function):
    module, _, name = function.handler.rpartition(".")
    assert callable(getattr(importlib.import_module(module), name))


def test_every_file_of_functions_is_deployed():
    files = {path.stem for path in (ROOT / "functions").glob("[!_]*.py")}
    assert files <= {function.handler.split(".")[1] for function in PRORATA.functions.values()}


def test_every_route_needs_a_token_but_the_description_the_pages_and_the_webhook():
    paths = [route.path for route in PRORATA.routes if not route.needs_token]
    assert paths == ["/v1/openapi.json", "/v1/pay/{token}", "/v1/pay/{token}", WEBHOOK]


def test_routes_are_named_once_and_one_by_one():
    keys = [(route.method, route.path) for route in PRORATA.routes]
    assert len(keys) == len(set(keys))
    for method, path in keys:
        assert method in {"GET", "PUT", "POST", "DELETE"}
        assert re.fullmatch(r"/v1(/[a-z.-]+|/\{[a-z]+\})+", path)


def test_a_message_stays_hidden_for_six_times_as_long_as_the_work_may_take():
    for mapping in PRORATA.mappings:
        assert PRORATA.queues[mapping.queue].visibility >= 6 * PRORATA.functions[mapping.function].timeout


def test_a_failing_message_comes_back_alone():
    assert all(mapping.partial_failures for mapping in PRORATA.mappings)


def test_a_batch_of_more_than_ten_waits_for_its_messages():
    for resource in RESOURCES.values():
        if resource["Type"] == "AWS::Lambda::EventSourceMapping" and resource["Properties"]["BatchSize"] > 10:
            assert resource["Properties"]["MaximumBatchingWindowInSeconds"] >= 1


def test_as_many_workers_charge_at_once_as_divide_the_rate():
    mapping, worker, sweep = (
        RESOURCES[name]["Properties"] for name in ("ChargesWork", "ChargesWorkFunction", "ChargesSweepFunction")
    )
    variables = worker["Environment"]["Variables"]
    assert (
        mapping["ScalingConfig"]
        == {"MaximumConcurrency": variables["CHARGE_WORKERS"]}
        == {"MaximumConcurrency": {"Ref": "ChargeWorkers"}}
    )
    for name in ("STRIPE_REQUESTS_PER_SECOND", "AUTOMATIC_SHARE"):
        assert variables[name] == sweep["Environment"]["Variables"][name], "a sweep counts on what the workers do"


def test_no_more_accounts_are_swept_than_are_counted_before_the_next_sweep_though_each_waits():
    """As on an update date: the contacts that leave are what the live count does not know of."""
    mapping, worker, sweep = (
        RESOURCES[name]["Properties"] for name in ("RecountWork", "RecountWorkFunction", "RecountSweepFunction")
    )
    threads = int(worker["Environment"]["Variables"]["WORKER_THREADS"])
    assert mapping["BatchSize"] == threads, "none of a batch waits for another one's wait"
    waits = timedelta(minutes=15) // WRITTEN_WITHIN
    at_once = mapping["ScalingConfig"]["MaximumConcurrency"] * threads
    assert int(sweep["Environment"]["Variables"]["SWEEP_LIMIT"]) <= at_once * waits


def test_every_worked_queue_has_dead_letters_that_are_kept_for_two_weeks():
    worked = {mapping.queue for mapping in PRORATA.mappings}
    assert {name for name, queue in PRORATA.queues.items() if queue.dead_letters} == worked
    for name, queue in PRORATA.queues.items():
        assert RESOURCES[name]["Properties"]["SqsManagedSseEnabled"]
        if queue.dead_letters:
            assert queue.max_receives == 5
            assert queue.dead_letters == name.removesuffix("Queue") + "DeadLetters"
        else:
            assert RESOURCES[name]["Properties"]["MessageRetentionPeriod"] == timedelta(days=14).total_seconds()


def test_sweeps_run_every_quarter_of_an_hour_and_reconciliation_every_day_and_every_week():
    days = {"rate(1 day)": "ledger", "rate(7 days)": "accounts"}
    for schedule in PRORATA.schedules:
        said = json.loads(schedule.input)
        assert said.pop("time") == "<aws.scheduler.scheduled-time>"
        sweeps = schedule.function.endswith("SweepFunction")
        assert said == ({} if sweeps else {"task": days.pop(schedule.expression)})
        assert not sweeps or schedule.expression == "rate(15 minutes)"
        assert PRORATA.functions[schedule.function].timeout < template.every(schedule.expression)
    assert not days


def test_every_schedule_can_be_switched_off_by_one_parameter():
    states = [event["Properties"]["State"] for event in schedules()]
    assert states == [{"Ref": "Schedules"}] * len(PRORATA.schedules)
    assert PRORATA.parameters["Schedules"] == "ENABLED"


def schedules():
    """The schedules as the template has them."""
    functions = (RESOURCES[function]["Properties"] for function in PRORATA.functions)
    events = [event for function in functions for event in function.get("Events", {}).values()]
    return [event for event in events if event["Type"] == "ScheduleV2"]


def test_a_start_that_failed_is_tried_until_the_next_one_is_due_and_then_kept():
    """Scheduler tries for a day at most."""
    for own in (event["Properties"] for event in schedules()):
        apart = min(template.every(own["ScheduleExpression"]), timedelta(days=1))
        assert own["RetryPolicy"]["MaximumEventAgeInSeconds"] == apart.total_seconds()
        assert own["RetryPolicy"]["MaximumRetryAttempts"] > 0
        assert own["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": ["SweepDeadLetters", "Arn"]}}
    assert PRORATA.queues["SweepDeadLetters"].dead_letters is None


def test_a_queue_leaves_room_for_others_in_the_account():
    """SQS takes 2 to 1,000 workers at once; without a bound a big night would starve the API."""
    for name, resource in RESOURCES.items():
        if resource["Type"] == "AWS::Lambda::EventSourceMapping":
            most = resource["Properties"]["ScalingConfig"]["MaximumConcurrency"]
            named = most if isinstance(most, int) else int(PRORATA.parameters[most["Ref"]])
            assert 2 <= named <= 100, name


@pytest.mark.parametrize("function", PRORATA.functions)
def test_a_function_may_do_what_its_policy_names_and_nothing_more(function):
    statements = list(statements_of(function))
    assert statements
    for action, resource in statements:
        assert re.fullmatch(r"(dynamodb|s3|sqs|ssm):[A-Za-z]+", action)
        assert "*" not in resource.replace("${FilesBucket.Arn}/imports/*", "")
        assert any(kind in resource for kind in ("BillingTable", "FilesBucket", "Queue", "Parameter}"))


@pytest.mark.parametrize("function", PRORATA.functions.values(), ids=lambda function: function.name)
def test_a_function_may_use_what_its_environment_names(function):
    for variable, value in function.environment.items():
        if variable.endswith("_QUEUE_URL"):
            assert allowed(function.name, "sqs:SendMessage", value)
    own = RESOURCES[function.name]["Properties"].get("Environment", {}).get("Variables", {})
    for variable, value in own.items():
        if variable.endswith("_PARAMETER"):
            assert allowed(function.name, "ssm:GetParameter", value["Ref"])


def test_a_worker_may_read_and_empty_its_queue():
    for mapping in PRORATA.mappings:
        for action in ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"):
            assert allowed(mapping.function, action, mapping.queue)


def test_the_table_has_its_keys_and_indexes():
    def names(keys):
        return {key["KeyType"]: key["AttributeName"] for key in keys}

    table = PRORATA.table
    assert names(table["KeySchema"]) == {"HASH": "PK", "RANGE": "SK"}
    assert {index["IndexName"]: names(index["KeySchema"]) for index in table["GlobalSecondaryIndexes"]} == {
        "GSI1": {"HASH": "GSI1PK", "RANGE": "GSI1SK"},
        "GSI2": {"HASH": "GSI2PK", "RANGE": "GSI2SK"},
    }
    for index in table["GlobalSecondaryIndexes"]:
        assert index["Projection"] == {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["kind"]}
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert table["StreamSpecification"] == {"StreamViewType": "NEW_IMAGE"}


def test_the_table_is_hard_to_lose():
    resource = RESOURCES["BillingTable"]
    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert resource["Properties"]["DeletionProtectionEnabled"]
    assert resource["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert resource["Properties"]["SSESpecification"] == {"SSEEnabled": True}


def test_files_are_nobodys_else_and_are_not_kept():
    files = RESOURCES["FilesBucket"]["Properties"]
    assert set(files["PublicAccessBlockConfiguration"].values()) == {True}
    assert files["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    assert files["LifecycleConfiguration"] == {"Rules": [{"Status": "Enabled", "ExpirationInDays": 30}]}
    assert "ServerSideEncryptionConfiguration" in files["BucketEncryption"]


def test_every_handler_has_a_sample_event_and_there_are_no_others():
    samples = {sample_of(function) for function in PRORATA.functions.values()}
    assert samples == set((ROOT / "infra/events").glob("*.json"))


@pytest.mark.parametrize("function", sorted({route.function for route in PRORATA.routes}))
def test_a_sample_request_is_one_that_the_api_would_pass_on(function):
    event = json.loads(sample_of(PRORATA.functions[function]).read_text())
    [route] = [
        route
        for route in PRORATA.routes
        if route.function == function and event["routeKey"] == f"{route.method} {route.path}"
    ]
    context = event["requestContext"]
    assert context["routeKey"] == event["routeKey"]
    assert context["http"] | {"method": route.method, "path": event["rawPath"]} == context["http"]
    assert route.path.format(**event.get("pathParameters", {})) == event["rawPath"]
    at = datetime.strptime(context["time"], "%d/%b/%Y:%H:%M:%S %z")
    assert context["timeEpoch"] == at.timestamp() * 1000, "milliseconds, as API Gateway tells the time"
    assert ("authorizer" in context) == route.needs_token
    if route.needs_token:
        assert {"sub", "account", "permissions"} <= context["authorizer"]["jwt"]["claims"].keys()
        assert (route.method == "POST") == ("idempotency-key" in event["headers"])
    if "body" in event:
        assert json.loads(event["body"])


def test_a_sample_batch_comes_from_the_workers_queue():
    for mapping in PRORATA.mappings:
        records = json.loads(sample_of(PRORATA.functions[mapping.function]).read_text())["Records"]
        assert min(2, mapping.batch_size) <= len(records) <= mapping.batch_size
        assert len({record["messageId"] for record in records}) == len(records)
        for record in records:
            assert record["eventSourceARN"].endswith(mapping.queue)
            assert json.loads(record["body"]).keys() in ({"kind", "account", "id"}, {"task", "about", "after"})


def test_a_sample_of_a_schedule_has_what_its_input_asks_for():
    for schedule in PRORATA.schedules:
        event = json.loads(sample_of(PRORATA.functions[schedule.function]).read_text())
        assert event.keys() == json.loads(schedule.input).keys()
        assert datetime.fromisoformat(event["time"]).utcoffset() == timedelta(0)
