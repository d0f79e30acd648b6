# PRIVATE to the collection: the register of source controls that can merge, on the controller.
# Adding one is a file here and a line below.
from __future__ import annotations

from ansible_collections.greenroom.django.plugins.plugin_utils._merge import git

MERGES = {
    "git": git.merge,
}
