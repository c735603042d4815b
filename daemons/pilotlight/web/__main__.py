# SPDX-License-Identifier: Apache-2.0
"""Starts the web daemon."""

import asyncio
import datetime
import sys

import uvloop

from pilotlight.daemon import Context, load_settings, logger, run, state_directory
from pilotlight.web import first_admin
from pilotlight.web.app import Front
from pilotlight.web.backend import Backend
from pilotlight.web.certificate import CertificateStore
from pilotlight.web.hostnames import device_names
from pilotlight.web.live import LiveTags
from pilotlight.web.runtime_link import RuntimeLink
from pilotlight.web.server import WebServer
from pilotlight.web.service import WebService
from pilotlight.web.settings import WebSettings
from pilotlight.web.tokens import Tokens, load_key
from pilotlight.web.users import UserStore

log = logger("web")
CERTIFICATE_CHECK_S = 60.0


async def main(context: Context) -> None:
    """Serves until the daemon is told to stop."""
    settings = load_settings(WebSettings, "web")
    folder = state_directory("web")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    users = UserStore(folder / "users.db")
    if users.problem:
        log.error(users.problem, event="web-users-unreadable")
    first_admin.take(folder, users)
    tokens = Tokens(load_key(folder / "token.key"), settings.token_minutes * 60)
    backend = Backend(settings, users, tokens, RuntimeLink(), LiveTags())

    certificates = CertificateStore(folder)
    certificate, reason = certificates.ensure(device_names(settings.names), _now(), follow_names=True)
    if reason:
        log.info(f"Made a certificate: {reason}. SHA-256 {certificate.fingerprint}", event="web-certificate")
    tls = certificates.context()
    server = WebServer(Front(backend), settings, tls)
    service = WebService(backend, certificate, server.port)
    context.bus.export(service)

    async def follow_certificate() -> None:
        # Until the device is claimed it learns its addresses; later a changed address is no reason to make
        # every browser ask again.
        while True:
            await asyncio.sleep(CERTIFICATE_CHECK_S)
            names = device_names(settings.names)
            renewed, why = certificates.ensure(names, _now(), follow_names=not users.claimed)
            if why:
                certificates.load(tls)
                service.renewed(renewed)
                log.info(f"Made a certificate: {why}. SHA-256 {renewed.fingerprint}", event="web-certificate")

    serving = asyncio.create_task(server.serve())
    renewing = asyncio.create_task(follow_certificate())
    stopping = asyncio.create_task(context.stop.wait())
    listening = asyncio.create_task(server.listening.wait())
    try:
        await asyncio.wait((serving, stopping, listening), return_when=asyncio.FIRST_COMPLETED)
        if listening.done():
            context.ready(f"https on port {server.port}")
        await asyncio.wait((serving, renewing, stopping), return_when=asyncio.FIRST_COMPLETED)
    finally:
        backend.closing.set()
        server.should_exit = True
        for task in (renewing, stopping, listening):
            task.cancel()
        outcome = await asyncio.gather(serving, renewing, return_exceptions=True)
        backend.live.close()
        backend.hasher.close()
        users.close()
    for error in outcome:
        if isinstance(error, Exception):
            raise error


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


if __name__ == "__main__":
    sys.exit(run("web", main, loop_factory=uvloop.new_event_loop))
