"""Whether a stranger learns from the time of an answer that something is there.

Another account asks every action that names something, of what is the first account's and of what is nobody's, in an order by
chance on one connection. For each action it prints both medians, and how often an answer about what is there took longer than
one about what is not: a half if the time tells nothing. STRANGER_TIMES says how often each is asked; 400 if nothing does.
"""

import bisect
import http.client
import json
import os
import random
import statistics
import time

from alibabacloud_tea_openapi.utils import Utils

from kiln_clients import ENDPOINT, SECOND, fresh
from strangers import ABSENT, attempts, bucket_name, disk_id, image_id, second, signed, snapshot_id, task_id

TIMES = int(os.environ.get("STRANGER_TIMES", "400"))
# Of the first so many of each nothing is counted.
WARM = 20

there = attempts(second, image_id, snapshot_id, disk_id, task_id, bucket_name)
absent = attempts(second, ABSENT["m-"], ABSENT["s-"], ABSENT["d-"], ABSENT["t-"], fresh("none"))
connection = http.client.HTTPConnection(ENDPOINT)


def took(action, request):
    """Nanoseconds of an answer, which has to be a refusal, and its code."""
    params = {"Action": action, **Utils.query(request.to_map())}
    url = signed(params, SECOND.key, SECOND.secret).split(ENDPOINT, 1)[1]
    begin = time.perf_counter_ns()
    connection.request("GET", url)
    answer = connection.getresponse().read()
    end = time.perf_counter_ns()
    return end - begin, json.loads(answer)["Code"]


def slower(one, other):
    """How often one of these is greater than one of those."""
    other = sorted(other)
    return sum(bisect.bisect_left(other, time) + bisect.bisect_right(other, time) for time in one) / (2 * len(one) * len(other))


print("| action | code | there, us | not there, us | there is slower |\n|---|---|---|---|---|")
for action in there:
    (_, one), (_, other) = there[action], absent[action]
    found, codes = {True: [], False: []}, set()
    asked = [True, False] * (TIMES + WARM)
    random.shuffle(asked)
    for is_there in asked:
        time_ns, code = took(action, one if is_there else other)
        codes.add(code)
        found[is_there].append(time_ns)
    assert len(codes) == 1, f"{action} tells them apart: {codes}"
    ours, nobodys = (times[WARM:] for times in (found[True], found[False]))
    medians = [statistics.median(times) / 1000 for times in (ours, nobodys)]
    print(f"| {action} | {code} | {medians[0]:.0f} | {medians[1]:.0f} | {slower(ours, nobodys):.2f} |", flush=True)
