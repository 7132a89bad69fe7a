"""A hub of Hugging Face on loopback: the parts of its HTTP API that publishing and reading a dataset or a model ask for.

It keeps what a real one keeps: branches as lists of commits, large files by their SHA-256, which it checks on arrival. Xet, which
the real hub prefers, is not spoken; clients are told so by HF_HUB_DISABLE_XET.
"""

import base64
import hashlib
import json
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_test"  # noqa: S105  (of this server alone)
_LARGE = (".parquet", ".safetensors", ".tar")


@dataclass(frozen=True)
class File:
    """A file of a commit: its bytes, or the SHA-256 of a large one."""

    data: bytes = b""
    large: str = ""


Tree = dict[str, File]


def _attributes() -> Tree:
    return {".gitattributes": File(b"*.tar filter=lfs\n*.parquet filter=lfs\n")}


@dataclass
class Repository:
    """A dataset or model: the trees of its commits, oldest first, and its large files."""

    private: bool
    commits: list[tuple[str, Tree]] = field(default_factory=lambda: [("initial commit", _attributes())])
    large: dict[str, bytes] = field(default_factory=dict)

    @property
    def tree(self) -> Tree:
        return self.commits[-1][1]

    def read(self, path: str) -> bytes:
        file = self.tree[path]
        return self.large[file.large] if file.large else file.data

    def oid(self) -> str:
        return hashlib.sha1(repr([(told, sorted(tree)) for told, tree in self.commits]).encode()).hexdigest()  # noqa: S324


