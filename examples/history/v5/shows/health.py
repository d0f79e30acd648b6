"""The page that says whether the show can go on."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe


@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """Fail, while every other page is well."""
    raise RuntimeError("The spotlight is broken")
