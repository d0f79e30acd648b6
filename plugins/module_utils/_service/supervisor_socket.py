# PRIVATE to the collection: asking supervisor over its socket, by XML-RPC.
from __future__ import annotations

import configparser
import http.client
import xmlrpc.client
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._http import UnixConnection

TIMEOUT = 120  # seconds; stopping a program may take nearly as long
NO_SOCKET, BAD_NAME = 0, 10


def ask(configuration: str, method: str, arguments: Sequence[Any], fine: Sequence[int]) -> Any:
    """Have the supervisor with this configuration do something; what it answers.

    None where its fault is one that is ``fine``, 0 being that it has no socket and so is not up.
    Raises GreenroomError.
    """
    path, who = access(configuration)
    try:
        with xmlrpc.client.ServerProxy(f"http://{who}localhost", _Transport(path)) as server:
            return getattr(server.supervisor, method)(*arguments)
    except xmlrpc.client.Fault as fault:
        if fault.faultCode in fine:
            return None
        asked = " ".join(map(str, [method, *arguments[:1]]))
        hint = f" Does {configuration} include conf.d/*.conf?"
        raise GreenroomError(
            f"supervisor does not take {asked}: {fault.faultString}."
            + (hint if fault.faultCode == BAD_NAME else "")
        ) from fault
    except (OSError, http.client.HTTPException, xmlrpc.client.ProtocolError) as error:
        if isinstance(error, (FileNotFoundError, ConnectionRefusedError)) and NO_SOCKET in fine:
            return None
        why = error.errmsg if isinstance(error, xmlrpc.client.ProtocolError) else error
        raise GreenroomError(
            f"supervisor does not answer on {path} ({why}): systemctl status supervisor"
        ) from error


def access(configuration: str) -> tuple[str, str]:
    """Supervisor's socket, and what goes before the host of an address to say who asks."""
    settings = configparser.RawConfigParser(strict=False, inline_comment_prefixes=(";",))
    settings.read(configuration, encoding="utf-8")
    path = settings.get("unix_http_server", "file", fallback="/var/run/supervisor.sock")
    user = settings.get("unix_http_server", "username", fallback="")
    password = settings.get("unix_http_server", "password", fallback="")
    return path, f"{quote(user, '')}:{quote(password, '')}@" if user else ""


class _Transport(xmlrpc.client.Transport):
    """XML-RPC over a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        # Who asks is said in a header; the host itself is this one.
        self._extra_headers = self.get_host_info(host)[1]
        connection = UnixConnection(self._path, timeout=TIMEOUT)
        self._connection = host, connection
        return connection
