"""The local run reads template.yaml as AWS would, or says what it cannot read."""

from datetime import timedelta

import pytest

from infra.local import template
from infra.local.template import Queue, QueueMapping, Route, Schedule

SMALL = """
Parameters:
  Key: {Type: String, Default: /the/key}
  Issuer: {Type: String}
Globals:
  Function:
    Timeout: 15
    Environment: {Variables: {TABLE_NAME: !Ref Table}}
Resources:
  Table: {Type: AWS::DynamoDB::Table, Properties: {BillingMode: PAY_PER_REQUEST}}
  Jobs:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 360
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 5}
  Dead: {Type: AWS::SQS::Queue, Properties: {}}
  Api: {Type: AWS::Serverless::HttpApi, Properties: {Auth: {DefaultAuthorizer: Token}}}
  Work:
    Type: AWS::Serverless::Function
    Properties:
      Handler: functions.jobs.work
      Timeout: 60
      Environment: {Variables: {QUEUE: !Ref Jobs, KEY: !Ref Key}}
      Events:
        Get: {Type: HttpApi, Properties: {Method: GET, Path: "/v1/{job}"}}
        Open: {Type: HttpApi, Properties: {Method: POST, Path: /v1/open, Auth: {Authorizer: NONE}}}
        Often: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 hour), Input: "{}"}}
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {FunctionName: !Ref Work, EventSourceArn: !GetAtt Jobs.Arn, BatchSize: 10}
"""


@pytest.fixture
def read(tmp_path):
    def read(text):
        (tmp_path / "template.yaml").write_text(text)
        return template.read(tmp_path / "template.yaml")

    return read


def test_references_become_local_names(read):
    work = read(SMALL).functions["Work"]
    assert work.environment == {"TABLE_NAME": "prorata", "QUEUE": "Jobs", "KEY": "/the/key"}
    assert work.timeout == timedelta(seconds=60)
    assert work.handler == "functions.jobs.work"


def test_everything_that_calls_a_function_is_found(read):
    small = read(SMALL)
    assert small.routes == (
        Route("GET", "/v1/{job}", "Work", needs_token=True),
        Route("POST", "/v1/open", "Work", needs_token=False),
    )
    assert small.schedules == (Schedule("WorkOften", "rate(1 hour)", "{}", "Work"),)
    assert small.mappings == (QueueMapping("Jobs", "Work", batch_size=10, partial_failures=False),)


def test_queues_know_their_dead_letters(read):
    assert read(SMALL).queues == {
        "Jobs": Queue("Jobs", timedelta(minutes=6), 5, "Dead"),
        "Dead": Queue("Dead", timedelta(seconds=30), None, None),
    }


def test_a_parameter_without_a_default_has_no_value(read):
    assert read(SMALL).parameters == {"Key": "/the/key"}


@pytest.mark.parametrize(
    ("known", "unknown", "complaint"),
    [
        ("!Ref Key}", "!Ref Issuer}", "Work, KEY: the local run cannot resolve {'Ref': 'Issuer'}"),
        ("!Ref Key}", '!Sub "${Key}"}', "Work, KEY: the local run cannot resolve {'Fn::Sub': "),
        ("Type: ScheduleV2", "Type: SNS", "Work, Often: the local run knows no event of type SNS"),
        (
            "Type: AWS::DynamoDB::Table",
            "Type: AWS::SNS::Topic",
            "Table: the local run knows no AWS::SNS::Topic",
        ),
        (
            "BatchSize: 10}",
            "BatchSize: 10, FilterCriteria: {Filters: []}}",
            "Mapping: the local run knows no FilterCriteria of a mapping",
        ),
    ],
)
def test_what_is_not_understood_is_refused(read, known, unknown, complaint):
    with pytest.raises(ValueError, match="the local run") as refused:
        read(SMALL.replace(known, unknown))
    assert str(refused.value).startswith(complaint)


@pytest.mark.parametrize(
    ("expression", "apart"),
    [
        ("rate(1 minute)", timedelta(minutes=1)),
        ("rate(15 minutes)", timedelta(minutes=15)),
        ("rate(1 hour)", timedelta(hours=1)),
        ("rate(12 hours)", timedelta(hours=12)),
        ("rate(7 days)", timedelta(days=7)),
    ],
)
def test_a_rate_says_how_far_runs_lie_apart(expression, apart):
    assert template.every(expression) == apart


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("rate(1 minutes)", "takes rate.1 minute., not"),
        ("rate(2 minute)", "takes rate.2 minutes., not"),
        ("rate(0 minutes)", "is no schedule"),
        ("rate(05 minutes)", "is no schedule"),
        ("rate(15  minutes)", "is no schedule"),
        ("rate(15 seconds)", "is no schedule"),
        ("every 15 minutes", "is no schedule"),
        ("", "is no schedule"),
        ("cron(0 5 * * ? *)", "cannot follow cron"),
    ],
)
def test_a_schedule_that_aws_would_refuse_is_refused_here(expression, complaint):
    with pytest.raises(ValueError, match=complaint):
        template.every(expression)
