"""The app's name tag."""

from django.apps import AppConfig


class ShowsConfig(AppConfig):
    """Tell Django about the app."""

    name = "shows"
