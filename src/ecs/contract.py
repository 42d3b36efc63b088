#!/usr/bin/env python3
"""Writes contract.txt from the wire tree of the official SDKs' models.

    python3 src/ecs/contract.py WIRE.json > src/ecs/contract.txt

WIRE.json is a map of operations, each with the trees of its request and its response, as generated from
the SDKs. What is written is a line an action: its name, what it is asked with, what it answers, with tabs
between. A field is its name, `*` if it is required, `[]` if there may be several, then its fields in
braces or a letter for its type: `:i` whole number, `:f` fraction, `:b` truth, `:m` a JSON map in a text.
A field without any is a text. The legacy parameters about owners, which every action has and ignores, and
the request's id, which every answer has, are left out.
"""

import json
import sys

COMMON = {"OwnerId", "OwnerAccount", "ResourceOwnerId", "ResourceOwnerAccount", "RequestId"}
TYPES = {"string": "", "integer": ":i", "number": ":f", "boolean": ":b", "map": ":m"}


def field(name, tree):
    text = name + ("*" if tree.get("required") else "") + ("[]" if tree.get("repeated") else "")
    if tree["type"] == "object":
        return text + "{" + fields(tree["fields"]) + "}"
    return text + TYPES[tree["type"]]


def fields(tree):
    return " ".join(field(name, tree[name]) for name in sorted(tree) if name not in COMMON)


operations = json.load(open(sys.argv[1]))["operations"]
for name in sorted(operations):
    operation = operations[name]
    print(name, fields(operation["request"]), fields(operation["response"]), sep="\t")
