#!/usr/bin/env python3
"""Reads the symbol tables: which layer needs which symbols.

    tests/tidy/layers.py BUILD_DIR       check the static libraries of a build
    tests/tidy/layers.py --self-test     a core that allocates or reads a clock must be caught

The pure layers (core, pool, presence) may need nothing but base, each other as ARCHITECTURE says, and
the libc functions that compute; the table below is the whole allow-list.
"""
import os
import re
import subprocess
import sys
import tempfile

LIBC_PURE = set("""memcpy memmove memset memcmp strlen strcmp strncmp strchr strrchr strnlen strstr snprintf
__assert_fail vsnprintf __vsnprintf_chk __memcpy_chk __memset_chk __memmove_chk __snprintf_chk __stack_chk_fail qsort
__ubsan_handle __asan __gcov""".split())
LIBC_PURE_PREFIX = ("__ubsan_", "__asan_", "__tsan_", "__gcov_", "__sanitizer_", "__start_", "__stop_", "__llvm_")

# library -> (libraries whose symbols it may use, extra libc symbols it may use)
PURE = {
    "libcontroller_core.a": (["libcontroller_pool.a", "libws_base.a"], {"calloc", "malloc", "free"}),  # core_new and core_free only
    "libcontroller_pool.a": (["libws_base.a"],  # and arithmetic
                             {"ceil", "exp", "exp2", "floor", "fmax", "fmaxf", "fmin", "lgamma", "log", "log1p", "lround",
                              "pow", "sqrt"}),
    "libagent_presence.a": (["libws_base.a"], {"memchr", "memmem"}),
    "libagent_jobs.a": (["libagent_presence.a", "libws_base.a"],
                        {"calloc", "free", "memchr", "memrchr", "memmem", "strcspn"}),
    "libagent_decode.a": (["libagent_presence.a", "libws_http.a", "libws_base.a"],
                          {"calloc", "malloc", "realloc", "free", "memchr", "memmem", "strncasecmp",
                           "inflate", "inflateInit2_", "inflateReset", "inflateEnd"}),
}
# library -> libraries whose symbols it must never need
NEVER = {
    "libcontroller_agents.a": ["libcontroller_storage.a", "libcontroller_process.a"],
    "libcontroller_http.a": ["libcontroller_storage.a", "libcontroller_process.a"],
    "libcontroller_ops.a": ["libcontroller_storage.a", "libcontroller_process.a"],
    "libcontroller_storage.a": ["libcontroller_agents.a", "libcontroller_http.a", "libcontroller_ops.a"],
    "libcontroller_docker.a": ["libcontroller_agents.a", "libcontroller_http.a", "libcontroller_ops.a"],
    "libcontroller_process.a": ["libcontroller_agents.a", "libcontroller_http.a", "libcontroller_ops.a"],
    "libws_base.a": ["libws_loop.a"],
}
BASE_FORBIDDEN_IN_PURE = {"mono_read", "utc_read", "log_write", "random_bytes", "file_read", "file_write_atomic"}


def symbols(lib, kind):
    out = subprocess.run(["nm", "-g", "-P", lib], capture_output=True, text=True, check=True).stdout
    found = set()
    for line in out.split("\n"):
        m = re.match(r"(\S+) ([A-Za-z])", line)
        if not m:
            continue
        if (m.group(2) in "Uwv") == (kind == "undefined"):
            found.add(m.group(1))
    return found


def find_libs(build):
    libs = {}
    for folder, _, files in os.walk(build):
        for f in files:
            if f.endswith(".a"):
                libs[f] = os.path.join(folder, f)
    return libs


def check_pure(lib, allowed_libs, extra):
    allowed = set(LIBC_PURE) | extra
    for a in allowed_libs:
        allowed |= symbols(a, "defined") - BASE_FORBIDDEN_IN_PURE
    needed = symbols(lib, "undefined") - symbols(lib, "defined") - allowed
    return sorted(n for n in needed if not n.startswith(LIBC_PURE_PREFIX) and n != "_GLOBAL_OFFSET_TABLE_")


def check(build):
    libs = find_libs(build)
    bad = 0
    for name, (uses, extra) in PURE.items():
        if name not in libs:
            print(f"FAIL {name}: not built")
            bad += 1
            continue
        wrong = check_pure(libs[name], [libs[u] for u in uses if u in libs], extra)
        print(f"{'FAIL' if wrong else 'ok  '} {name}: {'needs ' + ', '.join(wrong) if wrong else 'pure'}")
        bad += bool(wrong)
    for name, others in NEVER.items():
        if name not in libs:
            print(f"FAIL {name}: not built")
            bad += 1
            continue
        needed = symbols(libs[name], "undefined")
        for other in others:
            if other not in libs:
                print(f"FAIL {other}: not built")
                bad += 1
                continue
            # listen(2) is interposed by the agents' edge on purpose (its backlog); not a call into it.
            wrong = sorted((needed & symbols(libs[other], "defined")) - {"listen"})
            print(f"{'FAIL' if wrong else 'ok  '} {name} does not see {other}{': ' + ', '.join(wrong) if wrong else ''}")
            bad += bool(wrong)
    return bad


def self_test():
    bad = 0
    for call in ("malloc(9)", "clock_gettime(0, 0)", "write(1, 0, 0)"):
        with tempfile.TemporaryDirectory() as tmp:
            src, obj = os.path.join(tmp, "core.c"), os.path.join(tmp, "core.o")
            with open(src, "w") as f:
                f.write(f"long f(void);\nlong {call.split('(')[0]}();\nlong f(void) {{ return (long){call}; }}\n")
            subprocess.run(["cc", "-w", "-fno-builtin", "-c", src, "-o", obj], check=True)
            wrong = check_pure(obj, [], set())
        print(f"{'ok  ' if wrong else 'FAIL'} planted {call}: {'caught' if wrong else 'missed'}")
        bad += not wrong
    return bad


if __name__ == "__main__":
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    sys.exit(1 if (self_test() if sys.argv[1] == "--self-test" else check(sys.argv[1])) else 0)
