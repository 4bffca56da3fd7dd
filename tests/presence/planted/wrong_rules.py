#!/usr/bin/env python3
"""The editor's rules with one planted mistake: a message that every untouched page sends counts as a person.

    wrong_rules.py           write wrong-rules.json beside this file
    wrong_rules.py --check   is it the present rules with that mistake?
"""
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
RULES = os.path.join(HERE, "../../../images/code-server/presence.json")
WRONG = os.path.join(HERE, "wrong-rules.json")
NAME = "$onFileEvent"

with open(RULES, encoding="utf-8") as f:
    rules = json.load(f)
methods = rules["editor"]["methods"]
methods["machine"].remove(NAME)
methods["person"].append(NAME)
text = json.dumps(rules, indent=1) + "\n"
if sys.argv[1:] == ["--check"]:
    with open(WRONG, encoding="utf-8") as f:
        if f.read() != text:
            sys.exit("wrong-rules.json is not made from the present rules: run " + os.path.relpath(__file__))
else:
    with open(WRONG, "w", encoding="utf-8") as f:
        f.write(text)
