"""AWS's own waiters on the local Region, in its virtual time; prints how long each waited, as JSON."""

import json

import boto3
from region_client import registered

CLUSTER, GROUP = "prod", "web"


def main():
    client = registered()
    ecs, ec2, autoscaling = (boto3.client(service) for service in ("ecs", "ec2", "autoscaling"))
    waited = {}

    def wait(service, name, **what):
        began = client.now()
        service.get_waiter(name).wait(**what)
        waited[name] = client.now() - began

    wait(ecs, "services_stable", cluster=CLUSTER, services=["web"])
    at_once = waited["services_stable"]

    [leaving] = [each["InstanceId"] for each in held(autoscaling)]
    [staying] = ecs.list_container_instances(cluster=CLUSTER, filter=f"ec2InstanceId != {leaving}")["containerInstanceArns"]
    tasks = ecs.list_tasks(cluster=CLUSTER, containerInstance=staying, serviceName="web")["taskArns"]
    ecs.stop_task(cluster=CLUSTER, task=tasks[0], reason="a test of the waiters")
    wait(ecs, "services_stable", cluster=CLUSTER, services=["web"])
    wait(ecs, "tasks_stopped", cluster=CLUSTER, tasks=tasks[:1])

    autoscaling.complete_lifecycle_action(
        AutoScalingGroupName=GROUP, LifecycleHookName="drain", InstanceId=leaving, LifecycleActionResult="CONTINUE"
    )
    wait(ec2, "instance_terminated", InstanceIds=[leaving])
    print(json.dumps({**waited, "services_stable_at_once": at_once}))
    client.end()


def held(autoscaling):
    [group] = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[GROUP])["AutoScalingGroups"]
    return [each for each in group["Instances"] if each["LifecycleState"] == "Terminating:Wait"]


main()
