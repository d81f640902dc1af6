# SPDX-License-Identifier: Apache-2.0
"""Does the work of one protocol's client and writes what it did, for check.py to compare with the events.

    client.py PROTOCOL TRUTH

tests/live/PROTOCOL/client.py has
    work(log)         sends requests and calls log(…) with what each of them was and how it ended
    describe(event)   the same words for an event: a list, or None for what no call of log stands for (a driver's own)
    merge(event)      where requests are sent again with the same number: what they have in common, else None
"""

import importlib.util
import json
import os
import sys

SERVER, CLIENT = os.environ.get("SERVER", "10.77.0.1"), os.environ.get("CLIENT", "10.77.0.2")


def main():
    protocol, path = sys.argv[1:3]
    done = []
    load(protocol).work(lambda *what: done.append(list(what)))
    with open(path, "w") as file:
        for what in done:
            print(json.dumps(what, ensure_ascii=False), file=file)
    print(len(done), "transactions")


def load(protocol):
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), protocol, "client.py")
    specification = importlib.util.spec_from_file_location(f"live_{protocol}", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
