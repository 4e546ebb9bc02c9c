"""A worker with nothing but Python's standard library:  python3 worker.py [http://127.0.0.1:8080 [41969]]

Adds five tasks over HTTP, takes them from a stream of server-sent events, two at a time, and reports them. While it works, it
has the only licence, from a pool, over TCP."""

import json
import socket
import sys
import urllib.parse
import urllib.request

url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"
tcp_port = int(sys.argv[2]) if len(sys.argv) > 2 else 41969


def post(path, body):
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(url + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


class Questions:
    """Over TCP: a line with a question, a line with the answer."""

    def __init__(self, host, port):
        self.lines = socket.create_connection((host, port)).makefile("rw")

    def ask(self, type, payload):
        print(json.dumps({"type": type, "queryIndex": 1, "payload": payload}), file=self.lines, flush=True)
        result = json.loads(self.lines.readline())["resultJob"]
        if "err" in result:
            raise RuntimeError(result["err"])
        return result


questions = Questions(urllib.parse.urlsplit(url).hostname, tcp_port)
questions.ask("pool.add", {"pool": "licences", "resources": ["the only one"]})
hold = questions.ask("pool.acquire", {"pool": "licences", "wait": 10_000})
print("has", hold["resources"][0], "with token", hold["token"])

post("/tasks", [{"queue": "squares", "payload": {"number": number}} for number in range(1, 6)])

done = 0
with urllib.request.urlopen(f"{url}/task?queue=squares&batchsize=2") as stream:
    event = "message"
    for line in stream:
        field, _, value = line.decode().rstrip("\n").partition(": ")
        if field == "event":
            event = value  # lease-lost: too late, somebody else has the task
        elif field == "data" and event == "message":
            task = json.loads(value)
            print(task["number"], "squared is", task["number"] ** 2)
            post("/report", {"done": [{"id": task["Id"], "token": task["Token"]}]})
            done += 1
        elif field == "":
            event = "message"
        if done == 5:
            break

questions.ask("pool.release", {"hold": hold["hold"]})
