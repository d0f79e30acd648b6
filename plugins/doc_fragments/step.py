# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that many steps have. Each is a setting's value unless a task says something else."""

from __future__ import annotations


class ModuleDocFragment:
    """What modules extend their documentation by."""

    DOCUMENTATION = r"""
options:
  app:
    description: The name of the app. The variable C(app_name), if it is not given.
    type: str
"""

    SERVICE_MANAGER = r"""
options:
  service_manager:
    description: What keeps the app's releases running. The variable C(app_service_manager), if it
      is not given.
    type: str
    default: systemd
"""

    SOURCE_CONTROL = r"""
options:
  source_control:
    description: What the app's repository is. The variable C(app_source_control), if it is not
      given.
    type: str
    default: git
"""

    DATABASES = r"""
options:
  databases:
    description: The databases, by their names in Django's settings. The variable C(app_databases),
      if it is not given.
    type: list
    elements: str
    default: [default]
"""

    HEALTH = r"""
options:
  host:
    description: The site's own name, for the Host header.
    type: str
    required: true
  path:
    description: The path of the health page.
    type: str
    default: /
  status:
    description: The HTTP status that a healthy release answers.
    type: int
    default: 200
"""
