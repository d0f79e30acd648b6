"""What the theatre remembers."""

from django.core.validators import FileExtensionValidator
from django.db import models


class Stage(models.TextChoices):
    """Where a show can be."""

    HALL = "hall", "Great Hall"
    GARDEN = "garden", "Garden Stage"
    __empty__ = "To be announced"


class Show(models.Model):
    """One evening at the theatre."""

    title = models.CharField(max_length=120)
    description = models.TextField(
        max_length=600, help_text="A sentence or two that make people come."
    )
    date = models.DateField()
    # The default is the database's own: a release that doesn't know of stages can still add shows.
    stage = models.CharField(max_length=10, choices=Stage, blank=True, db_default="")
    poster = models.FileField(
        upload_to="posters/",
        blank=True,
        validators=[FileExtensionValidator(["jpg", "jpeg", "png", "webp"])],
        help_text="A JPEG, PNG or WebP image of at most 5 MB, upright looks best.",
    )

    class Meta:
        ordering = ("date", "title")

    def __str__(self) -> str:
        return self.title
