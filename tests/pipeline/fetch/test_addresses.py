"""The guard of the processes that fetch: what it lets through is decided by the address of the connection, not by a name."""

import ipaddress
import subprocess
import sys
import textwrap

import pytest
from web import serving

from longtake.pipeline.fetch.addresses import is_public


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.1"),
        *("224.0.0.1", "255.255.255.255", "240.0.0.1", "198.18.0.1", "::1", "::", "fe80::1", "fc00::1", "ff02::1"),
        *("::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2002:a00:1::"),
        *("2001:db8::1", "2001:0:7f00:1::"),
    ],
)  # fmt: skip
def test_an_address_that_is_not_on_the_internet(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_an_address_on_the_internet(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


def guarded(code: str, allow: str = "False", proxy: str = "None") -> str:
    """What a process of its own prints: a guard cannot be taken away again."""
    program = f"""
        import socket, subprocess, sys, urllib.request
        from longtake.pipeline.fetch import addresses
        from longtake.pipeline.fetch.failure import FetchError
        addresses.guard({allow}, {proxy})
        def tried(work):
            try:
                print("done", work())
            except FetchError as error:
                print(error.reason, error)
            except OSError as error:
                print(type(error).__name__, error)
            except Exception as error:  # yt-dlp wraps what it does not know
                print(getattr(addresses.refused(), "reason", None), type(error).__name__)
    """
    whole = textwrap.dedent(program) + textwrap.dedent(code)
    return subprocess.run([sys.executable, "-c", whole], capture_output=True, text=True, timeout=60, check=True).stdout


def test_every_library_is_refused_at_the_connection_and_nothing_is_sent() -> None:
    with serving() as web:
        web.files["/x.txt"] = b"secret"
        urls = [web.url("/x.txt", host) for host in ("127.0.0.1", "localhost", "2130706433", "0x7f.1", "0")]
        said = guarded(f"""
            import http.client, httpx, requests, yt_dlp
            for url in {urls}:
                tried(lambda: urllib.request.urlopen(url).read())
                tried(lambda: requests.get(url).text)
                tried(lambda: httpx.get(url, trust_env=False).text)
                tried(lambda: yt_dlp.YoutubeDL({{"quiet": True}}).urlopen(url).read())
            tried(lambda: socket.create_connection(("::ffff:127.0.0.1", {web.port})))
            tried(lambda: socket.socket().connect(("localhost", {web.port})))
            tried(lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 53)))
        """)
        lines = said.splitlines()
        assert len(lines) == 23 and not any("secret" in line or line.startswith("done") for line in lines), said
        assert sum("unsafe_url" in line for line in lines) >= 19, said
        assert not web.asked


def test_a_name_that_changes_its_address_gains_nothing() -> None:
    """The first look-up says 8.8.8.8, as a check before the request would see it; the connection's own look-up 127.0.0.1."""
    with serving() as web:
        said = guarded(f"""
            answers = iter(["8.8.8.8", "127.0.0.1"])
            def look_up(host, port, *rest, **more):
                return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]
            socket.getaddrinfo = look_up
            print(socket.getaddrinfo("rebind.test", 80)[0][4])
            tried(lambda: urllib.request.urlopen("http://rebind.test:{web.port}/").read())
        """)
        assert "8.8.8.8" in said and "unsafe_url 127.0.0.1 is a private address" in said
        assert not web.asked


def test_networks_and_the_proxy_are_allowed_and_nothing_beside_them() -> None:
    with serving() as web, serving("127.0.0.2") as other:
        web.files["/x"] = other.files["/x"] = b"open"
        code = f"""
            tried(lambda: urllib.request.urlopen({web.url("/x")!r}).read())
            tried(lambda: urllib.request.urlopen({other.url("/x", "127.0.0.2")!r}).read())
        """
        first, second = guarded(code, '["127.0.0.1/32"]').splitlines()
        assert first == "done b'open'" and "unsafe_url" in second
        first, second = guarded(code, proxy=f"('127.0.0.1', {web.port})").splitlines()
        assert first == "done b'open'" and "unsafe_url" in second
        first, second = guarded(code, "True").splitlines()
        assert (first, second) == ("done b'open'", "done b'open'")


def test_behind_a_proxy_written_addresses_are_still_checked() -> None:
    said = guarded(
        """
        for host in ("10.0.0.1", "localhost", "[::1]", "8.8.8.8", "example.com"):
            tried(lambda: addresses.check_host(host))
        """,
        proxy="('127.0.0.1', 1)",
    )
    assert [line.split()[0] for line in said.splitlines()] == ["unsafe_url"] * 3 + ["done"] * 2


def test_no_program_is_started() -> None:
    said = guarded("""
        import os
        tried(lambda: subprocess.run(["ffmpeg", "-version"]))
        tried(lambda: subprocess.run("echo x", shell=True))
        tried(lambda: os.system("echo x"))
        tried(lambda: os.posix_spawn("/bin/echo", ["echo"], {}))
        tried(lambda: subprocess.run(["deno", "--version"]))
    """)
    lines = said.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["PermissionError"] * 4
    assert lines[4].startswith(("FileNotFoundError", "done"))  # allowed, and perhaps not here
