"""Asks AWS: reads [service, operation, arguments, JMESPath of what is wanted] in a JSON list, prints the answers as one."""

import json
import sys

import botocore.session
import jmespath

session = botocore.session.get_session()
answers = [
    jmespath.search(wanted, getattr(session.create_client(service), operation)(**arguments))
    for service, operation, arguments, wanted in json.load(sys.stdin)
]
json.dump(answers, sys.stdout, default=str)