class Hub(ThreadingHTTPServer):
    """The server. `asked` has each request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, Repository] = {}
        self.asked: list[str] = []
        self.uploads_left: int | None = None  # then uploads are refused, as with a lost connection
        self.forget_uploads = False  # a hub that loses what it was sent
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def hub() -> Iterator[Hub]:
    """A running hub."""
    server = Hub()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class _Refused(Exception):
    def __init__(self, status: int, message: str, code: str = "", **more: str) -> None:
        super().__init__(message)
        self.status, self.code, self.more = status, code, more


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *_: Any) -> None:
        pass

    def _serve(self) -> None:
        body = self._body()
        path = unquote(urlsplit(self.path).path)
        self.server.asked.append(f"{self.command} {path}")
        try:
            with self.server.lock:
                self._route(path, body)
        except _Refused as error:
            headers = {"X-Error-Message": str(error), "X-Error-Code": error.code}
            self._answer(error.status, json.dumps({"error": str(error), **error.more}).encode(), headers)
        except Exception:  # an answer that clients do not try again after
            self._answer(400, b"", {"X-Error-Message": " ".join(traceback.format_exc().split())[-250:]})

    do_GET = do_HEAD = do_POST = do_PUT = _serve

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = b""
        while size := int(self.rfile.readline(), 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def _answer(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _json(self, value: Any) -> None:
        self._answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    # -- routes ----------------------------------------------------------------------------------------------------

    def _route(self, path: str, body: bytes) -> None:
        if path == "/api/repos/create":
            self._create(json.loads(body))
        elif path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        elif path.startswith("/large/"):
            self._upload(path.removeprefix("/large/"), body)
        elif path.startswith(("/api/datasets/", "/api/models/")):
            owner, name, *rest = path.split("/")[3:]
            self._of_repository(f"{owner}/{name}", rest, body)
        elif path.endswith(".git/info/lfs/objects/batch"):
            name = path.removeprefix("/datasets").removeprefix("/").removesuffix(".git/info/lfs/objects/batch")
            self._batch(name, json.loads(body))
        elif "/resolve/" in path:
            owner, name, resolve, _, *rest = path.removeprefix("/datasets").removeprefix("/").split("/")
            assert resolve == "resolve", path
            self._file(self._repository(f"{owner}/{name}"), "/".join(rest))
        else:
            raise _Refused(404, f"no such address: {path}")

    def _writes(self) -> None:
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            raise _Refused(401, "Invalid username or password.")

    def _repository(self, name: str) -> Repository:
        found = self.server.repositories.get(name)
        if found is None:
            raise _Refused(404, "Repository not found", "RepoNotFound")
        return found

    def _create(self, asked: dict[str, Any]) -> None:
        self._writes()
        name = f"{asked['organization']}/{asked['name']}"
        assert asked.get("type", "model") in ("dataset", "model")
        if name in self.server.repositories:
            raise _Refused(409, "You already created this dataset repo", url=f"{self.server.url}/datasets/{name}")
        private = asked.get("private") or asked.get("visibility") == "private"
        self.server.repositories[name] = Repository(bool(private))
        self._json({"url": f"{self.server.url}/datasets/{name}", "name": name, "id": name})

    def _of_repository(self, name: str, rest: list[str], body: bytes) -> None:
        repository = self._repository(name)
        what = rest[0] if rest else "revision"
        if self.command == "POST" and what not in ("paths-info",):
            self._writes()
        match what:
            case "revision":
                self._json(
                    {"id": name, "sha": repository.oid(), "private": repository.private, "tags": [], "siblings": []}
                )
            case "tree":
                self._json(self._tree(repository, "/".join(rest[2:]), "recursive=true" in self.path.lower()))
            case "paths-info":
                asked = json.loads(body)["paths"] if body.startswith(b"{") else []
                self._json([self._entry(path, repository) for path in asked if path in repository.tree])
            case "preupload":
                files = json.loads(body)["files"]
                modes = [
                    {
                        "path": file["path"],
                        "uploadMode": "lfs" if file["path"].endswith(_LARGE) or file["size"] > 10 << 20 else "regular",
                        "shouldIgnore": False,
                        "oid": None,
                    }
                    for file in files
                ]
                self._json({"files": modes})
            case "commit":
                self._commit(repository, [json.loads(line) for line in body.splitlines() if line.strip()], name)
            case "commits":
                told = [
                    {
                        "id": f"{n:040x}",
                        "title": title,
                        "message": "",
                        "date": "2026-01-01T00:00:00.000Z",
                        "authors": [],
                    }
                    for n, (title, _) in enumerate(repository.commits)
                ]
                self._json(told[::-1])
            case "super-squash":
                repository.commits = [("squashed", repository.tree)]
                self._json({})
            case "lfs-files" if self.command == "GET":
                told_of = {"pushedAt": "2026-01-01T00:00:00.000Z", "ref": None}
                large = repository.large.items()
                self._json([{"fileOid": o, "filename": o, "oid": o, "size": len(data)} | told_of for o, data in large])
            case "lfs-files":
                for oid in json.loads(body)["deletions"]["sha"]:
                    del repository.large[oid]
                self._json({})
            case _:
                raise _Refused(404, f"no such address: {self.path}")

    def _entry(self, path: str, repository: Repository) -> dict[str, Any]:
        file = repository.tree[path]
        if file.large:
            size = len(repository.large[file.large])
            lfs = {"oid": file.large, "size": size, "pointerSize": 134}
            return {"type": "file", "path": path, "oid": file.large[:40], "size": size, "lfs": lfs}
        blob = hashlib.sha1(b"blob %d\0" % len(file.data) + file.data).hexdigest()  # noqa: S324
        return {"type": "file", "path": path, "oid": blob, "size": len(file.data)}

    def _tree(self, repository: Repository, folder: str, recursive: bool) -> list[dict[str, Any]]:
        prefix = f"{folder}/" if folder else ""
        below = [path for path in sorted(repository.tree) if path.startswith(prefix)]
        if folder and not below:
            raise _Refused(404, f"{folder} does not exist", "EntryNotFound")
        folders = sorted({prefix + path[len(prefix) :].split("/")[0] for path in below if "/" in path[len(prefix) :]})
        files = [path for path in below if recursive or "/" not in path[len(prefix) :]]
        return [
            *({"type": "directory", "path": path, "oid": "0" * 40, "size": 0} for path in folders),
            *(self._entry(path, repository) for path in files),
        ]

    def _batch(self, name: str, asked: dict[str, Any]) -> None:
        self._writes()
        large = self._repository(name).large
        objects = []
        for one in asked["objects"]:
            upload = {"href": f"{self.server.url}/large/{name}/{one['oid']}", "header": {}}
            objects.append(one | ({} if one["oid"] in large else {"actions": {"upload": upload}}))
        self._json({"transfer": "basic", "objects": objects})

    def _upload(self, path: str, data: bytes) -> None:
        name, _, oid = path.rpartition("/")
        if self.server.uploads_left is not None:
            if self.server.uploads_left <= 0:
                raise _Refused(403, "the connection is gone")
            self.server.uploads_left -= 1
        if hashlib.sha256(data).hexdigest() != oid:
            raise _Refused(400, "these bytes have another SHA-256")
        self._repository(name).large[oid] = data
        self._json({})

    def _commit(self, repository: Repository, lines: list[dict[str, Any]], name: str) -> None:
        tree, told = dict(repository.tree), ""
        for line in lines:
            value = line["value"]
            match line["key"]:
                case "header":
                    told = value["summary"]
                case "file":
                    tree[value["path"]] = File(base64.b64decode(value["content"]))
                case "lfsFile":
                    if value["oid"] not in repository.large:
                        raise _Refused(400, f"LFS pointer of {value['path']} points to a file that was not uploaded")
                    tree[value["path"]] = File(large=value["oid"])
                case "deletedFile":
                    if value["path"] not in tree:
                        raise _Refused(404, "A file with this name doesn't exist", "EntryNotFound")
                    del tree[value["path"]]
        if self.server.forget_uploads:
            lost = next(path for path in sorted(tree) if path.endswith(".tar"))
            tree[lost] = File(b"something else")
        repository.commits.append((told, tree))
        self._json(
            {"commitUrl": f"{self.server.url}/datasets/{name}/commit/{repository.oid()}", "commitOid": repository.oid()}
        )

    def _file(self, repository: Repository, path: str) -> None:
        if path not in repository.tree:
            raise _Refused(404, "Entry not found", "EntryNotFound")
        data = repository.read(path)
        etag = hashlib.sha256(data).hexdigest()
        headers = {"ETag": f'"{etag}"', "X-Repo-Commit": repository.oid(), "Accept-Ranges": "bytes"}
        wanted = self.headers.get("Range")
        if not wanted:
            self._answer(200, data, headers)
            return
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        if int(first) >= len(data):
            raise _Refused(416, "range not satisfiable")
        part = data[int(first) : int(last) + 1 if last else None]
        self._answer(206, part, headers | {"Content-Range": f"bytes {first}-{int(first) + len(part) - 1}/{len(data)}"})
