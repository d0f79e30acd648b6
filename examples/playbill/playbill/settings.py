"""
Settings of Playbill. What differs from one host to another comes from the environment:

SECRET_KEY            required, unless DEBUG is on
DEBUG                 1 while you write the site; off everywhere else, and by default
ALLOWED_HOSTS         the names it answers to: playbill.example.org,www.playbill.example.org
CSRF_TRUSTED_ORIGINS  the origins its forms may come from: https://playbill.example.org
HTTPS                 1 where every visitor comes by https: cookies and browsers then insist on it
DATABASE_URL          postgres://user:password@host:port/name; without it, it is db.sqlite3
"""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured


def is_on(name: str) -> bool:
    """Tell whether the environment switches something on."""
    return os.environ.get(name, "").strip().lower() in {"1", "on", "true", "yes"}


def words(name: str) -> list[str]:
    """Return the comma separated words of a variable in the environment."""
    return [word.strip() for word in os.environ.get(name, "").split(",") if word.strip()]


# resolve() looks through links, so that a release knows its own directory and number.
BASE_DIR = Path(__file__).resolve().parent.parent

DEBUG = is_on("DEBUG")
SECRET_KEY = os.environ.get("SECRET_KEY") or ("only-for-rehearsals" if DEBUG else "")
if not SECRET_KEY:
    raise ImproperlyConfigured(
        "SECRET_KEY is not set. Set it in the environment, or set DEBUG=1 for development."
    )

# Where it is served

ALLOWED_HOSTS = words("ALLOWED_HOSTS")
CSRF_TRUSTED_ORIGINS = words("CSRF_TRUSTED_ORIGINS")
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

HTTPS = is_on("HTTPS")
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = 3600 if HTTPS else 0
SILENCED_SYSTEM_CHECKS = [
    "security.W005",  # whether subdomains use https is for their owners to say
    "security.W008",  # the web server redirects to https
    "security.W021",  # browsers need not know this site before their first visit
]

# What it is made of

ROOT_URLCONF = "playbill.urls"
WSGI_APPLICATION = "playbill.wsgi.application"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "shows",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "playbill.release.small_print",
            ],
        },
    },
]

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"

# What it remembers

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": BASE_DIR / "db.sqlite3",
        # Readers and the one writer don't wait for each other (WAL); writers queue for their turn
        # from the start of a transaction (IMMEDIATE), for 20 seconds at most.
        "OPTIONS": {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL;",
        },
    },
}
if "DATABASE_URL" in os.environ:
    url = urlsplit(os.environ["DATABASE_URL"])
    DATABASES["default"] = {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": url.hostname or "",
        "PORT": url.port or "",
        "NAME": unquote(url.path[1:]),
        "USER": unquote(url.username or ""),
        "PASSWORD": unquote(url.password or ""),
    }

MEDIA_URL = "media/"
MEDIA_ROOT = BASE_DIR / "media"
# The web server, which is another user, shows the posters.
FILE_UPLOAD_PERMISSIONS = 0o644
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o755

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage",
    },
}

# What it says: everything goes to stderr, with the traceback of each unhandled exception.

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"},
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "line"},
    },
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "django": {"handlers": ["console"], "level": "INFO", "propagate": False},
    },
}
