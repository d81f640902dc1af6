# SPDX-License-Identifier: Apache-2.0
"""Compares what a server holds with what the clients sent.

    check.py probe URL            exit status 0 once the event of a probe can be found
    check.py await URL TRUTH      waits until as many events are there as were sent, 60 seconds at most, then for late ones
    check.py search URL TRUTH     asks OpenSearch for requests per second, status codes and SELECTs
    check.py records FILE TRUTH   counts the same in records as tests/services/kafka/run prints them
"""

import collections
import datetime
import json
import sys
import time
import urllib.error
import urllib.request

SELECT = "SELECT id, name, email FROM users ORDER BY id"
PROBE = "/hello/probe"


def main():
    command, source = sys.argv[1:3]
    if command == "probe":
        sys.exit(0 if hits(source, {"term": {"url.path": PROBE}}) > 0 else 1)
    with open(sys.argv[3]) as file:
        truth = json.load(file)
    if command == "await":
        await_events(source, truth)
    elif command == "search":
        compare(truth, from_search(source, truth))
    else:
        compare(truth, from_records(source, truth))


def compare(truth, found):
    for what in truth:
        print(f"{what}: sent {truth[what]}, found {found[what]}")
    sys.exit(0 if truth == found else 1)


def await_events(url, truth):
    wanted = sum(truth["requests"].values()) + truth["selects"]
    end = time.time() + 60
    while time.time() < end and hits(url, requests(truth)) + hits(url, selects(truth)) < wanted:
        time.sleep(0.5)
    time.sleep(3)


def from_search(url, truth):
    answer = search(url, {
        "size": 0,
        "query": requests(truth),
        "aggs": {
            "requests": {"date_histogram": {"field": "@timestamp", "fixed_interval": "1s", "min_doc_count": 1}},
            "statuses": {"terms": {"field": "http.response.status_code", "size": 100}},
        },
    })["aggregations"]
    return {
        "requests": {str(bucket["key"] // 1000): bucket["doc_count"] for bucket in answer["requests"]["buckets"]},
        "statuses": {str(bucket["key"]): bucket["doc_count"] for bucket in answer["statuses"]["buckets"]},
        "selects": hits(url, selects(truth)),
    }


def from_records(path, truth):
    found = {"requests": collections.Counter(), "statuses": collections.Counter(), "selects": 0}
    with open(path) as file:
        for line in file:
            event = json.loads(line.rstrip("\n").split("\t", 2)[2])
            second = int(datetime.datetime.fromisoformat(event["@timestamp"].replace("Z", "+00:00")).timestamp())
            if second < begin(truth):
                continue
            if event["type"] == "http":
                found["requests"][str(second)] += 1
                found["statuses"][str(event["http"]["response"]["status_code"])] += 1
            elif event["type"] == "mysql":
                found["selects"] += event["query"] == SELECT
    return found


def begin(truth):
    return min(map(int, truth["requests"]))


def requests(truth):
    return since(truth, {"term": {"type": "http"}})


def selects(truth):
    return since(truth, {"term": {"type": "mysql"}}, {"term": {"query": SELECT}})


def since(truth, *terms):
    return {"bool": {"filter": [{"range": {"@timestamp": {"gte": begin(truth) * 1000, "format": "epoch_millis"}}}, *terms]}}


def hits(url, query):
    return search(url, {"size": 0, "track_total_hits": True, "query": query})["hits"]["total"]["value"]


def search(url, body):
    """An index that is not there yet holds nothing."""
    ask(url + "/packetbeat-*/_refresh", {})
    return ask(url + "/packetbeat-*/_search", body)


def ask(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        sys.exit(f"{url} was answered with {error.code}: {error.read()[:500]!r}")


main()
