"""Every role of a stack held to the template from inside: what it is granted goes through, all else is denied."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from infra.local.deploy_stack import Failed, Stack
from infra.local.deploy_template import Document, of_type, rights

_NOWHERE = {"PK": {"S": "NOWHERE"}, "SK": {"S": "NOWHERE"}}
_NO_DIGEST = "AAAAAAAAAAAAAAAAAAAAAA=="
"""The checksum of something else, so that nothing is put."""
_THERE = {"ConditionExpression": "attribute_exists(PK)"}
_ALL = {"MaxNumberOfMessages": 1, "VisibilityTimeout": 0}

# How to ask for a right and change nothing: for what is not there, on a condition that fails, beyond a limit.
_ASK: dict[str, Callable[[Any, str], Any]] = {
    "dynamodb:GetItem": lambda aws, id_: aws.get_item(TableName=id_, Key=_NOWHERE),
    "dynamodb:BatchGetItem": lambda aws, id_: aws.batch_get_item(RequestItems={id_: {"Keys": [_NOWHERE]}}),
    "dynamodb:Query": lambda aws, id_: _query(aws, *id_.split("/index/")),
    "dynamodb:Scan": lambda aws, id_: aws.scan(TableName=id_, Limit=1),
    "dynamodb:PutItem": lambda aws, id_: aws.put_item(TableName=id_, Item=_NOWHERE, **_THERE),
    "dynamodb:UpdateItem": lambda aws, id_: aws.update_item(TableName=id_, Key=_NOWHERE, **_THERE),
    "dynamodb:DeleteItem": lambda aws, id_: aws.delete_item(TableName=id_, Key=_NOWHERE, **_THERE),
    "dynamodb:ConditionCheckItem": lambda aws, id_: aws.transact_write_items(
        TransactItems=[{"ConditionCheck": {"TableName": id_, "Key": _NOWHERE, **_THERE}}]
    ),
    "s3:GetObject": lambda aws, id_: aws.get_object(**_file(id_)),
    "s3:PutObject": lambda aws, id_: aws.put_object(**_file(id_), Body=b"", ContentMD5=_NO_DIGEST),
    "s3:DeleteObject": lambda aws, id_: aws.delete_object(**_file(id_)),
    "sqs:SendMessage": lambda aws, id_: aws.send_message(QueueUrl=id_, MessageBody="?", DelaySeconds=86_400),
    "sqs:ReceiveMessage": lambda aws, id_: aws.receive_message(QueueUrl=id_, **_ALL),
    "sqs:DeleteMessage": lambda aws, id_: aws.delete_message(QueueUrl=id_, ReceiptHandle="nowhere"),
    "sqs:GetQueueAttributes": lambda aws, id_: aws.get_queue_attributes(QueueUrl=id_, AttributeNames=["All"]),
    "ssm:GetParameter": lambda aws, id_: aws.get_parameter(Name=id_, WithDecryption=True),
    "ssm:PutParameter": lambda aws, id_: aws.put_parameter(Name=id_, Value="another", Type="SecureString"),
    "lambda:InvokeFunction": lambda aws, id_: aws.invoke(FunctionName=id_, InvocationType="DryRun"),
}


class Question(NamedTuple):
    """May I do that, with this? The resource bears its logical id, to AWS another."""

    action: str
    resource: str


def probe(stack: Stack) -> tuple[int, int]:
    """Ask for everything in the name of every role: how often it went through, and how often it was denied."""
    wrong, through, denied = [], 0, 0
    asked = questions(stack.document)
    for name, role in of_type(stack.document, "AWS::IAM::Role").items():
        client = _as(stack, name)
        granted = set(rights(role, stack.document))
        for question in asked:
            allowed = _allowed(client, question.action, stack.id_of(question.resource))
            through, denied = through + allowed, denied + (not allowed)
            if allowed is not (question in granted):
                wrong.append(f"{name}: {' on '.join(question)} {'goes through' if allowed else 'is denied'}")
    if wrong:
        raise Failed("\n".join(wrong))
    return through, denied


def expected(document: Document) -> tuple[int, int]:
    """What ``probe`` is to find out."""
    asked, roles = set(questions(document)), of_type(document, "AWS::IAM::Role").values()
    through = sum(len(asked & set(rights(role, document))) for role in roles)
    return through, len(roles) * len(asked) - through


def questions(document: Document) -> list[Question]:
    """Every action that is known here with everything in the template that it could be done to."""
    defaults = [str(said.get("Default", "")) for said in document["Parameters"].values()]
    tables = of_type(document, "AWS::DynamoDB::Table")
    resources = {
        "dynamodb": list(tables),
        "s3": [f"{name}/imports/*" for name in of_type(document, "AWS::S3::Bucket")],
        "sqs": list(of_type(document, "AWS::SQS::Queue")),
        "ssm": [path for path in defaults if path.startswith("/")],
        "lambda": list(of_type(document, "AWS::Lambda::Function")),
    }
    asked = [Question(action, name) for action in _ASK for name in resources[action.split(":")[0]]]
    for name, table in tables.items():
        indexes = (index["IndexName"] for index in table["GlobalSecondaryIndexes"])
        asked += [Question("dynamodb:Query", f"{name}/index/{index}") for index in indexes]
    return asked


def _as(stack: Stack, role: str) -> Callable[[str], Any]:
    """Clients in the name of a role, which an administrator may take on from now on."""
    name = stack.ids[role]
    iam = stack.client("iam")
    found = iam.get_role(RoleName=name)["Role"]
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}
    iam.update_assume_role_policy(
        RoleName=name, PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )
    lent = stack.client("sts").assume_role(RoleArn=found["Arn"], RoleSessionName="probe")["Credentials"]
    credentials = {
        "aws_access_key_id": lent["AccessKeyId"],
        "aws_secret_access_key": lent["SecretAccessKey"],
        "aws_session_token": lent["SessionToken"],
    }
    return cache(lambda service: stack.client(service, credentials))


def _allowed(client: Callable[[str], Any], action: str, id_: str) -> bool:
    """Whether it goes through to the service, whatever that makes of it."""
    try:
        _ASK[action](client(action.split(":", maxsplit=1)[0]), id_)
    except ClientError as error:
        return not error.response["Error"]["Code"].startswith("AccessDenied")
    return True


def _file(id_: str) -> dict[str, str]:
    bucket, _, key = id_.partition("/")
    return {"Bucket": bucket, "Key": key.replace("*", "nowhere")}


def _query(aws: Any, table: str, index: str | None = None) -> Any:
    return aws.query(
        TableName=table,
        KeyConditionExpression=f"{index or ''}PK = :nowhere",
        ExpressionAttributeValues={":nowhere": {"S": "NOWHERE"}},
        **({"IndexName": index} if index else {}),
    )
