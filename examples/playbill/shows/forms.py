"""The form that announces a show."""

from django import forms
from django.core.files.uploadedfile import UploadedFile

from .models import Show

POSTER_LIMIT = 5 * 1024 * 1024


class ShowForm(forms.ModelForm):
    """Everything that the audience needs to know."""

    class Meta:
        model = Show
        fields = ("title", "description", "date", "poster")
        widgets = {
            "description": forms.Textarea(attrs={"rows": 4}),
            "date": forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
            "poster": forms.FileInput(attrs={"accept": "image/jpeg,image/png,image/webp"}),
        }

    def clean_poster(self) -> UploadedFile | None:
        """Refuse a poster that would take an age to load."""
        poster = self.cleaned_data["poster"]
        if poster and poster.size > POSTER_LIMIT:
            raise forms.ValidationError("This poster is larger than 5 MB.", code="too_large")
        return poster
