# PRIVATE to the collection: the controller's half of the engine. Every step goes through here.
"""Calls a step on a host: its arguments are checked here, and one command runs it there.

The engine is this collection's modules and module_utils. A host has it in a folder that is named
by its digest, so that a step sends no code. Where the folder is missing, it is sent once.
"""

from __future__ import annotations

import ast
import contextlib
import gzip
import hashlib
import io
import json
import re
import shlex
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # its stubs are not among the pins
from ansible import constants as C  # noqa: N812 - as everywhere in Ansible
from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values
from ansible.plugins.action import ActionBase
from ansible_collections.greenroom.django.plugins.module_utils._text import printable_values

ENGINES = "/usr/local/lib/greenroom"  # on a host; root's
MISSING = 97  # what the shell exits with where the engine is not on the host
INLINE = 16384  # bytes that may go with a command
PLUGINS = Path(__file__).parents[1]
PACKAGE = "ansible_collections/greenroom/django/plugins"
INSTALL = PLUGINS / "module_utils/_engine/install.py"
START = PLUGINS / "module_utils/_engine/engine.py"
# Options of the doc fragment, and the variables that they are taken from.
VARIABLES = {
    "app": "app_name",
    "service_manager": "app_service_manager",
    "source_control": "app_source_control",
    "databases": "app_databases",
}
_SPEC_KEYS = ("type", "required", "default", "choices", "elements", "aliases")


def engine_files() -> dict[str, bytes]:
    """The files of the engine, by their paths below its folder."""
    folder, files = Path(PACKAGE), {"engine.py": START.read_bytes()}
    for package in [*folder.parents[:-1], folder, folder / "modules"]:
        files[f"{package}/__init__.py"] = b""
    for path in [*PLUGINS.glob("modules/*.py"), *PLUGINS.glob("module_utils/**/*.py")]:
        files[f"{PACKAGE}/{path.relative_to(PLUGINS)}"] = path.read_bytes()
    files.setdefault(f"{PACKAGE}/module_utils/__init__.py", b"")
    return dict(sorted(files.items()))


