"""What the scripts of this directory share: where the server is, whose keys there are, and checks.

The environment says: KILN_ENDPOINT (host:port), and for each of two accounts KILN_ACCOUNT_n, KILN_KEY_n and
KILN_SECRET_n; and KILN_PROGRAM, the program itself, for what the clients have no word for. A script ends with status 0 when all of it held, and prints one line for each thing it showed.
"""

import json
import os
import subprocess
import time
import uuid

for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
    # Both generations of clients hand these on without asking NO_PROXY.
    os.environ.pop(name, None)

ENDPOINT = os.environ["KILN_ENDPOINT"]
REGION, OTHER_REGION = "cn-hangzhou", "cn-beijing"


class Account:
    """An account and its first key."""

    def __init__(self, number):
        self.id = os.environ[f"KILN_ACCOUNT_{number}"]
        self.key = os.environ[f"KILN_KEY_{number}"]
        self.secret = os.environ[f"KILN_SECRET_{number}"]


FIRST, SECOND = Account(1), Account(2)


def show(what):
    """Says what was shown."""
    print(f"ok {what}", flush=True)


def check(found, expected, what):
    """Fails unless two things are equal."""
    assert found == expected, f"{what}: found {found!r}, expected {expected!r}"


def fresh(prefix):
    """A name nobody has."""
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


def until(what, ask, seconds=60):
    """Asks until there is an answer that counts, and gives it."""
    deadline = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"{what} did not come in {seconds} s"
        time.sleep(0.05)


def slow_copy(image_id):
    """A copy to the other region that comes to no end by itself; the image that would be. No client has a word for how fast
    a copy may be, and one that is over before it is cancelled shows nothing."""
    command = [os.environ["KILN_PROGRAM"], "image", "copy", image_id, "--to-region", OTHER_REGION, "--name", fresh("slow"),
               "--bandwidth", "1B", "--no-wait", "--output", "json", "--endpoint", f"http://{ENDPOINT}"]
    key = {"KILN_ACCESS_KEY_ID": FIRST.key, "KILN_ACCESS_KEY_SECRET": FIRST.secret}
    told = subprocess.run(command, env={**os.environ, **key}, capture_output=True, check=False)
    assert told.returncode == 0, told.stderr
    told = json.loads(told.stdout)
    return told["Copies"][0]["ImageId"]
