"""Markdown, and what it must not let in."""

from django.test import SimpleTestCase, TestCase

from .models import Show
from .templatetags.prose import prose
from .tests import in_days, plain_static_files


class ProseTest(SimpleTestCase):
    """The filter."""

    def test_emphasis(self):
        self.assertHTMLEqual(
            prose("*Soft*, **loud**."), "<p><em>Soft</em>, <strong>loud</strong>.</p>"
        )

    def test_a_list(self):
        self.assertHTMLEqual(prose("- one\n- two"), "<ul><li>one</li><li>two</li></ul>")

    def test_html_is_shown_and_not_obeyed(self):
        for text in (
            "<script>steal()</script>",
            "<img src=x onerror=steal()>",
            "word <b onclick=steal()>word</b>",
            "<div>\n\n<script>steal()</script>\n\n</div>",
            "- <svg onload=steal()>",
            "`<script>`",
            "    <script>",
            "# <script>",
            "*<script>*",
            "<!-- --><script>",
            "<?php ?><script>",
        ):
            with self.subTest(text):
                self.assertNotRegex(prose(text), r"<(script|img|b|div|svg|!|\?)[\s>-]")

    def test_there_are_no_addresses(self):
        for text in (
            "[click](javascript:steal())",
            "[click][1]\n\n[1]: javascript:steal()",
            "[click]\n\n[click]: javascript:steal()",
            "<javascript:steal()>",
            "<https://example.org>",
            "<me@example.org>",
            "![look](https://example.org/pixel.png)",
            "![look][1]\n\n[1]: https://example.org/pixel.png",
        ):
            with self.subTest(text):
                self.assertNotRegex(prose(text), r"href|src|<a|<img")

    def test_there_are_no_headings(self):
        for text in ("# Loud", "Loud\n===="):
            with self.subTest(text):
                self.assertNotIn("<h1", prose(text))

    def test_an_ampersand(self):
        self.assertEqual(
            prose("Rosencrantz & Guildenstern"), "<p>Rosencrantz &amp; Guildenstern</p>"
        )


@plain_static_files
class FrontPageProseTest(TestCase):
    """The filter, where it is used."""

    def test_the_front_page_uses_it(self):
        Show.objects.create(title="Loud", description="A **very** loud play.", date=in_days(1))
        self.assertContains(self.client.get("/"), "<strong>very</strong>")
