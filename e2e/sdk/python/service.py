"""OpenAI's SDK as a client of a Service with several gateways behind it. The suite `node` runs it.

service.py each COUNT    asks COUNT times, each over a connection of its own, and prints the ids of the answers
service.py keep THREADS  so many clients ask until standard input ends, with the SDK's own retries and nothing else; prints
                         "asking" once each has been answered, and at the end {"answered": [ids], "failed": [errors]}

OPENAI_BASE_URL, OPENAI_API_KEY   where to and with which key, as the SDK reads them itself
"""

import json
import sys
import threading

from openai import OpenAI, OpenAIError

MODEL = "support-triage"
QUESTION = [{"role": "user", "content": "Where is my parcel?"}]


def ask(client):
    """The id of an answer."""
    answer = client.chat.completions.create(model=MODEL, messages=QUESTION, max_tokens=8)
    assert answer.choices[0].message.content
    return answer.id


def each(count):
    for _ in range(count):
        with OpenAI() as client:
            print(ask(client))


class Asker(threading.Thread):
    """A client that goes on until it is told to stop."""

    def __init__(self, over):
        super().__init__()
        self.over, self.answered, self.failed, self.began = over, [], [], threading.Event()

    def run(self):
        with OpenAI() as client:
            while not self.over.is_set():
                try:
                    self.answered.append(ask(client))
                except OpenAIError as error:
                    self.failed.append(repr(error))
                self.began.set()


def keep(count):
    over = threading.Event()
    askers = [Asker(over) for _ in range(count)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.began.wait()
    print("asking", flush=True)
    sys.stdin.read()
    over.set()
    for asker in askers:
        asker.join()
    every = lambda name: [entry for asker in askers for entry in getattr(asker, name)]
    print(json.dumps({"answered": every("answered"), "failed": every("failed")}))


if __name__ == "__main__":
    modes = {"each": each, "keep": keep}
    if len(sys.argv) != 3 or sys.argv[1] not in modes:
        sys.exit(__doc__)
    modes[sys.argv[1]](int(sys.argv[2]))
