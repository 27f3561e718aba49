"""Asks every service of the local Region with boto3, in each of its protocols; prints what boto3 made of the answers, as JSON."""

import json
from datetime import datetime, timedelta, timezone
from unittest.mock import patch

import boto3
from botocore.exceptions import ClientError

START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def refusal(ask):
    """The code and the message that boto3 makes of a refusal."""
    try:
        ask()
    except ClientError as error:
        return [error.response["Error"]["Code"], error.response["Error"]["Message"]]
    return None


def instants(value):
    return value.astimezone(timezone.utc).isoformat() if isinstance(value, datetime) else str(value)


def metrics_by(protocol):
    """CloudWatch speaks three protocols, and boto3 the first that it likes: this makes it one of them."""
    with patch("botocore.model.PRIORITY_ORDERED_SUPPORTED_PROTOCOLS", (protocol,)):
        cloudwatch = boto3.client("cloudwatch")
        metric = {
            "Namespace": "AWS/Lambda",
            "MetricName": "Errors",
            "Dimensions": [{"Name": "FunctionName", "Value": "echo"}],
        }

        def data(query):
            return cloudwatch.get_metric_data(
                StartTime=START, EndTime=START + timedelta(days=1), MetricDataQueries=[{"Id": "m", **query}]
            )

        [result] = data({"MetricStat": {"Metric": metric, "Period": 86_400, "Stat": "Sum"}})["MetricDataResults"]
        return {
            "protocol": cloudwatch.meta.service_model.resolved_protocol,
            "data": [result["Timestamps"], result["Values"], result["StatusCode"]],
            "names": [each["MetricName"] for each in cloudwatch.list_metrics(Namespace="AWS/Lambda")["Metrics"]],
            "refusal": refusal(lambda: data({"Expression": "1+1"})),
            "not there": refusal(cloudwatch.list_dashboards),
        }


def main():
    events, logs = boto3.client("events"), boto3.client("logs")
    sqs, sns, functions = (boto3.client(each) for each in ("sqs", "sns", "lambda"))
    ec2 = boto3.client("ec2")
    answers = {}

    answers["sts"] = boto3.client("sts").get_caller_identity()["Account"]

    answers["rules"] = [rule["Name"] for rule in events.list_rules()["Rules"]]
    answers["targets"] = events.list_targets_by_rule(Rule="rule")["Targets"]

    url = sqs.get_queue_url(QueueName="work")["QueueUrl"]
    sqs.send_message(
        QueueUrl=url, MessageBody="hello", MessageAttributes={"a": {"DataType": "Binary", "BinaryValue": b"\x00\xff"}}
    )
    [message] = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20, MessageAttributeNames=["All"])["Messages"]
    answers["message"] = [message["Body"], message["MessageAttributes"]["a"]["BinaryValue"].hex()]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    answers["empty"] = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages", [])
    answers["no queue"] = refusal(lambda: sqs.get_queue_url(QueueName="none"))

    [topic] = sns.list_topics()["Topics"]
    sns.subscribe(TopicArn=topic["TopicArn"], Protocol="sqs", Endpoint="arn:aws:sqs:eu-west-1:123456789012:work")
    sns.publish(TopicArn=topic["TopicArn"], Message="published")
    [message] = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]
    answers["published"] = json.loads(message["Body"])["Message"]
    answers["no topic"] = refusal(lambda: sns.publish(TopicArn=topic["TopicArn"] + "x", Message="x"))

    pages = ec2.get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": 5})
    instances = [each for page in pages for reservation in page["Reservations"] for each in reservation["Instances"]]
    answers["instances"] = [[each["State"], each["LaunchTime"], each["Tags"]] for each in instances[:1]]
    answers["instances count"] = len(instances)
    answers["no instance"] = refusal(lambda: ec2.describe_instances(InstanceIds=["i-0ffffffffffffffff"]))
    [group] = boto3.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    answers["group"] = [group["AutoScalingGroupName"], group["CreatedTime"], len(group["Instances"])]
    elb = boto3.client("elbv2")
    [target_group] = elb.describe_target_groups()["TargetGroups"]
    health = elb.describe_target_health(TargetGroupArn=target_group["TargetGroupArn"])["TargetHealthDescriptions"]
    answers["targets' health"] = [each["TargetHealth"]["State"] for each in health]

    invoked = functions.invoke(FunctionName="echo", Payload=json.dumps({"n": 1}).encode())
    answers["invoked"] = [invoked["StatusCode"], json.load(invoked["Payload"])]
    failed = functions.invoke(FunctionName="echo", Payload=json.dumps({"fail": "no"}).encode())
    answers["failed"] = [failed["FunctionError"], json.load(failed["Payload"])]
    answers["functions"] = [each["FunctionName"] for each in functions.list_functions()["Functions"]]
    answers["no function"] = refusal(lambda: functions.get_function(FunctionName="none"))

    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName="/aws/lambda/echo", filterPattern='{ $.n = 1 }', PaginationConfig={"PageSize": 1}
    )
    answers["logs"] = [json.loads(event["message"]) for page in pages for event in page["events"]]
    answers["no pattern"] = refusal(lambda: logs.filter_log_events(logGroupName="/aws/lambda/echo", filterPattern="a:b"))

    answers["metrics"] = {protocol: metrics_by(protocol) for protocol in ("json", "smithy-rpc-v2-cbor", "query")}

    groups = boto3.client("scheduler").list_schedule_groups()["ScheduleGroups"]
    answers["schedule groups"] = [[each["Name"], each["CreationDate"]] for each in groups]
    simulated = boto3.client("iam").simulate_principal_policy(
        PolicySourceArn="arn:aws:iam::123456789012:role/drain", ActionNames=["ecs:ListTasks", "ecs:RunTask"]
    )
    answers["simulated"] = [each["EvalDecision"] for each in simulated["EvaluationResults"]]

    answers["not there"] = {
        "dynamodb": refusal(boto3.client("dynamodb").list_tables),
        "rds": refusal(boto3.client("rds").describe_db_instances),
        "s3": refusal(boto3.client("s3").list_buckets),
        "apigateway": refusal(boto3.client("apigateway").get_rest_apis),
        "sqs": refusal(lambda: sqs.create_queue(QueueName="new")),
        "sts": refusal(boto3.client("sts").get_session_token),
        "lambda": refusal(functions.list_layers),
    }
    print(json.dumps(answers, default=instants))


main()
