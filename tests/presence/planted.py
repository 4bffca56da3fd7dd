"""Rules that are wrong on purpose, made of the real ones, so that they do not grow old."""
import json

PERSON = ("person", "weak", "active", "typed", "scroll")  # what a person does in a page


def as_machine(path, words=PERSON):
    """The editor's rules of this file, with everything that has one of these verdicts a machine's."""
    with open(path, encoding="utf-8") as f:
        rules = json.load(f)
    for part in ("methods", "commands"):
        of = rules["editor"][part]
        for word in words:
            of["machine"] = of.get("machine", []) + of.pop(word, [])
        for r in of.get("rules", []):
            r["verdict"] = "machine" if r["verdict"] in words else r["verdict"]
    return rules


def as_person(path, name):
    """The same with one message of a page's own chatter a person's."""
    with open(path, encoding="utf-8") as f:
        rules = json.load(f)
    of = rules["editor"]["methods"]
    of["machine"] = [n for n in of.get("machine", []) if n != name]
    of["person"] = [*of.get("person", []), name]
    return rules
