"""What the queue reader of AWS Node Termination Handler asks of AWS for a lifecycle event, by its source
(aws/aws-node-termination-handler, pkg/monitor/sqsevent); Kubernetes, which drains meanwhile, is left out."""

import json
import sys

import boto3
from region_client import registered


def main():
    client = registered()
    sqs, ec2, autoscaling = (boto3.client(service) for service in ("sqs", "ec2", "autoscaling"))
    queue = sqs.get_queue_url(QueueName="lifecycle-events")["QueueUrl"]
    messages = []
    while not messages:
        messages = sqs.receive_message(
            QueueUrl=queue,
            AttributeNames=["SentTimestamp"],
            MessageAttributeNames=["All"],
            MaxNumberOfMessages=5,
            VisibilityTimeout=20,
            WaitTimeSeconds=20,
        ).get("Messages", [])
    [message] = messages
    event = json.loads(message["Body"])
    detail = event["detail"]
    instance_id = detail["EC2InstanceId"]
    [reservation] = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"]
    [instance] = reservation["Instances"]
    [grouped] = autoscaling.describe_auto_scaling_instances(InstanceIds=[instance_id], MaxRecords=50)["AutoScalingInstances"]
    group = grouped["AutoScalingGroupName"]
    filters = [{"Name": "auto-scaling-group", "Values": [group]}]
    pages = autoscaling.get_paginator("describe_tags").paginate(Filters=filters)
    tags = [tag["Key"] for page in pages for tag in page["Tags"]]

    action = {"AutoScalingGroupName": group, "LifecycleHookName": detail["LifecycleHookName"], "InstanceId": instance_id}
    token = {"LifecycleActionToken": detail["LifecycleActionToken"]}
    client.sleep(600)
    autoscaling.record_lifecycle_action_heartbeat(**action, **token)
    client.sleep(600)
    autoscaling.complete_lifecycle_action(**action, **token, LifecycleActionResult="CONTINUE")
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    client.end()
    json.dump(
        {
            "source": event["source"],
            "sentAfterEvent": "SentTimestamp" in message["Attributes"],
            "nodeName": instance["PrivateDnsName"],
            "state": instance["State"]["Name"],
            "group": group,
            "tags": tags,
        },
        sys.stdout,
    )


main()
