"""This thread as a client of the Region's clock, by what the example brings."""

import importlib.util
import pathlib

import boto3

EXAMPLE = pathlib.Path(__file__).parents[2] / "examples/bring-your-own-drainer/run.py"
spec = importlib.util.spec_from_file_location("run", EXAMPLE)
run = importlib.util.module_from_spec(spec)
spec.loader.exec_module(run)


def registered():
    run.redirect_time()
    boto3.setup_default_session()
    boto3.DEFAULT_SESSION.events.register("before-send", run.name_client)
    run.current.client = run.ClockClient()
    return run.current.client