def archive_of(files: Mapping[str, bytes]) -> bytes:
    """The files as a tar archive; the same files give the same bytes."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), mtime=0)


def digest_of(files: Mapping[str, bytes]) -> str:
    """What tells one engine from another: 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for path, content in files.items():
        digest.update(f"{path} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


def documentation(step: str) -> dict[str, Any]:
    """What the documentation of a module says, with that of the fragments that it extends."""
    own: dict[str, Any] = _load(_constants(PLUGINS / f"modules/{step}.py")["DOCUMENTATION"])
    options: dict[str, Any] = {}
    for name in own.pop("extends_documentation_fragment", []):
        _, _, fragment, *part = name.split(".")
        constants = _constants(PLUGINS / f"doc_fragments/{fragment}.py")
        options |= _load(constants[part[0].upper() if part else "DOCUMENTATION"])["options"]
    for option, variable in VARIABLES.items():
        if option in options:
            options[option]["variable"] = variable
    return {**own, "options": {**options, **(own.get("options") or {})}}


def secret_options(step: str) -> list[str]:
    """The options of a module whose values are in no result."""
    return list(_constants(PLUGINS / f"modules/{step}.py").get("SECRET_OPTIONS", ()))


def _load(text: str) -> Any:
    return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def _constants(path: Path) -> dict[str, Any]:
    """The constants of a Python file whose values are literals, those of its classes too."""
    found = {}
    body = ast.parse(path.read_bytes()).body
    for node in [*body, *(inner for outer in body for inner in getattr(outer, "body", []))]:
        if isinstance(node, ast.Assign):
            with contextlib.suppress(ValueError):  # it is no literal
                found[ast.unparse(node.targets[0])] = ast.literal_eval(node.value)
    return found


def argument_spec(options: Mapping[str, Any] | None) -> dict[str, Any]:
    """An argument spec from documented options. A path is the host's: nothing expands it here."""
    spec = {}
    for name, option in (options or {}).items():
        spec[name] = {key: option[key] for key in _SPEC_KEYS if key in option}
        if option["type"] == "path":
            spec[name]["type"] = "str"
        if "suboptions" in option:
            spec[name]["options"] = argument_spec(option["suboptions"])
            spec[name]["apply_defaults"] = option["type"] == "dict" and not option.get("required")
    return spec


# Read once: Ansible forks a process a task from the one that has imported this.
FILES = engine_files()
DIGEST = digest_of(FILES)


class EngineAction(ActionBase):  # type: ignore[misc]  # Ansible has no types
    """What runs steps on hosts."""

    _supports_check_mode = True
    _supports_async = False

    def run_step(
        self, step: str, arguments: Mapping[str, Any], task_vars: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Run a step, and return its result. Raises AnsibleActionFail for wrong arguments."""
        options = documentation(step)["options"]
        given = {**self._from_settings(options, task_vars), **arguments}
        if "app" in options and not given.get("app"):
            raise AnsibleActionFail(
                f"greenroom.django.{step}: app is not given, and the variable app_name is "
                "not set. Set one of the two."
            )
        checked = ArgumentSpecValidator(argument_spec(options)).validate(given)
        if checked.error_messages:
            raise AnsibleActionFail(f"greenroom.django.{step}: {', '.join(checked.error_messages)}")
        parameters = checked.validated_parameters
        request = {"params": parameters, "check_mode": bool(self._task.check_mode)}
        hidden = {str(parameters[name]) for name in secret_options(step) if parameters.get(name)}
        result = self._call(step, json.dumps(request, default=str).encode(), task_vars)
        if not self._task.diff:
            result.pop("diff", None)
        return dict(remove_values(result, hidden)) if hidden else result

    def _from_settings(
        self, options: Mapping[str, Any], task_vars: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The values of settings for those options that are settings."""
        variables = {name: option.get("variable") for name, option in options.items()}
        return {
            name: self._templar.template(task_vars[variable])
            for name, variable in variables.items()
            if variable in task_vars
        }

    def _call(self, step: str, request: bytes, task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request to the host's engine, and the engine before it where it is missing."""
        if not self._connection.has_pipelining:
            raise AnsibleActionFail(
                f"The connection {self._connection.transport} passes no standard input to a "
                "command, which greenroom.django needs. Use ssh, which is Ansible's default."
            )
        folder = f"{ENGINES}/{DIGEST}"
        python = self._python(task_vars)
        answer = self._execute(
            f"test -e {folder}/engine.py || exit {MISSING}; {self._compute_environment_string()} "
            f"exec {python} -I -X utf8 {folder}/engine.py step {step}",
            request,
            secret=bool(secret_options(step) or self._task.no_log),
        )
        if answer["rc"] == MISSING:
            archive = archive_of(FILES)
            how = "once" if self._task.check_mode else "keep"
            arguments = [folder, hashlib.sha256(archive).hexdigest(), str(len(archive)), how, step]
            install = shlex.join(["-c", INSTALL.read_text(encoding="utf-8"), *arguments])
            answer = self._execute(
                f"{self._compute_environment_string()} exec {python} -I -X utf8 {install}",
                archive + request,
            )
        return result_of(step, answer)

    def _execute(self, command: str, data: bytes, secret: bool = True) -> dict[str, Any]:
        """Run a command on the host, with data on its standard input.

        A host takes input when it has answered that the command runs, which costs a round trip a
        step. What is no secret goes with the command instead. That is outside of sudo, which
        writes down what it runs; others on the host could see it in the list of processes.
        """
        become, command = self._connection.become, command.strip()
        if not secret and len(data) <= INLINE and self._needs_no_password():
            as_root = become.build_become_command(command, self._connection._shell)
            inline = f"printf %s {shlex.quote(data.decode())} | {as_root}"
            answer = self._low_level_execute_command(inline, sudoable=False)
            if answer["stdout"] or not become.check_missing_password(answer["stderr"].encode()):
                return dict(answer)
            # It has not begun; Ansible has words of its own for that.
        return dict(self._low_level_execute_command(command, sudoable=True, in_data=data))

    def _needs_no_password(self) -> bool:
        """Whether sudo asks for nothing, so that nothing has to be sent or waited for."""
        become = self._connection.become
        return bool(
            self._connection.transport == "ssh"
            and become
            and become.name == "sudo"
            and not become.get_option("become_pass")
            and "-n" in (become.get_option("become_flags") or "").split()
            and self.get_become_option("become_user") != self._get_remote_user()
        )

    def _python(self, task_vars: Mapping[str, Any]) -> str:
        """The host's Python, quoted for a shell: what Ansible is told to use, else python3."""
        variables = task_vars
        if self._task.delegate_to:
            variables = task_vars["ansible_delegated_vars"][self._task.delegate_to]
        name = C.config.get_config_value("INTERPRETER_PYTHON", variables=dict(variables))
        name = str(self._templar.template(name))
        return "/usr/bin/python3" if name.startswith("auto") else shlex.quote(name)


def result_of(step: str, answer: Mapping[str, Any]) -> dict[str, Any]:
    """What a step said; a failure where it ended without a result."""
    for line in reversed(answer["stdout"].splitlines()):
        if line.startswith("{"):
            result: dict[str, Any] = json.loads(line)
            return result
    said = (answer["stderr"].strip() or answer["stdout"].strip()).splitlines()
    if re.search(r"python\S*: (command )?(not found|No such file)", said[-1] if said else ""):
        why = f"{said[-1].strip()} Greenroom needs Python 3 on the host."
    else:
        why = said[-1].strip() if said else "It said nothing."
    failure = {
        "failed": True,
        "rc": answer["rc"],
        "msg": f"greenroom.django.{step} ended with {answer['rc']} and without a result. {why}",
        "module_stdout": answer["stdout"],
        "module_stderr": answer["stderr"],
    }
    return dict(printable_values(failure))
