"""The page that says whether the show can go on."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from .models import Show


@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """Answer "ok", if the database has a table with every column that this code knows."""
    Show.objects.order_by("pk").first()
    return HttpResponse("ok", content_type="text/plain", headers={"Cache-Control": "no-store"})
