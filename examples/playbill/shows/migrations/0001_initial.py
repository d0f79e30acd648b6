"""The first table."""

from django.core.validators import FileExtensionValidator
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Show",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("title", models.CharField(max_length=120)),
                (
                    "description",
                    models.TextField(
                        max_length=600, help_text="A sentence or two that make people come."
                    ),
                ),
                ("date", models.DateField()),
                (
                    "poster",
                    models.FileField(
                        upload_to="posters/",
                        blank=True,
                        validators=[FileExtensionValidator(["jpg", "jpeg", "png", "webp"])],
                        help_text="A JPEG, PNG or WebP image of at most 5 MB, upright looks best.",
                    ),
                ),
            ],
            options={"ordering": ("date", "title")},
        ),
    ]
