# SPDX-License-Identifier: Apache-2.0
"""Provisioning from the file to the wiped file, so that a power cut at any step leaves it undone or done.

The one step that decides is writing the pending record: before it nothing has happened, after it every later step is
repeated at the next start until that record is gone. It holds everything that the later steps need, so that they work
when the file is already half wiped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import msgspec

from . import plan
from .disk import Disk
from .judge import Admin, Facts, Judgement, Refusal, Values, judge
from .preseed import PreseedError, parse

FILE = "rpi-preseed.toml"
RESULT = "rpi-preseed-result.txt"
RECORD = "system/provision.json"
PENDING = "system/provision-pending.json"


class Record(msgspec.Struct, frozen=True):
    """What is kept about the last file. ``values`` is empty when all is done: they hold secrets."""

    digest: str
    report: str
    values: Values = Values()


class Provisioning:
    """One run. ``boot`` is the boot configuration partition, ``data`` the data partition, ``hash_password`` turns a
    password into what the web daemon keeps."""

    def __init__(
        self, boot: Path, data: Path, facts: Facts, hash_password: Callable[[str], str], disk: Disk | None = None
    ) -> None:
        self._file, self._result = boot / FILE, boot / RESULT
        self._record, self._pending = data / RECORD, data / PENDING
        self._data = data
        self._facts = facts
        self._hash = hash_password
        self._disk = disk or Disk()

    def run(self, when: str) -> Record | None:
        """Do what there is to do; the record of it, or None when there was nothing. ``when`` is for the report.

        A file that is no TOML is left as it is for its writer to mend, and the report says where. Raises OSError.
        """
        pending = self._kept(self._pending)
        text = self._disk.read(self._file)
        if pending is not None:
            if text is None or self._same(pending, text):
                return self._finish(pending)
            self._spread(pending)
        if text is None:
            return None
        digest = hashlib.sha256(text).hexdigest()
        try:
            judgement = judge(parse(text), self._facts)
        except PreseedError as error:
            judgement = Judgement(refused=[Refusal(error.line, FILE, str(error))])
            return self._unreadable(Record(digest, plan.report(FILE, when, judgement)))
        values = self._hashed(judgement.values)
        record = Record(digest, plan.report(FILE, when, judgement), values=values)
        self._keep(self._pending, record)
        return self._finish(record)

    def _kept(self, path: Path) -> Record | None:
        data = self._disk.read(path)
        try:
            return msgspec.json.decode(data, type=Record) if data else None
        except msgspec.MsgspecError:
            return None  # written whole or not at all: only another program's file gets here

    def _keep(self, path: Path, record: Record) -> None:
        self._disk.write(path, msgspec.json.encode(record), 0o600, "root")

    @staticmethod
    def _same(record: Record, text: bytes) -> bool:
        """Whether this is the record's own file, be it whole or half wiped: TOML has no zero bytes."""
        return b"\0" in text or not text or hashlib.sha256(text).hexdigest() == record.digest

    def _hashed(self, values: Values) -> Values:
        admin = values.admin
        if admin is None or admin.hashed:
            return values
        return msgspec.structs.replace(values, admin=Admin(admin.name, self._hash(admin.password), hashed=True))

    def _unreadable(self, record: Record) -> Record:
        known = self._kept(self._record)
        if known is None or known.digest != record.digest:
            self._disk.write(self._result, record.report.encode(), 0o644, "root")
            self._keep(self._record, record)
        return record

    def _finish(self, record: Record) -> Record:
        self._spread(record)
        self._disk.write(self._result, record.report.encode(), 0o644, "root")
        self._disk.overwrite(self._file)
        self._disk.remove(self._file)
        done = Record(record.digest, record.report)
        self._keep(self._record, done)
        self._disk.remove(self._pending)
        return done

    def _spread(self, record: Record) -> None:
        for write in plan.writes(record.values):
            path = self._data / write.path
            if write.content is None:
                self._disk.remove(path)
            elif write.link:
                self._disk.link(path, write.content)
            else:
                self._disk.write(path, write.content.encode(), write.mode, write.owner)
