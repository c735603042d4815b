# SPDX-License-Identifier: Apache-2.0
"""A client that talks to the appliance as the OpenPLC Editor does: its calls, in its order, with its checks."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx

STATES = {"INIT", "RUNNING", "STOPPED", "ERROR", "EMPTY", "UNKNOWN"}


class EditorError(Exception):
    """The appliance answered what the Editor would not accept."""


@dataclass
class Editor:
    """One editor window: the address, the user, and the token after `login`."""

    url: str
    username: str = "engineer"
    password: str = "a long pass phrase"
    token: str = ""
    seen_log: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        # The Editor does not verify the certificate of a device.
        self.http = httpx.Client(base_url=self.url, verify=False, timeout=30.0)

    def __enter__(self) -> "Editor":
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def get(self, path: str, **parameters: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return self.http.get(f"/api/{path}", params=parameters, headers=headers)

    def claimed(self) -> bool:
        """What the connect dialogue asks first: are there users, and is this a runtime we speak to?"""
        response = self.get("get-users-info")
        if response.headers.get("X-OpenPLC-Runtime-Version", "").lower() != "v4":
            raise EditorError(f"Runtime Version Mismatch: {response.headers}")
        if response.status_code not in (200, 404):
            raise EditorError(f"get-users-info answered {response.status_code}")
        return response.status_code == 200

    def create_user(self) -> None:
        body = {"username": self.username, "password": self.password, "role": "user"}
        response = self.http.post("/api/create-user", json=body)
        if response.status_code != 201:
            raise EditorError(f"create-user answered {response.status_code}: {response.text}")

    def login(self) -> None:
        body = {"username": self.username, "password": self.password}
        response = self.http.post("/api/login", json=body)
        if response.status_code != 200:
            raise EditorError(f"login answered {response.status_code}: {response.text}")
        self.token = response.json()["access_token"]

    def connect(self) -> None:
        """Connect as a person does: claim a new device or log in to a claimed one."""
        if not self.claimed():
            self.create_user()
        self.login()

    def upload(self, archive: bytes, online: bool = False) -> None:
        """Send the program; like the Editor, look only at the HTTP status. `online` is not of the Editor."""
        files = {"file": ("program.zip", archive, "application/zip")}
        headers = {"Authorization": f"Bearer {self.token}"}
        options = {"online": "true"} if online else {}
        response = self.http.post("/api/upload-file", files=files, headers=headers, params=options, timeout=300.0)
        if response.status_code != 200:
            raise EditorError(f"upload-file answered {response.status_code}: {response.text}")

    def compilation(self) -> dict[str, object]:
        """One poll of the compilation; the log may only grow."""
        status: dict[str, object] = self.get("compilation-status").json()
        logs = status["logs"]
        assert isinstance(logs, list)
        if logs[: len(self.seen_log)] != self.seen_log:
            raise EditorError(f"the compilation log shrank: {self.seen_log} became {logs}")
        self.seen_log = logs
        return status

    def build(self, archive: bytes, patience_s: float = 300.0, online: bool = False) -> dict[str, object]:
        """Upload and poll each second until the build ended; returns the last status."""
        self.seen_log = []
        self.upload(archive, online)
        for _ in deadline(patience_s, every_s=1.0):
            status = self.compilation()
            if status["status"] in ("SUCCESS", "FAILED"):
                return status
        raise EditorError(f"the build did not end within {patience_s} s: {self.seen_log}")

    def state(self) -> str:
        """The word the Editor shows."""
        word = str(self.get("status", include_stats="true").json()["status"]).removeprefix("STATUS:").strip()
        if word not in STATES:
            raise EditorError(f"the Editor does not know the state {word!r}")
        return word

    def wait_for_state(self, wanted: str, patience_s: float = 30.0) -> None:
        state = ""
        for _ in deadline(patience_s, every_s=0.2):
            state = self.state()
            if state == wanted:
                return
        raise EditorError(f"the state is {state}, not {wanted}, after {patience_s} s")

    def start(self) -> str:
        return str(self.get("start-plc").json()["status"])

    def stop(self) -> str:
        return str(self.get("stop-plc").json()["status"])

    def statistics(self) -> dict[str, int | None]:
        stats: dict[str, int | None] = self.get("status", include_stats="true").json()["timing_stats"]
        return stats


def deadline(patience_s: float, every_s: float) -> Iterator[float]:
    """Yield at once and then each `every_s` seconds until `patience_s` have passed."""
    end = time.monotonic() + patience_s
    while (left := end - time.monotonic()) > 0:
        yield left
        time.sleep(min(every_s, max(0.0, end - time.monotonic())))
