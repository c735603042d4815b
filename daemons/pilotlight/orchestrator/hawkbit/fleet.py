# SPDX-License-Identifier: Apache-2.0
"""One device of a fleet: polls, downloads, has it installed, tells how it went, and cancels."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import msgspec

from pilotlight.daemon import Busy, DaemonError, StateFile, Unavailable, WrongState, logger

from .device import Device
from .fetching import FetchFailed, Stopped, fetch
from .job import Job, Kept, Stage, after_update, closing
from .messages import Artifact, BadAnswer, Execution, Finished, action_of, cancel, deployment, feedback
from .server import Server, ServerError
from .settings import HawkbitSettings

LOOK_S = 5.0
"""How often to look how an installation goes."""
CLOSE_TRIES = 10
NO_SPACE = "io.pilotlight.Error.NoSpace"

log = logger("hawkbit")


class Fleet:
    """``round`` is called again and again; what is under way is kept on disk before it is begun."""

    def __init__(
        self,
        settings: HawkbitSettings,
        server: Server,
        device: Device,
        file: StateFile[Kept],
        pause: Callable[[float], None],
        chance: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._server, self._device, self._file = settings, server, device, file
        self._pause, self._chance, self._clock = pause, chance, clock
        self._kept = file.load(Kept())
        self._interval = float(settings.poll_s)
        self._poll_at = clock()

    @property
    def job(self) -> Job | None:
        """The action under way."""
        return self._kept.job

    def round(self) -> float:
        """Do what is due; seconds until the next round. Raises ServerError, BadAnswer, DaemonError, OSError."""
        if self.job is not None and self.job.stage is Stage.INSTALLING:
            self._look_after(self.job)
        if self.job is not None and self.job.stage is Stage.CLOSING:
            self._close(self.job)
        if self._clock() >= self._poll_at:
            self._poll()
        wait = max(0.0, self._poll_at - self._clock())
        return min(wait, LOOK_S) if self.job is not None and self.job.stage is Stage.INSTALLING else wait

    def _poll(self) -> None:
        found = self._server.base()
        self._interval = found.sleep_s or self._interval
        self._poll_at = self._clock() + self._interval
        if found.config:
            attributes = {**self._device.describe(), **self._settings.attributes}
            self._server.send("PUT", found.config, {"mode": "merge", "data": attributes})
        if found.cancel:
            self._cancel(found.cancel)
        elif found.deployment:
            self._deploy(found.deployment)

    def _deploy(self, url: str) -> None:
        data = self._server.get(url)
        action = action_of(data)
        job = self.job
        if job is not None and job.stage in (Stage.INSTALLING, Stage.CLOSING):
            return  # its own end comes first
        if not action or action == self._kept.last:
            return
        if job is None or job.action != action:
            job = self._keep(Job(action=action))
        try:
            wanted = deployment(data, url)
        except BadAnswer as error:
            self._close(self._keep(closing(job, Finished.FAILURE, str(error))))
            return
        try:
            if self._settings.stream:
                if wanted.fetch and wanted.install:
                    self._stream(job, wanted.artifact)
            elif wanted.fetch and (wanted.install or job.stage is Stage.FETCHING):
                self._fetch(job, wanted.artifact, install=wanted.install)
        except (FetchFailed, BadAnswer) as error:
            self._close(self._keep(closing(job, Finished.FAILURE, str(error))))
        except (Busy, WrongState) as error:
            log.info(f"action {action} waits: {error}", event="hawkbit-waits", action=action)
        except Unavailable:
            raise
        except DaemonError as error:
            self._close(self._keep(closing(job, Finished.FAILURE, str(error))))

    def _stream(self, job: Job, artifact: Artifact) -> None:
        number = self._device.install_url(artifact.url, self._server.headers_for(artifact.url))
        self._begun(job, number)

    def _fetch(self, job: Job, artifact: Artifact, *, install: bool) -> None:
        name = f"{artifact.name} (action {job.action})"
        file = self._device.upload(artifact.size, artifact.sha256, name)
        try:
            if job.stage is Stage.FETCHING:
                job = self._tell(job, Execution.DOWNLOAD, f"downloading {artifact.name}")
            try:
                fetch(self._server, artifact, file, self._between_pieces, self._chance)
            except _Cancelled:
                return
            if job.stage is Stage.FETCHING:
                job = self._keep(msgspec.structs.replace(job, stage=Stage.FETCHED))
                job = self._tell(job, Execution.DOWNLOADED, f"{artifact.name} is downloaded, size and sum are right")
            if install:
                known = self._device.named(name)
                self._begun(job, known if known is not None else self._device.install(file, name))
        finally:
            os.close(file)

    def _begun(self, job: Job, number: int) -> None:
        job = self._keep(msgspec.structs.replace(job, stage=Stage.INSTALLING, update=number))
        log.info(f"action {job.action} is update {number}", event="hawkbit-installing", action=job.action)
        self._tell(job, Execution.PROCEEDING, "the bundle is being installed")

    def _between_pieces(self, seconds: float) -> None:
        """Wait, and look now and then whether the server wants the download ended. Raises Stopped."""
        self._pause(seconds)
        if self._clock() < self._poll_at:
            return
        self._poll_at = self._clock() + self._interval
        try:
            found = self._server.base()
        except (ServerError, BadAnswer):
            return
        if found.cancel:
            self._cancel(found.cancel)
            if self.job is None:
                raise _Cancelled("cancelled by the server")

    def _look_after(self, job: Job) -> None:
        after, news = after_update(job, self._device.update(job.update))
        if after is not job:
            self._close(self._keep(after))
        elif news is not None and news[1] != job.told:
            self._tell(job, *news)

    def _cancel(self, url: str) -> None:
        number, stop = cancel(self._server.get(url))
        job = self.job
        execution, finished, words = Execution.CLOSED, Finished.SUCCESS, "stopped; nothing was installed"
        if job is None or job.action != stop:
            words = "this action is not under way here"
        elif job.stage is Stage.INSTALLING:
            update = self._device.update(job.update)
            if update is not None and update["Outcome"] == "pending":
                words = self._device.rollback()
            else:
                execution, finished = Execution.REJECTED, Finished.NONE
                words = "it is being written or runs already; go back with another deployment"
        elif job.stage is Stage.CLOSING:
            execution, finished, words = Execution.REJECTED, Finished.NONE, "it has ended already"
        body = feedback(number, execution, finished, [words], time.time_ns() // 1_000_000)
        self._server.send("POST", f"{self._server.root}/cancelAction/{number}/feedback", body)
        log.info(f"action {stop}: the server cancels: {words}", event="hawkbit-cancel", action=stop)
        if execution is Execution.CLOSED and job is not None and job.action == stop:
            self._forget(job)

    def _tell(self, job: Job, execution: Execution, words: str) -> Job:
        """Tell the server how far it is; that it does not listen stops nothing."""
        try:
            self._feedback(job.action, execution, Finished.NONE, [words])
        except (ServerError, BadAnswer) as error:
            log.info(f"action {job.action}: “{words}” could not be told: {error}", event="hawkbit-untold")
            return job
        return self._keep(msgspec.structs.replace(job, told=words))

    def _close(self, job: Job) -> None:
        """Tell the end; kept until the server has taken it, or knows the action no more."""
        try:
            self._feedback(job.action, Execution.CLOSED, job.finished, list(job.details))
        except ServerError as error:
            if error.status not in (404, 410) and job.tries < CLOSE_TRIES:
                if error.permanent:
                    self._keep(msgspec.structs.replace(job, tries=job.tries + 1))
                raise
            log.warning(f"action {job.action}: its end is not wanted: {error}", event="hawkbit-untold")
        log.info(
            f"action {job.action} ended: {job.finished}: {'; '.join(job.details)}",
            event="hawkbit-closed", action=job.action, finished=job.finished,
        )  # fmt: skip
        self._forget(job)

    def _feedback(self, action: str, execution: Execution, finished: Finished, details: list[str]) -> None:
        body = feedback(action, execution, finished, details, time.time_ns() // 1_000_000)
        self._server.send("POST", f"{self._server.root}/deploymentBase/{action}/feedback", body)

    def _forget(self, job: Job) -> None:
        self._save(Kept(None, job.action))

    def _keep(self, job: Job) -> Job:
        self._save(Kept(job, self._kept.last))
        return job

    def _save(self, kept: Kept) -> None:
        self._kept = kept
        self._file.save(kept)


class _Cancelled(Stopped):
    """The server cancelled what was being downloaded."""
