"""MiniStack, with its gaps bridged unless --as-it-is. It ends, with the functions that it runs, when its standard input does."""

import os
import signal
import sys
import threading

from ministack.app import main
from ministack.services import eventbridge, lambda_svc, scheduler
from ministack.services.cloudformation import changesets, engine, handlers, stacks

put_events = eventbridge._put_events
invoke_target = eventbridge._invoke_target
create_schedule = scheduler._create_schedule
evaluate_conditions = engine._evaluate_conditions
mapping_concurrency = lambda_svc._sqs_esm_concurrency


def put_events_of_aws_too(data):
    """Like AWS, it takes no event of `aws.…` from outside. Its own Auto Scaling sends none: our Region's does."""
    return put_events(data, allow_aws_source=True)


def invoke_target_with_named_event(target, event, rule, view=None):
    """What a schedule puts on a bus has the source and the type that its target names; here it is always `aws.scheduler`."""
    named = target.get("EventBridgeParameters")
    if named:
        event = {**event, "Source": named["Source"], "DetailType": named["DetailType"]}
    invoke_target(target, event, rule, view)


def create_schedule_anew(name, body):
    """A one-time schedule that is created under the name of one that came and was deleted comes too; here it never does."""
    answer = create_schedule(name, body)
    for key in [key for key in scheduler._schedule_last_fired if key[-1] == f"{body['GroupName']}/{name}"]:
        del scheduler._schedule_last_fired[key]
    return answer


def evaluate_conditions_with_functions(template, params):
    """A condition may compare what functions make of parameters; here it knows references and `Fn::Select` alone."""

    def filled(node):
        if isinstance(node, list):
            return [filled(each) for each in node]
        if not isinstance(node, dict):
            return node
        if node.keys() & {"Fn::Join", "Fn::Select", "Fn::Split"}:
            return engine._resolve_refs(node, {}, params, {}, {}, "", "")
        return {key: filled(each) for key, each in node.items()}

    return evaluate_conditions({**template, "Conditions": filled(template.get("Conditions", {}))}, params)


def mapping_concurrency_of_text(mapping, *others):
    """CloudFormation makes numbers of the texts of parameters; here the mapping gets the text and reads nothing."""
    scaling = mapping.get("ScalingConfig") or {}
    numbers = {name: int(value) for name, value in scaling.items()}
    return mapping_concurrency({**mapping, "ScalingConfig": numbers}, *others)


def end_with_standard_input():
    """Whatever becomes of the test, nothing that it started stays behind."""
    sys.stdin.read()
    os.killpg(0, signal.SIGKILL)


if "--as-it-is" in sys.argv:
    sys.argv.remove("--as-it-is")  # MiniStack reads the arguments too
else:
    eventbridge._put_events = put_events_of_aws_too
    eventbridge._invoke_target = invoke_target_with_named_event
    scheduler._create_schedule = create_schedule_anew
    lambda_svc._sqs_esm_concurrency = mapping_concurrency_of_text
    for module in (changesets, engine, handlers, stacks):
        module._evaluate_conditions = evaluate_conditions_with_functions
threading.Thread(target=end_with_standard_input, daemon=True).start()
main()
