from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleError, AnsibleFilterError
from ansible.parsing.dataloader import DataLoader
from ansible_collections.greenroom.django.plugins.filter.push import (
    FilterModule,
    is_set_by_the_user,
    self_inventory,
)

SETTINGS = {"app_name", "app_env", "gunicorn_drain"}


class Variables(dict[str, Any]):
    """As hostvars: what is asked for is worked out then."""

    def __getitem__(self, name: str) -> Any:
        if name == "only_in_a_loop":
            raise AnsibleError("'item' is undefined")
        return super().__getitem__(name)


def test_the_names() -> None:
    assert FilterModule().filters() == {"self_inventory": self_inventory}


@pytest.mark.parametrize("name", ["app_name", "app_env", "gunicorn_drain", "secret_key", "mine"])
def test_what_somebody_set_is_taken_along(name: str) -> None:
    assert is_set_by_the_user(name, SETTINGS)


@pytest.mark.parametrize(
    "name",
    [
        "ansible_host",
        "ansible_become_password",
        "groups",
        "hostvars",
        "inventory_dir",
        "inventory_hostname",
        "playbook_dir",
        "omit",
        "environment",
        "account_host",
        "checkout_keys",
        "push_rooms",
    ],
)
def test_what_a_run_knows_stays_here(name: str) -> None:
    assert not is_set_by_the_user(name, SETTINGS)


def test_an_inventory_has_the_values_as_they_are_here() -> None:
    variables = Variables(
        inventory_hostname="www",
        ansible_host="192.0.2.1",
        app_name="blog",
        app_env={"SECRET_KEY": "{{ lookup('pipe', 'id') }}", "EMPTY": "", "PERCENT": "{% x %}"},
        app_domains=["a.example.com"],
        app_port=80,
        only_in_a_loop="{{ item }}",
    )
    text = self_inventory(variables, "live", {"ansible_connection": "local", "app_port": 81})
    assert DataLoader().load(text) == {
        "live": {
            "hosts": {
                "www": {
                    "ansible_connection": "local",
                    "app_domains": ["a.example.com"],
                    "app_env": dict(variables["app_env"]),
                    "app_name": "blog",
                    "app_port": 81,
                }
            }
        }
    }
    # A text that looks like Jinja is not worked out again; one that does not needs no tag, and an
    # empty one with it would be nothing at all to Ansible.
    assert 'SECRET_KEY: !unsafe "{{ lookup' in text
    assert 'PERCENT: !unsafe "{% x %}"' in text
    assert "EMPTY: ''" in text


class Vaulted:
    """A value of a vault, as ansible-core before 2.19 has it."""

    __ENCRYPTED__ = True

    def __str__(self) -> str:
        return "s3cret"


def test_a_value_of_a_vault_is_taken_along() -> None:
    variables = Variables(inventory_hostname="www", app_env={"KEY": Vaulted()})
    assert "KEY: s3cret" in self_inventory(variables, "live", {})


def test_no_setting_is_left_out_in_silence() -> None:
    with pytest.raises(AnsibleFilterError, match=r"^app_env cannot be taken along to the host\.$"):
        self_inventory(Variables(inventory_hostname="www", app_env=object()), "live", {})
