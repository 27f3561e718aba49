"""MiniStack with its gaps bridged. It ends, with the functions that it runs, when its standard input does."""

import os
import signal
import sys
import threading

from ministack.app import main
from ministack.services import eventbridge

put_events = eventbridge._put_events


def put_events_of_aws_too(data):
    """Like AWS, it takes no event of `aws.…` from outside. Its own Auto Scaling sends none: our Region's does."""
    return put_events(data, allow_aws_source=True)


def end_with_standard_input():
    """Whatever becomes of the test, nothing that it started stays behind."""
    sys.stdin.read()
    os.killpg(0, signal.SIGKILL)


eventbridge._put_events = put_events_of_aws_too
threading.Thread(target=end_with_standard_input, daemon=True).start()
main()
