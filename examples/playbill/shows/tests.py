"""What must hold for the show to go on."""

import datetime
import tempfile
from pathlib import Path

from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import TestCase, override_settings
from django.urls import reverse
from django.utils import timezone

from .models import Show

# Hashed names need a collectstatic first; the tests do without.
plain_static_files = override_settings(
    STORAGES={
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
)


def in_days(days: int) -> datetime.date:
    """Return a date before or after today."""
    return timezone.localdate() + datetime.timedelta(days)


@plain_static_files
class FrontPageTest(TestCase):
    """The page that lists the shows."""

    def test_a_dark_stage(self):
        self.assertContains(self.client.get("/"), "The stage is dark")

    def test_upcoming_shows_stand_before_past_ones(self):
        Show.objects.create(title="Last Year's Snow", date=in_days(-300))
        Show.objects.create(title="Tonight", date=in_days(0))
        Show.objects.create(title="Tomorrow", date=in_days(1))
        page = self.client.get("/").content.decode()
        places = [page.index(title) for title in ("Tonight", "Tomorrow", "Last Year&#x27;s Snow")]
        self.assertEqual(places, sorted(places))

    def test_a_description_cannot_bring_its_own_html(self):
        Show.objects.create(title="Heist", description="<script>steal()</script>", date=in_days(1))
        self.assertNotContains(self.client.get("/"), "<script")

    def test_the_small_print(self):
        self.assertContains(self.client.get("/"), '<meta name="playbill-version" content="v')


@plain_static_files
class AnnounceTest(TestCase):
    """The form that adds a show."""

    def announce(self, **changes: object) -> HttpResponse:
        """Send the form in."""
        fields = {"title": "Hamlet", "description": "To be, or not?", "date": in_days(7)}
        return self.client.post(reverse("announce"), fields | changes, follow=True)

    def test_a_show_without_a_poster(self):
        response = self.announce()
        self.assertRedirects(response, "/")
        self.assertContains(response, "“Hamlet” is on the bill.")
        self.assertEqual(Show.objects.get().poster.name, "")

    def test_a_show_with_a_poster(self):
        with tempfile.TemporaryDirectory() as folder, self.settings(MEDIA_ROOT=folder):
            self.announce(poster=SimpleUploadedFile("skull.png", b"alas"))
            show = Show.objects.get()
            self.assertEqual(show.poster.name, "posters/skull.png")
            self.assertEqual(Path(folder, show.poster.name).read_bytes(), b"alas")

    def test_a_poster_that_is_a_program(self):
        response = self.announce(poster=SimpleUploadedFile("skull.html", b"<script>"))
        self.assertContains(response, "is not allowed")
        self.assertFalse(Show.objects.exists())

    def test_a_poster_that_is_too_large(self):
        with self.settings(DATA_UPLOAD_MAX_MEMORY_SIZE=None):
            poster = SimpleUploadedFile("wall.png", bytes(5 * 1024 * 1024 + 1))
            self.assertContains(self.announce(poster=poster), "larger than 5 MB")
        self.assertFalse(Show.objects.exists())

    def test_a_show_without_a_title(self):
        response = self.announce(title=" ")
        self.assertContains(response, "This field is required.")
        self.assertFalse(Show.objects.exists())


class HealthTest(TestCase):
    """The page that monitoring asks."""

    def test_it_asks_the_database(self):
        with self.assertNumQueries(1):
            response = self.client.get("/health/")
        self.assertEqual(response.content, b"ok")
        self.assertEqual(response.headers["Content-Type"], "text/plain")
        self.assertEqual(response.headers["Cache-Control"], "no-store")


@plain_static_files
class ReleaseTest(TestCase):
    """The number in the footer."""

    def test_the_number_comes_from_the_directory(self):
        with self.settings(BASE_DIR=Path("/srv/playbill/releases/42")):
            response = self.client.get("/")
        self.assertContains(response, '<meta name="playbill-release" content="42">')
        self.assertContains(response, "release 42")

    def test_any_other_directory_is_for_development(self):
        for directory in ("/home/me/playbill", "/home/me/42", "/srv/playbill/releases/new"):
            with self.subTest(directory), self.settings(BASE_DIR=Path(directory)):
                self.assertContains(self.client.get("/"), 'content="development"')
