"""Runs a Lambda drain function in Python against the local Region of ecs-drain, in the Region's virtual time.

    python run.py FILE [--handler NAME] [--queue NAME] [--timeout SECONDS]

The environment has the address of the Region, AWS_ENDPOINT_URL, and a region and credentials as for any use of boto3. What the
function reads from its own environment, such as its cluster, is there too. README.md shows both terminals.

The function runs unchanged, as Lambda would run it: an invocation for each message of the queue, with a time limit, tried again
twice when it fails. time.sleep and time.time use the Region's time.

The exit status is 0 when the Region has ended, even if invocations failed: the Region's report shows that. It is 1 if
there is no Region or no such queue, and 2 if the command is wrong.
"""

import argparse
import http.client
import importlib.util
import itertools
import json
import os
import sys
import threading
import time
import traceback
import urllib.parse

import boto3
import botocore.exceptions

CLIENT_HEADER = "x-region-client"
COLD_START_SECONDS = 0.35
# After these times Lambda tries a failed asynchronous invocation again.
RETRY_AFTER_SECONDS = (60, 120)
LONG_POLL_SECONDS = 20

real_sleep, real_time = time.sleep, time.time
current = threading.local()  # .client: the clock's client that this thread is


class RegionGone(Exception):
    """The Region does not answer any more: the scenario is over."""


GONE = (RegionGone, botocore.exceptions.HTTPClientError, botocore.exceptions.ConnectionError)


class TimedOut(BaseException):
    """The invocation's time is over. Not an Exception, so that no function catches it by accident."""


class ClockClient:
    """One thread of work that the Region's time waits for, as long as its connection is open."""

    def __init__(self, instance_id=None):
        self._endpoint = urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL"]).netloc
        self.ends_at = None
        self._registration = self._connect()
        body = {} if instance_id is None else {"instanceId": instance_id}
        response = self._send(self._registration, "POST", "/_clock/clients", body)
        self.id = json.loads(response.readline())["client"]

    def now(self):
        return self._ask("GET", "/_clock")["epochSeconds"]

    def sleep(self, seconds):
        """Sleeps in the Region's time, and no longer than the invocation may last."""
        if self.ends_at is not None:
            left = self.ends_at - self.now()
            if seconds > left:
                self._ask("POST", "/_clock/sleep", {"seconds": max(0, left)})
                raise TimedOut()
        self._ask("POST", "/_clock/sleep", {"seconds": max(0, seconds)})

    def end(self):
        self._registration.close()

    def _connect(self):
        return http.client.HTTPConnection(self._endpoint)

    def _send(self, connection, method, path, body=None):
        headers = {CLIENT_HEADER: self.id} if hasattr(self, "id") else {}
        try:
            connection.request(method, path, body and json.dumps(body), headers)
            response = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise RegionGone(error) from error
        if response.status != 200:
            raise RuntimeError(response.read().decode())
        return response

    def _ask(self, method, path, body=None):
        connection = self._connect()
        try:
            return json.loads(self._send(connection, method, path, body).read())
        except (OSError, http.client.HTTPException) as error:
            raise RegionGone(error) from error
        finally:
            connection.close()


def redirect_time():
    """time.sleep and time.time use the Region's time in threads that are its clients; so do boto3's retries."""

    def sleep(seconds):
        client = getattr(current, "client", None)
        (client.sleep if client else real_sleep)(seconds)

    def now():
        client = getattr(current, "client", None)
        return client.now() if client else real_time()

    time.sleep, time.time = sleep, now


def name_client(request, **_):
    """Names the caller of a call to the Region, so that its time waits for the caller."""
    client = getattr(current, "client", None)
    if client:
        request.headers[CLIENT_HEADER] = client.id


class Context:
    """What Lambda passes to a handler beside the event."""

    function_name = "drainer"
    memory_limit_in_mb = 128

    def __init__(self, request_id, client):
        self.aws_request_id = request_id
        self._client = client

    def get_remaining_time_in_millis(self):
        return max(0, int((self._client.ends_at - self._client.now()) * 1000))


