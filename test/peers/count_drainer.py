"""A drain function in the manner of those that are published in books: it trusts the count of running tasks."""

import json
import os
import time

import boto3

CLUSTER = os.environ["ECS_CLUSTER"]
ecs = boto3.client("ecs")
autoscaling = boto3.client("autoscaling")
sns = boto3.client("sns")


def handler(event, context):
    for record in event["Records"]:
        notice = json.loads(record["Sns"]["Message"])
        if notice.get("LifecycleTransition") != "autoscaling:EC2_INSTANCE_TERMINATING":
            return
        instance = container_instance(notice["EC2InstanceId"])
        ecs.update_container_instances_state(cluster=CLUSTER, containerInstances=[instance], status="DRAINING")
        if is_empty_in_time(instance, context):
            autoscaling.complete_lifecycle_action(
                AutoScalingGroupName=notice["AutoScalingGroupName"],
                LifecycleHookName=notice["LifecycleHookName"],
                InstanceId=notice["EC2InstanceId"],
                LifecycleActionResult="CONTINUE",
            )
        else:
            sns.publish(TopicArn=record["Sns"]["TopicArn"], Message=record["Sns"]["Message"])


def container_instance(ec2_instance_id):
    arns = ecs.list_container_instances(cluster=CLUSTER, filter=f"ec2InstanceId == {ec2_instance_id}")
    return arns["containerInstanceArns"][0]


def is_empty_in_time(instance, context):
    while context.get_remaining_time_in_millis() > 10_000:
        described = ecs.describe_container_instances(cluster=CLUSTER, containerInstances=[instance])
        count = described["containerInstances"][0]["runningTasksCount"]
        time.sleep(5)
        if count == 0:
            return True
    return False
