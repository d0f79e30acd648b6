"""The door through which a WSGI server enters: `playbill.wsgi:application`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "playbill.settings")

application = get_wsgi_application()
