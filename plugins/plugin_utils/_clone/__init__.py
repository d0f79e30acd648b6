# PRIVATE to the collection: the register of source controls that the controller can clone.
# Adding one is a file here and a line below.
from __future__ import annotations

from ansible_collections.greenroom.django.plugins.plugin_utils._clone import git

CLONES = {
    "git": git,
}
