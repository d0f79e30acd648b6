"""Two stages, and the way there and back."""

from django.db import connection, models
from django.db.migrations.executor import MigrationExecutor
from django.test import TestCase, TransactionTestCase

from .models import Show, Stage
from .tests import in_days, plain_static_files


@plain_static_files
class StageTest(TestCase):
    """What the audience sees of it."""

    def test_the_front_page_says_where(self):
        Show.objects.create(title="Fireflies", date=in_days(1), stage=Stage.GARDEN)
        self.assertContains(self.client.get("/"), "Garden Stage")

    def test_the_stage_may_be_decided_later(self):
        fields = {"title": "Hamlet", "description": "Perhaps.", "date": in_days(1)}
        self.assertRedirects(self.client.post("/shows/new/", fields), "/")
        self.assertEqual(Show.objects.get().stage, "")

    def test_an_older_release_can_still_add_a_show(self):
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO shows_show (title, description, date, poster)"
                " VALUES ('Old', '', '2030-01-01', '')"
            )
        self.assertEqual(Show.objects.get().stage, "")


class MigrationTest(TransactionTestCase):
    """There and back again."""

    def migrate(self, name: str) -> type[models.Model]:
        """Bring the database there, and return the shows as they are then."""
        target = [("shows", name)]
        MigrationExecutor(connection).migrate(target)
        state = MigrationExecutor(connection).loader.project_state(target)
        return state.apps.get_model("shows", "Show")

    def test_there_and_back(self):
        before = self.migrate("0001_initial")
        before.objects.create(title="Fireflies", description="", date="2026-07-04")
        before.objects.create(title="Snow", description="", date="2026-12-24")

        after = self.migrate("0003_fill_stage")
        stages = dict(after.objects.values_list("title", "stage"))
        self.assertEqual(stages, {"Fireflies": "garden", "Snow": "hall"})

        after.objects.filter(title="Fireflies").update(stage="hall")
        between = self.migrate("0002_show_stage")
        stages = dict(between.objects.values_list("title", "stage"))
        self.assertEqual(stages, {"Fireflies": "hall", "Snow": ""})

        before = self.migrate("0001_initial")
        self.assertEqual(before.objects.count(), 2)
        self.migrate("0003_fill_stage")
