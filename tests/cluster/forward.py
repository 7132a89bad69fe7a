"""`forward.py PORT HOST:PORT ...` gives each new connection to the next target, as a service of Kubernetes does."""

import contextlib
import itertools
import socket
import sys
import threading


def main() -> None:
    targets = itertools.cycle([(host, int(port)) for host, port in (one.split(":") for one in sys.argv[2:])])
    with socket.create_server(("0.0.0.0", int(sys.argv[1])), backlog=64) as server:  # noqa: S104  (hosts of our own)
        while True:
            client, _ = server.accept()
            try:
                target = socket.create_connection(next(targets), timeout=30)
            except OSError:
                client.close()
                continue
            target.settimeout(None)
            for one, other in ((client, target), (target, client)):
                threading.Thread(target=_pump, args=(one, other), daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    for one in (source, sink):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


if __name__ == "__main__":
    main()
