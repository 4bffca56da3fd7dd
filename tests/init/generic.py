"""Checks of any init: `prefix + init + command` must behave as the command alone."""
import os, signal, subprocess

from checks import Failed, alive, children_of, need, status_of, wait_for

LIMIT = 60
# Those that PID 1 ignores by default (all without a handler) and those that have no common use.
FORWARDED = [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2,
             signal.SIGALRM, signal.SIGPIPE, signal.SIGCONT, signal.SIGWINCH, signal.SIGIO,
             signal.SIGVTALRM, signal.SIGXCPU, signal.SIGRTMIN, signal.SIGRTMAX, signal.SIGTERM]
FATAL = [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGABRT, signal.SIGKILL,
         signal.SIGSEGV, signal.SIGUSR1, signal.SIGTERM]


def run(command, **more):
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT,
                          stdin=subprocess.DEVNULL, **more)


def exit_code(command, want):
    got = run(command).returncode
    need(got == want, f"{command[-1]!r} ended with {got} instead of {want}")


def check_exit_codes(init):
    for code in range(256):
        exit_code(init + ["sh", "-c", f"exit {code}"], code)


def check_fatal(init):
    for sig in FATAL:
        exit_code(init + ["sh", "-c", f"ulimit -c 0; kill -{int(sig)} $$"], 128 + sig)


def check_storm(init, bin_dir, n):
    r = run(init + [bin_dir + "/init_child", "storm", str(n)])
    need(r.returncode == 0, r.stderr.strip() or f"code {r.returncode}")


def check_signals(init, bin_dir):
    p = subprocess.Popen(init + [bin_dir + "/init_child", "signals"], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    try:
        need(p.stdout.readline() == b"ready\n", "child not ready")
        pid = children_of(p.pid)[0]
        threads = status_of(pid)["Threads"]
        need(threads == "1", f"{threads} threads")
        for sig in FORWARDED:
            os.kill(pid, sig)
            os.set_blocking(p.stdout.fileno(), False)
            line = wait_for(p.stdout.readline, f"{sig.name} to arrive", 2)
            need(int(line) == sig, f"{sig.name} arrived as {line}")
        need(p.wait(5) == 0, f"ended with {p.returncode}")
    finally:
        p.kill()
        p.communicate()


def check_fds(init):
    lines = run(init + ["sh", "-c", "exec ls /proc/self/fd"]).stdout.split()
    # ls itself has the folder open, at the next number.
    need(lines == ["0", "1", "2", "3"], f"open: {lines}")


def check_mask(init):
    text = run(init + ["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"]).stdout.split()
    need(text[1::2] == ["0" * 16] * 2, f"{text}")


def check_stdin(init):
    r = subprocess.run(init + ["cat"], input=b"through\n", capture_output=True, timeout=LIMIT)
    need(r.stdout == b"through\n", f"{r}")


def check_all(report, name, init, prefix, bin_dir, orphans):
    ns = prefix + init
    report.check(f"{name}: exit codes 0..255", lambda: check_exit_codes(ns))
    report.check(f"{name}: 128+signal ({len(FATAL)} signals)", lambda: check_fatal(ns))
    report.check(f"{name}: exit code 127 not found",
                 lambda: exit_code(ns + ["/nowhere/nothing"], 127))
    report.check(f"{name}: exit code 126 not executable", lambda: exit_code(ns + ["/etc/passwd"], 126))
    report.check(f"{name}: {orphans} orphans in crowds, all reaped",
                 lambda: check_storm(ns, bin_dir, orphans))
    report.check(f"{name}: signals forwarded ({len(FORWARDED)}), one thread",
                 lambda: check_signals(ns, bin_dir))
    report.check(f"{name}: descriptors of the child", lambda: check_fds(ns))
    report.check(f"{name}: no signal blocked or ignored in the child", lambda: check_mask(ns))
    report.check(f"{name}: standard input reaches the child", lambda: check_stdin(ns))


def subreaper_left(bin_dir):
    """A daemon that the command leaves behind does not outlive wsagent."""
    script = ("f=$(mktemp -u); mkfifo $f; setsid sh -c 'sleep 1000 & echo $$ > $0; wait' $f "
              ">/dev/null & read pid < $f; rm $f; echo $pid; exit 5")
    r = run([bin_dir + "/wsagent", "run", "--", "sh", "-c", script])
    need(r.returncode == 5, f"code {r.returncode}")
    need(not alive(int(r.stdout)), "the daemon lives")


def check_subreaper(report, bin_dir):
    report.check("wsagent: not PID 1: exit code 3",
                 lambda: exit_code([bin_dir + "/wsagent", "run", "--", "sh", "-c", "exit 3"], 3))
    report.check("wsagent: not PID 1: nothing is left behind", lambda: subreaper_left(bin_dir))
