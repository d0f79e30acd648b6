#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100 - DOCUMENTATION says what it is
from __future__ import annotations

DOCUMENTATION = r"""
---
module: smoke_test
short_description: Ask for pages through the web server, from the controller
description:
  - Asks for each page as a visitor does, and fails with one message that names all that are not as
    they should be. Redirects are answers, and are not followed.
  - A page that is not as it should be is asked for again, twice, a second apart.
  - Warns, and fails not, where the site was closed on the host for maintenance.
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
options:
  app:
    description: The name of the app.
    type: str
    required: true
  pages:
    description: The pages.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: The path of a page, with its query. It is asked for at O(address), in the name
          of O(host).
        type: str
      url:
        description: The whole address of a page, in the place of a path, such as one of https.
        type: str
      status:
        description: The HTTP status that it should answer.
        type: int
        default: 200
      contains:
        description: A text that should be in it.
        type: str
        default: ""
      headers:
        description: What should be in headers, by their names.
        type: dict
        default: {}
  address:
    description: The name or IP address of the host, as the controller reaches it.
    type: str
    required: true
  port:
    description: The port of its web server.
    type: int
    default: 80
  host:
    description: The site's name.
    type: str
    required: true
attributes:
  check_mode:
    support: partial
    description: In check mode it asks for nothing, since nothing new is on stage.
  diff_mode:
    support: none
    description: It changes nothing.
"""

EXAMPLES = r"""
- name: Try two pages, a static file, and the redirect to https
  greenroom.django.smoke_test:
    app: blog
    address: 192.0.2.1
    host: www.example.com
    pages:
      - path: /
        contains: The latest articles
      - path: /static/blog/blog.css
        headers: {content-type: text/css, cache-control: max-age}
      - path: /login/
        status: 301
        headers: {location: "https://www.example.com/login/"}
"""

RETURN = r""" # """
