#!/usr/bin/env python3
"""The signer against AWS's published vectors, and against botocore where that is installed.

    tests/storage/test_sigv4.py --bin DIR [--seed N]
"""
import argparse
import datetime
import json
import os
import posixpath
import random
import subprocess
import sys
import time
import urllib.parse

sys.dont_write_bytecode = True
here = os.path.dirname(os.path.abspath(__file__))
UNSIGNED = "UNSIGNED-PAYLOAD"


def check(condition, text):
    if not condition:
        raise SystemExit(f"FAIL: {text}")


def tool(path, fields, headers, query):
    """What sigv4_tool prints: {"canonical", "authorization", "presigned"}."""
    lines = [f"{k}\t{v}" for k, v in fields.items()]
    lines += [f"header\t{k}\t{v}" for k, v in headers] + [f"query\t{k}\t{v}" for k, v in query]
    out = subprocess.run([path], input=("\n".join(lines) + "\n").encode(), capture_output=True,
                         check=True).stdout.decode()
    return {part.split("\n", 1)[0]: part.split("\n", 1)[1].rstrip("\n")
            for part in out.split("== ")[1:]}


# ---- vectors ----


def parse_request(text):
    """(method, path, query, headers) of a request as the vectors have it; nothing is decoded."""
    head = text.split("\n\n", 1)[0]
    lines = head.split("\n")
    method, target = lines[0].split(" ", 1)
    target = target.rsplit(" ", 1)[0]
    headers = []
    for line in lines[1:]:
        if line and line[0] in " \t":  # continued
            headers[-1][1] += " " + line.strip()
        elif line:
            name, value = line.split(":", 1)
            headers.append([name, value])
    path, _, query = target.partition("?")
    pairs = [p.partition("=")[::2] for p in query.split("&")] if query else []
    return method, path, [tuple(map(urllib.parse.unquote, p)) for p in pairs], headers


def normalised(path):
    """S3 paths never are; these vectors are for services whose paths are."""
    out = posixpath.normpath(path).replace("//", "/")
    return out + "/" if path.endswith(("/", "/.", "/..")) and out != "/" else out


def vector(bin_path, vectors, name):
    v = vectors[name]
    context = json.loads(v["context.json"])
    method, path, query, headers = parse_request(v["request.txt"])
    if context["normalize"]:
        path = normalised(path)
    at = datetime.datetime.strptime(context["timestamp"], "%Y-%m-%dT%H:%M:%SZ")
    credentials = context["credentials"]
    token = credentials.get("token", "")
    omit = context.get("omit_session_token", False)
    fields = {"method": method, "path": path, "access": credentials["access_key_id"],
              "secret": credentials["secret_access_key"], "region": context["region"],
              "service": context["service"], "time": int(at.replace(
                  tzinfo=datetime.timezone.utc).timestamp()),
              "expires": context["expiration_in_seconds"]}
    # By headers: what the vector's signed request has beside the original ones.
    signed_request = parse_request(v["header-signed-request.txt"])[3]
    authorization = [h[1] for h in signed_request if h[0] == "Authorization"][0]
    extra = [h for h in signed_request[len(headers):] if h[0] != "Authorization" and
             not (omit and h[0].lower() == "x-amz-security-token")]
    want = v["header-canonical-request.txt"].rstrip("\n")
    got = tool(bin_path, {**fields, "payload": want.rsplit("\n", 1)[1]}, headers + extra, query)
    check(got["canonical"] == want, f"{name}: canonical\n{got['canonical']}\n---\n{want}")
    check(got["authorization"] == authorization, f"{name}: {got['authorization']}\n{authorization}")
    # Presigned: the query that the vector signs.
    want = v["query-canonical-request.txt"].rstrip("\n")
    target = v["query-signed-request.txt"].split("\n")[0]
    signature = target.split("X-Amz-Signature=")[1].split(" ")[0].split("&")[0]
    got = tool(bin_path, {**fields, "payload": want.rsplit("\n", 1)[1],
                          "token": "" if omit else token}, headers, query)
    check(got["presigned"].endswith("&X-Amz-Signature=" + signature),
          f"{name}: {got['presigned']}\n{target}")


# ---- botocore ----


def with_botocore(bin_path, seed, rounds):
    try:
        import botocore.auth
        import botocore.awsrequest
        import botocore.credentials
    except ImportError:
        print("SKIP botocore: not installed (package python3-botocore)")
        return
    dice = random.Random(seed)
    letters = "abcXYZ019-._~ /+=&%:@!$'()*,;äß"

    def word(n):
        return "".join(dice.choice(letters) for _ in range(dice.randint(1, n)))
    for _ in range(rounds):
        credentials = botocore.credentials.Credentials(
            "AKID" + word(8).replace(" ", ""), word(40).strip() or "x",
            dice.choice([None, "token/+=" + "t" * dice.randint(1, 900)]))
        path = "/" + word(20).lstrip("/")
        query = {word(8): word(8) for _ in range(dice.randint(0, 4))}
        headers = {"If-None-Match": "*", "x-amz-checksum-sha256": "aGVsbG8=",
                   "Content-Length": str(dice.randint(1, 9999))}
        url = ("https://bucket.example:8443" + urllib.parse.quote(path, safe="/~") +
               ("?" + urllib.parse.urlencode(query, quote_via=urllib.parse.quote) if query else ""))
        request = botocore.awsrequest.AWSRequest("PUT", url, headers=headers)
        signer = botocore.auth.S3SigV4QueryAuth(credentials, "s3", "eu-central-1", expires=900)
        signer.add_auth(request)
        parts = urllib.parse.urlsplit(request.url)
        theirs = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
        at = datetime.datetime.strptime(theirs["X-Amz-Date"], "%Y%m%dT%H%M%SZ")
        fields = {"method": "PUT", "path": path, "access": credentials.access_key,
                  "secret": credentials.secret_key, "token": credentials.token or "",
                  "region": "eu-central-1", "service": "s3", "payload": UNSIGNED, "expires": 900,
                  "time": int(at.replace(tzinfo=datetime.timezone.utc).timestamp())}
        got = tool(bin_path, fields, [("host", "bucket.example:8443")] + list(headers.items()),
                   list(query.items()))["presigned"]
        ours = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(got).query, keep_blank_values=True))
        check(ours == theirs, f"{url}\n{got}\n{request.url}")
    print(f"ok   {rounds} presigned addresses equal to botocore's")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("WS_TEST_SEED")
                                                        or time.time()))
    options = parser.parse_args()
    print(f"seed {options.seed}")
    bin_path = os.path.join(options.bin, "sigv4_tool")
    with open(os.path.join(here, "..", "data", "aws-sig-v4.json"), newline="") as f:
        vectors = json.load(f)
    for name in vectors:
        vector(bin_path, vectors, name)
    check(len(vectors) == 38, "vectors are missing")
    print(f"ok   {len(vectors)} vectors, by headers and presigned")
    # The checker itself: a vector that was changed in one place is noticed.
    vectors["get-vanilla"]["request.txt"] = vectors["get-vanilla"]["request.txt"].replace(
        "GET /", "GET /x")
    try:
        vector(bin_path, vectors, "get-vanilla")
    except SystemExit:
        print("ok   a changed vector is noticed")
    else:
        check(False, "a changed vector was not noticed")
    with_botocore(bin_path, options.seed, 2000 if os.environ.get("WS_TEST_FULL") == "1" else 100)


main()
