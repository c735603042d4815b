# SPDX-License-Identifier: Apache-2.0
"""A route class that looks into the table of roles before anything of the request's body is read."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from pilotlight.web.roles import ACCESS


class GuardedRoute(APIRoute):
    """A route of the table `roles.ACCESS`; making one that is not in it is a KeyError at start-up."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        methods = options.get("methods") or {"GET"}
        roles = {ACCESS[method, path].name.lower() for method in methods}
        options["openapi_extra"] = {**(options.get("openapi_extra") or {}), "x-role": ", ".join(sorted(roles))}
        super().__init__(path, endpoint, **options)
        self.access = {method: ACCESS[method, path] for method in self.methods}

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        takes_json = self.body_field is not None

        async def guarded(request: Request) -> Response:
            backend = request.app.state.backend
            session = backend.authorise(request.headers.get("authorization"), self.access[request.method])
            request.state.session = session
            request.scope["pilotlight.user"] = session.user.username if session else ""
            if takes_json and not _is_json(request.headers.get("content-type", "")):
                raise HTTPException(415, "The request must be JSON: Content-Type: application/json.")
            return await handle(request)

        return guarded


def _is_json(content_type: str) -> bool:
    media = content_type.partition(";")[0].strip().lower()
    return media == "application/json" or (media.startswith("application/") and media.endswith("+json"))


def guarded_router() -> APIRouter:
    """A router whose routes are all guarded."""
    return APIRouter(route_class=GuardedRoute)
