"""The pages of the app."""

from django.urls import path

from .health import health
from .views import announce, index

urlpatterns = [
    path("", index, name="index"),
    path("shows/new/", announce, name="announce"),
    path("health/", health, name="health"),
]
