#!/usr/bin/env python3
"""The checkable part of the style, executed.

    tests/tidy/tidy.py [--root DIR] [--no-format] [FILE...]   check the tree (or these files)
    tests/tidy/tidy.py --self-test                            every planted defect must be caught

One line a finding: path:line: rule: what. Exit code 1 when there is one.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 800
LINE_COLUMNS_MAX = 100

BANNED = {
    "strtok": "keeps hidden state; walk the text",
    "atoi": "use num_parse_*", "atol": "use num_parse_*", "atoll": "use num_parse_*",
    "strtol": "use num_parse_*", "strtoul": "use num_parse_*", "strtoll": "use num_parse_*",
    "strtoull": "use num_parse_*",
    "sprintf": "use snprintf or buf_printf", "vsprintf": "use vsnprintf",
    "strcpy": "use str_copy", "strcat": "use buf_append_str", "strncpy": "use str_copy_cut",
    "gets": "no bound", "alloca": "no bound", "system": "spawn without a shell",
    "popen": "spawn without a shell", "signal": "use signalfd through the loop",
    "rand": "use random_bytes", "srand": "use random_bytes", "time": "only shared/base reads clocks",
    "gettimeofday": "only shared/base reads clocks", "localtime": "UTC only",
    "gmtime": "not reentrant: gmtime_r", "usleep": "wait for an event", "sleep": "wait for an event",
    "dup": "F_DUPFD_CLOEXEC", "mktemp": "racy",
}

# A foreign header -> the files that may include it.
FOREIGN = {
    r"nng/": [r"agent/link/nng\.c", r"controller/in/agents[a-z_]*\.c", r"controller/in/ops[a-z_]*\.c",
              r"controller/ctl/[a-z_]+\.c"],
    r"libwebsockets\.h": [r"controller/in/http_lws[a-z_]*\.c"],
    r"curl/": [r"agent/save/transfer\.c", r"controller/out/(s3_http|notify_send|providers/engine)\.c", r"controller/ctl/[a-z_]+\.c"],
    r"sqlite3\.h": [r"controller/store/sqlite[a-z_]*\.c", r"agent/save/sqlite_copy\.c"],
    r"libpq-fe\.h": [r"controller/store/postgres\.c"],
    r"archive(_entry)?\.h": [r"agent/save/archive[a-z_]*\.c"],
    r"(cjson/)?cJSON\.h": [r"shared/wire/(wire|blob|json)[a-z_]*\.[ch]", r"shared/snapshot/header\.c", r"agent/profile/[a-z_]+\.c",
                           r"controller/out/(s3_credentials|providers/docker_json)\.c", r"controller/in/(view|ops|http)[a-z_]*\.[ch]", r"controller/ctl/[a-z_]+\.[ch]"],
    r"openssl/": [r"shared/crypto/digest\.c"],
    r"zstd\.h": [r"shared/snapshot/zstream\.c"],
    r"zlib\.h": [r"agent/decode/inflate\.c", r"controller/ctl/plan_trace\.c"],
}

# Folder -> include prefixes it may use (its own is implied). Libraries and libc are not listed here.
LAYERS = {
    "shared/base": [],
    "shared/loop": ["base/"],
    "shared/crypto": ["base/"],
    "shared/http": ["base/"],
    "shared/snapshot": ["base/", "crypto/"],
    "shared/wire": ["base/"],
    "agent/presence": ["base/"],
    "agent/decode": ["base/", "http/", "presence/"],
    "agent/init": ["base/", "roles.h", "init/", "profile/record.h"],
    "agent/gate": ["base/", "loop/", "http/", "crypto/", "wire/", "roles.h", "channel.h", "decode/observer.h",
                   "profile/profile.h", "profile/rules_parse.h", "gate/"],
    "agent/sense": ["base/", "loop/", "roles.h", "channel.h", "presence/rules.h", "profile/", "sense/"],
    "agent/save": ["base/", "crypto/", "snapshot/", "wire/", "roles.h", "profile/", "save/"],
    "agent/link": ["base/", "loop/", "crypto/", "wire/", "roles.h", "channel.h", "init/control.h",
                   "presence/", "profile/", "link/"],
    "agent/profile": ["base/", "roles.h", "presence/rules.h", "profile/"],
    "controller/pool": ["base/", "pool/"],
    "controller/core": ["base/", "pool/", "core/", "wire/agent_phase.def", "wire/command_verb.def"],
    "controller/plan": ["base/", "pool/", "core/", "plan/"],
    "controller/store": ["base/", "loop/", "core/", "store/"],
    "controller/timetable": ["base/", "loop/", "wire/", "core/", "pool/", "shell.h", "timetable/"],
    "controller/lead": ["base/", "loop/", "core/", "store/store.h", "shell.h", "lead/"],
    "controller/in": ["base/", "loop/", "crypto/", "http/", "wire/", "core/", "store/store.h", "shell.h",
                      "keys.h", "timetable/text.h", "timetable/timetables.h", "in/", "web/"],
    "controller/metrics": ["base/", "loop/", "crypto/", "http/", "core/", "shell.h", "metrics/"],
    "controller/out": ["base/", "loop/", "crypto/", "http/", "snapshot/", "wire/", "core/", "shell.h", "keys.h", "out/",
                       "metrics/metrics.h", "metrics/slots.h", "metrics/metric.def", "metrics/label.def"],
}


def c_files(root):
    try:
        listed = subprocess.run(["git", "-C", root, "ls-files", "-co", "--exclude-standard"], text=True,
                                capture_output=True, check=True).stdout.split("\n")
    except (OSError, subprocess.CalledProcessError):
        listed = [os.path.relpath(os.path.join(d, f), root) for d, _, fs in os.walk(root) for f in fs]
    return sorted(f for f in listed if f.endswith((".c", ".h")) and not f.startswith(("build", "tests/tidy/planted"))
                  and os.path.exists(os.path.join(root, f)))


def strip_code(text):
    """Comments and literals blanked, line structure kept."""
    def blank(m):
        return re.sub(r"[^\n]", " ", m.group(0))
    return re.sub(r'/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)


def check_lines(path, text, code, found):
    product = not path.startswith("tests/")
    for n, line in enumerate(text.split("\n"), 1):
        if len(line) > LINE_COLUMNS_MAX:
            found(n, "long-line", f"{len(line)} columns, at most {LINE_COLUMNS_MAX}")
        if "\t" in line:
            found(n, "tab", "tab character")
    for n, line in enumerate(code.split("\n"), 1):
        if "//" in line:
            found(n, "comment", "// is for code that is not committed")
        if product:
            for m in re.finditer(r"(?<![\w.>])([a-z_]+)\s*\(", line):
                if m.group(1) in BANNED:
                    found(n, "banned", f"{m.group(1)}: {BANNED[m.group(1)]}")
            if "clock_gettime" in line and path not in ("shared/base/mono.c",):
                found(n, "clock", "only shared/base reads clocks")
    if product:
        for n, line in enumerate(text.split("\n"), 1):
            if re.search(r"\b(TODO|FIXME|XXX)\b", line):
                found(n, "leftover", "finish it or open an issue")
    if text.count("\n") > FILE_LINES_MAX:
        found(1, "long-file", f"{text.count(chr(10))} lines: is there a second concept in it?")
    if re.search(r"(^|/)(utils?|helpers?|misc|common)\.[ch]$", path):
        found(1, "name", "name the concept")


def check_functions(path, code, found):
    start = None
    lines = code.split("\n")
    for n, line in enumerate(lines, 1):
        if line.startswith("{") and n > 1 and re.search(r"\)\s*$", lines[n - 2]):
            start = n
        elif line.startswith("}") and start is not None:
            if n - start + 1 > FUNCTION_LINES_MAX:
                found(start, "long-function", f"{n - start + 1} lines, at most {FUNCTION_LINES_MAX}")
            start = None


def check_includes(path, text, found):
    folder = next((f for f in LAYERS if path.startswith(f + "/")), None)
    for n, line in enumerate(text.split("\n"), 1):
        m = re.match(r'\s*#\s*include\s+([<"])([^>"]+)', line)
        if not m:
            continue
        name = m.group(2)
        if not path.startswith("tests/"):
            for pattern, allowed in FOREIGN.items():
                if re.match(pattern, name) and not any(re.fullmatch(a, path) for a in allowed):
                    found(n, "foreign", f"{name} belongs in {', '.join(allowed)} only")
        if folder and m.group(1) == '"':
            own = folder.split("/", 1)[1] + "/"
            if not any(name.startswith(p) for p in LAYERS[folder] + [own]) and "/" in name + "/":
                found(n, "layer", f"{folder} may not include {name}")


def check_header(path, text, found):
    if not path.endswith(".h") or path.startswith("tests/"):
        return
    if "#pragma once" not in text:
        found(1, "header", "#pragma once is missing")
    if not text.lstrip().startswith("/*"):
        found(1, "header", "a header begins with what it is for, who owns what, which thread")


def headers_compile_alone(root, files, found_at):
    include = ["-I" + os.path.join(root, d) for d in ("shared", "agent", "controller", "tests")]
    for path in files:
        if not path.endswith(".h"):
            continue
        run = subprocess.run(["cc", "-std=gnu17", "-D_GNU_SOURCE", "-fsyntax-only", "-x", "c", *include,
                              os.path.join(root, path)], capture_output=True, text=True)
        errors = [e for e in run.stderr.split("\n") if "error" in e]
        if run.returncode != 0:
            found_at(path, 1, "header", "does not compile alone: " + (errors or ["?"])[0])


def check_format(root, files, found_at):
    if not shutil.which("clang-format"):
        print("SKIP format: clang-format is not installed (package clang-format)")
        return
    for path in files:
        run = subprocess.run(["clang-format", "--dry-run", "-Werror", os.path.join(root, path)],
                             capture_output=True, text=True)
        if run.returncode != 0:
            m = re.search(r":(\d+):\d+: ", run.stderr)
            found_at(path, int(m.group(1)) if m else 1, "format", "clang-format -i would change it")


def check_tree(root, files, with_format=True):
    findings = []

    def found_at(path, line, rule, what):
        findings.append((path, line, rule, what))

    for path in files:
        with open(os.path.join(root, path), encoding="utf-8", errors="replace") as f:
            text = f.read()
        code = strip_code(text)

        def found(line, rule, what, path=path):
            found_at(path, line, rule, what)
        check_lines(path, text, code, found)
        check_functions(path, code, found)
        check_includes(path, text, found)
        check_header(path, text, found)
    headers_compile_alone(root, files, found_at)
    if with_format:
        check_format(root, files, found_at)
    return findings


def self_test(here):
    """planted/<anything>.c|.h carries, in its first lines, `plant: PATH` (where it pretends to be) and `expect: rule`."""
    import tempfile
    bad = 0
    folder = os.path.join(here, "planted")
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), encoding="utf-8") as f:
            text = f.read()
        path = re.search(r"plant: (\S+)", text).group(1)
        rule = re.search(r"expect: (\S+)", text).group(1)
        with tempfile.TemporaryDirectory() as tmp:
            full = os.path.join(tmp, path)
            os.makedirs(os.path.dirname(full))
            with open(full, "w", encoding="utf-8") as f:
                f.write(text)
            shutil.copy(os.path.join(here, "..", "..", ".clang-format"), tmp)
            rules = {r for _, _, r, _ in check_tree(tmp, [path])}
        ok = rule in rules or (rule == "format" and not shutil.which("clang-format"))
        print(f"{'ok  ' if ok else 'FAIL'} {name}: planted {rule}, found {', '.join(sorted(rules)) or 'nothing'}")
        bad += not ok
    return bad


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--root", default=os.path.join(here, "..", ".."))
    p.add_argument("--no-format", action="store_true")
    p.add_argument("--self-test", action="store_true")
    p.add_argument("files", nargs="*")
    args = p.parse_args()
    if args.self_test:
        sys.exit(1 if self_test(here) else 0)
    root = os.path.abspath(args.root)
    files = args.files or c_files(root)
    findings = check_tree(root, files, not args.no_format)
    for path, line, rule, what in findings:
        print(f"{path}:{line}: {rule}: {what}")
    print(f"{len(files)} files, {len(findings)} findings")
    sys.exit(1 if findings or not files else 0)


if __name__ == "__main__":
    main()
