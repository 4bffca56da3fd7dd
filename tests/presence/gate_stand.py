"""The real gate with a stand-in for the link: prints its port, then the gate's records as they come, until stdin ends.

    gate_stand.py WORKER APP_SOCKET HOST:PORT
"""
import os
import select
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../gate"))
import gate  # noqa: E402


def main():
    g = gate.Gate(sys.argv[1], sys.argv[2])
    g.config(host=sys.argv[3])
    print(g.port, flush=True)
    while True:
        ready, _, _ = select.select([g.link, sys.stdin], [], [])
        if sys.stdin in ready and not sys.stdin.buffer.raw.read(4096):
            break
        if g.link in ready and not g.link.recv(4096):
            break
    g.close()


main()
