# SPDX-License-Identifier: Apache-2.0
"""Who may do what: one table of every route. A route that is not in it cannot be made."""

from enum import IntEnum, StrEnum


class Role(StrEnum):
    """What a user is. The Editor knows `admin` and `user`; `viewer` may only look."""

    ADMIN = "admin"
    USER = "user"
    VIEWER = "viewer"


class Access(IntEnum):
    """What a route asks for; a higher role may use all that a lower one may."""

    PUBLIC = 0
    """Anyone, with or without a token."""
    VIEWER = 1
    USER = 2
    ADMIN = 3
    CLAIM = 4
    """Anyone while the device has no user, an administrator afterwards."""
    OPTIONAL = 5
    """Anyone; but a token, if one is sent, must be good: the answer depends on it."""


_RANK = {Role.VIEWER: Access.VIEWER, Role.USER: Access.USER, Role.ADMIN: Access.ADMIN}


def permits(role: Role | None, access: Access, *, claimed: bool) -> bool:
    """Whether a caller with `role` (None: not logged in) may use a route that asks for `access`."""
    if access in (Access.PUBLIC, Access.OPTIONAL):
        return True
    if access is Access.CLAIM:
        return not claimed or role is Role.ADMIN
    return role is not None and _RANK[role] >= access


ACCESS: dict[tuple[str, str], Access] = {
    # The page
    ("GET", "/"): Access.PUBLIC,
    ("GET", "/static/{name}"): Access.PUBLIC,
    ("GET", "/favicon.ico"): Access.PUBLIC,
    ("GET", "/api/docs"): Access.PUBLIC,
    ("GET", "/api/openapi.json"): Access.PUBLIC,
    # Users
    ("GET", "/api/claimed"): Access.PUBLIC,
    ("GET", "/api/get-users-info"): Access.OPTIONAL,
    ("POST", "/api/create-user"): Access.CLAIM,
    ("POST", "/api/login"): Access.PUBLIC,
    ("POST", "/api/logout"): Access.VIEWER,
    ("GET", "/api/whoami"): Access.VIEWER,
    ("GET", "/api/get-user-info/{user_id}"): Access.VIEWER,
    ("PUT", "/api/password-change/{user_id}"): Access.VIEWER,
    ("PUT", "/api/update-user/{user_id}"): Access.VIEWER,
    ("DELETE", "/api/delete-user/{user_id}"): Access.ADMIN,
    # Device
    ("GET", "/api/version"): Access.PUBLIC,
    ("GET", "/api/capabilities"): Access.PUBLIC,
    ("GET", "/api/device-info"): Access.VIEWER,
    ("GET", "/api/serial-ports"): Access.VIEWER,
    # Program
    ("GET", "/api/ping"): Access.VIEWER,
    ("GET", "/api/status"): Access.VIEWER,
    ("GET", "/api/overview"): Access.VIEWER,
    ("GET", "/api/start-plc"): Access.USER,
    ("POST", "/api/start-plc"): Access.USER,
    ("GET", "/api/stop-plc"): Access.USER,
    ("POST", "/api/stop-plc"): Access.USER,
    ("GET", "/api/runtime-logs"): Access.VIEWER,
    ("POST", "/api/upload-file"): Access.USER,
    ("GET", "/api/compilation-status"): Access.VIEWER,
    ("GET", "/api/programs"): Access.VIEWER,
    ("POST", "/api/programs/{program_id}/activate"): Access.USER,
    ("POST", "/api/programs/{program_id}/change"): Access.USER,
    # Live values
    ("GET", "/api/segments"): Access.VIEWER,
    ("GET", "/api/tags"): Access.VIEWER,
    ("GET", "/api/tags/stream"): Access.VIEWER,
    # Updates
    ("GET", "/update"): Access.PUBLIC,
    ("GET", "/api/update"): Access.VIEWER,
    ("GET", "/api/update/slots"): Access.VIEWER,
    ("GET", "/api/update/history"): Access.VIEWER,
    ("GET", "/api/update/stream"): Access.VIEWER,
    ("POST", "/api/update/bundle"): Access.ADMIN,
    ("POST", "/api/update/url"): Access.ADMIN,
    ("POST", "/api/update/rollback"): Access.ADMIN,
    ("POST", "/api/update/reboot"): Access.ADMIN,
    ("PUT", "/api/update/policy"): Access.ADMIN,
    # Backup
    ("POST", "/api/backup"): Access.ADMIN,
    ("POST", "/api/backup/inspect"): Access.ADMIN,
    ("POST", "/api/backup/restore"): Access.ADMIN,
    # What the Editor may ask and this device does not have
    ("GET", "/api/{rest:path}"): Access.VIEWER,
    ("POST", "/api/{rest:path}"): Access.VIEWER,
}
