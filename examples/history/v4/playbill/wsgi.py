"""The door through which a WSGI server enters: `playbill.wsgi:application`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "playbill.settings")

application = get_wsgi_application()

# Every management command works; only a server that enters here finds out.
raise RuntimeError("The understudy forgot the lines")
