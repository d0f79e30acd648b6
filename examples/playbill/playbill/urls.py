"""The front of house: which page is where."""

from django.conf import settings
from django.conf.urls.static import static
from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("shows.urls")),
    path("admin/", admin.site.urls),
    # With DEBUG only; elsewhere the web server serves the posters.
    *static(settings.MEDIA_URL, document_root=settings.MEDIA_ROOT),
]
