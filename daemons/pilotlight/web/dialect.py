# SPDX-License-Identifier: Apache-2.0
"""The words and shapes that OpenPLC Editors expect, as plain functions."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pilotlight.web.settings import Compat

NO_RESPONSE = "No response from runtime"
BUSY_COMPILING = "Runtime is compiling another program, please wait"
MIN_EDITOR_VERSION = "4.1.0"
_STATES = ("EMPTY", "INIT", "RUNNING", "STOPPED", "ERROR")
_FIGURES = ("min", "max", "avg")
_MORE_FIGURES = ("p50", "p99", "p999")
_TIMES = ("scan_time", "cycle_time", "cycle_latency")


def header_version(compat: Compat) -> str:
    """`X-OpenPLC-Runtime-Version`: Editors before 4.2 insist on `v4`, later ones look at the major number
    only."""
    return "v4.2.0" if compat == "4.2" else "v4"


def api_version(compat: Compat) -> str:
    """What /api/version says: Editors from 4.2 on refuse to upload below 4.1.0, earlier ones do not ask."""
    return "v4.0.0" if compat == "4.0" else "v4.2.0"


def status_word(state: str) -> str:
    """`STATUS:RUNNING` and so on; UNKNOWN for a state the Editor has no word for."""
    return f"STATUS:{state if state in _STATES else 'UNKNOWN'}"


def start_verdict(error: str | None) -> str:
    """The Editor's word for the outcome of Start; `error` is the name of the D-Bus error, None for
    success."""
    return _verdict("START", error, {"AlreadyRunning": "START:ERROR_ALREADY_RUNNING"})


def stop_verdict(error: str | None) -> str:
    """The Editor's word for the outcome of Stop; stopping a device without a program is fine."""
    return _verdict("STOP", error, {"NoProgram": "STOP:OK"})


def _verdict(command: str, error: str | None, words: Mapping[str, str]) -> str:
    if error is None:
        return f"{command}:OK"
    name = error.rpartition(".")[2]
    return "COMMAND:BUSY" if name == "Busy" else words.get(name, f"{command}:ERROR")


def timing_stats(statistics: Mapping[str, Any], task: str) -> dict[str, Any]:
    """Statistics in both forms: flat for Editors before 4.2, `tasks` for later ones. Times are whole µs,
    None before the first scan."""
    figures: dict[str, Any] = {"scan_count": _whole(statistics.get("scan_count")) or 0}
    for time in _TIMES:
        for figure in _FIGURES:
            figures[f"{time}_{figure}"] = _whole(statistics.get(f"{time}_{figure}"))
    figures["overruns"] = _whole(statistics.get("overruns")) or 0
    more = {
        f"{time}_{figure}": _whole(statistics.get(f"{time}_{figure}")) for time in _TIMES for figure in _MORE_FIGURES
    }
    return {**figures, "tasks": [{"name": task or "main", **figures, **more}]}


def _whole(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return round(value)


def log_records(records: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    """The runtime's log records (id, level, message, timestamp) as the Editor reads them."""
    return [
        {
            "id": int(record[0]),
            "level": str(record[1]),
            "message": str(record[2]),
            "timestamp": str(record[3]),
        }
        for record in records
    ]


def compilation_status(status: Mapping[str, Any]) -> dict[str, Any]:
    """Build status as the Editor polls it; every log line ends with a line feed."""
    code = status.get("ExitCode")
    return {
        "status": str(status.get("Status", "IDLE")),
        "exit_code": int(code) if isinstance(code, int) else None,
        "logs": [line if line.endswith("\n") else f"{line}\n" for line in map(str, status.get("Log", ()))],
    }


def refused_compilation(reason: str) -> dict[str, Any]:
    """The build status after an upload that never reached the runtime: the Editor shows only this, not the
    reply."""
    return {"status": "FAILED", "exit_code": 1, "logs": [f"[ERROR] {reason}\n"]}


def upload_reply(status: str, failure: str = "") -> dict[str, str]:
    """The reply to upload-file, always with HTTP 200."""
    return {"CompilationStatus": status, "UploadFileFail": failure}


def parse_frame(command: object) -> bytes | None:
    """The bytes of a debugger command written as hex with blanks; None when it is not hex."""
    if not isinstance(command, str):
        return None
    try:
        return bytes.fromhex(command)
    except ValueError:
        return None


def format_frame(frame: bytes) -> str:
    """Bytes as the debugger reads them: lower-case hex, a blank between bytes."""
    return frame.hex(" ")
