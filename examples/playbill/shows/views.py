"""The two pages."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from .forms import ShowForm
from .models import Show

REMEMBERED = 12  # how many past shows the front page still mentions


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """The front page: what is on, and what was."""
    today = timezone.localdate()
    return render(
        request,
        "shows/index.html",
        {
            "upcoming": Show.objects.filter(date__gte=today),
            "past": Show.objects.filter(date__lt=today).order_by("-date", "title")[:REMEMBERED],
        },
    )


@require_http_methods(["GET", "HEAD", "POST"])
def announce(request: HttpRequest) -> HttpResponse:
    """The form that adds a show; the front page has the good news afterwards."""
    form = ShowForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        show = form.save()
        messages.success(request, f"“{show}” is on the bill.")
        return redirect("index")
    return render(request, "shows/announce.html", {"form": form})