class Function:
    """The function of a file. Each invocation loads it again, as a new container does."""

    def __init__(self, file, handler, timeout):
        self._file, self._handler, self._timeout = file, handler, timeout
        self._loading = threading.Lock()  # boto3's default session makes one client at a time
        self._request_ids = itertools.count(1)

    def invoke(self, event, instance_id):
        """Invokes it and does not wait. The client is registered before this returns: no time passes in between."""
        client = ClockClient(instance_id)
        threading.Thread(target=self._attempts, args=(event, instance_id, client), daemon=True).start()

    def _attempts(self, event, instance_id, client):
        try:
            for wait in (*RETRY_AFTER_SECONDS, None):
                if self._attempt(event, client) or wait is None:
                    break
                # The wait for the next attempt is not part of an invocation, and bills nothing.
                waiting, failed = ClockClient(), client
                failed.end()
                waiting.sleep(wait)
                client = ClockClient(instance_id)
                waiting.end()
        except GONE:
            pass
        finally:
            client.end()

    def _attempt(self, event, client):
        """Whether it succeeded."""
        current.client = client
        try:
            client.ends_at = client.now() + self._timeout
            client.sleep(COLD_START_SECONDS)
            self._load()(event, Context(f"request-{next(self._request_ids)}", client))
            return True
        except TimedOut:
            print(f"Task timed out after {self._timeout} seconds", file=sys.stderr)
        except GONE:
            raise
        except Exception:
            traceback.print_exc()
        return False

    def _load(self):
        with self._loading:
            spec = importlib.util.spec_from_file_location("drainer", self._file)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
        return getattr(module, self._handler)


def event_of(message):
    """The event that Lambda would pass, by the source of the message, and the EC2 instance that it is about."""
    body = json.loads(message["Body"])
    if body.get("Type") == "Notification":
        record = {"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": body}
        return {"Records": [record]}, json.loads(body["Message"]).get("EC2InstanceId")
    if "detail-type" in body:
        return body, body["detail"].get("EC2InstanceId")
    record = {"messageId": message["MessageId"], "body": message["Body"], "eventSource": "aws:sqs"}
    return {"Records": [record]}, body.get("EC2InstanceId")


def take_messages(queue, function):
    """Brings each message of the queue to the function, until the Region is gone."""
    sqs = boto3.client("sqs")
    try:
        url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    except sqs.exceptions.QueueDoesNotExist:
        sys.exit(f"The Region has no queue {queue}: start it with --notify, and leave out --queue.")
    while True:
        received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=LONG_POLL_SECONDS)
        for message in received.get("Messages", []):
            event, instance_id = event_of(message)
            function.invoke(event, instance_id)
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def main():
    parser = argparse.ArgumentParser(description="Runs a Lambda drain function against the local Region.")
    parser.add_argument("file", help="the function's source, as it would be deployed")
    parser.add_argument("--handler", default="handler", help="the name of its handler (%(default)s)")
    parser.add_argument("--queue", default="lifecycle-events", help="the Region's queue (%(default)s)")
    parser.add_argument("--timeout", type=int, default=300, help="its time limit in seconds (%(default)s)")
    options = parser.parse_args()
    if "AWS_ENDPOINT_URL" not in os.environ:
        parser.error("AWS_ENDPOINT_URL is not set: export what npm run region has printed.")

    if not os.path.isfile(options.file):
        parser.error(f"{options.file} is no file: name the source of your function.")

    redirect_time()
    boto3.setup_default_session()
    boto3.DEFAULT_SESSION.events.register("before-send", name_client)
    try:
        current.client = ClockClient()
    except (*GONE, RuntimeError) as error:
        sys.exit(f"{os.environ['AWS_ENDPOINT_URL']} does not answer as the local Region does: {error}")
    try:
        take_messages(options.queue, Function(options.file, options.handler, options.timeout))
    except GONE:
        print("The Region has ended.", file=sys.stderr)


if __name__ == "__main__":
    main()
