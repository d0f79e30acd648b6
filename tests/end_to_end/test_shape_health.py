"""When a site is healthy: a status of its own, and one that sends every visitor to https."""

from __future__ import annotations

import pytest
from project import URLS, Project

pytestmark = [pytest.mark.extended, pytest.mark.story]

UP = URLS + 'urlpatterns.append(path("up/", lambda request: HttpResponse(status=204)))\n'
HTTPS = "SECURE_SSL_REDIRECT = True\n"
BELIEVE = 'SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")\n'


def test_a_status_of_its_own(project: Project) -> None:
    project.commit({"config/urls.py": UP})
    said = project.refuse(app_health_path="/up/")
    assert "/up/ should answer 200, and what came was 204 No Content" in said
    project.deploy(app_health_path="/up/", app_health_status=204)
    assert project.host.get("/up/").status == 204
    assert project.page()["notes"] == []


def test_a_redirect_to_elsewhere_is_a_failure_that_says_what_came(project: Project) -> None:
    login = 'urlpatterns.append(path("up/", RedirectView.as_view(url="/login/")))\n'
    project.commit(
        {"config/urls.py": f"from django.views.generic import RedirectView\n{URLS}{login}"}
    )
    said = project.refuse(app_health_path="/up/", app_health_status=204)
    assert "/up/ should answer 204, and what came was 302 Found to /login/" in said
    assert project.host.get("/up/").status == 204


@pytest.mark.parametrize("header", ["", BELIEVE], ids=["gunicorn says it", "the header says it"])
def test_a_site_that_sends_every_visitor_to_https(project: Project, header: str) -> None:
    """In the green room it answers as to a visitor of https; through nginx a redirect is right."""
    project.commit({"config/urls.py": UP}, settings=HTTPS + header)
    project.deploy(app_health_path="/up/", app_health_status=204)
    answer = project.host.get("/up/")
    assert answer.status == 301
    assert answer.headers["location"] == "https://localhost/up/"


def test_a_rollback_to_the_site_before_the_redirects(project: Project) -> None:
    project.configure(app_health_path="/up/", app_health_status=204)
    project.rollback()
    assert project.host.get("/up/").status == 301
    project.rollback()
    assert project.host.get("/up/").status == 204
