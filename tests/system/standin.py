"""A small app in the place of code-server: standin.py SOCKET. Says 200 to everything, and echoes
what comes through a WebSocket, byte for byte."""
import base64
import hashlib
import os
import re
import socket
import sys
import threading

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def read_head(s):
    head = b""
    while b"\r\n\r\n" not in head:
        data = s.recv(4096)
        if not data:
            return None
        head += data
    return head


def serve(s):
    while (head := read_head(s)) is not None:
        key = re.search(rb"(?i)\r\nsec-websocket-key: *(\S+)", head)
        if key:
            accept = base64.b64encode(hashlib.sha1(key.group(1) + MAGIC).digest())
            s.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                      b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n")
            while data := s.recv(4096):
                s.sendall(data)
            return
        body = b"<title>stand-in</title>process %d\n" % os.getpid()
        s.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
                  b"Content-Length: %d\r\n\r\n" % len(body) + body)
        if b"\r\nconnection: close\r\n" in head.lower():
            return


def thread(s):
    with s:
        try:
            serve(s)
        except OSError:
            pass


listener = socket.socket(socket.AF_UNIX)
os.umask(0o117)  # the gate's group may connect, nobody else
listener.bind(sys.argv[1])
listener.listen(64)
while True:
    threading.Thread(target=thread, args=(listener.accept()[0],), daemon=True).start()
