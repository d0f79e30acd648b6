"""Descriptions may use Markdown: *emphasis*, **more of it**, lists and quotations."""

from django import template
from django.utils.safestring import SafeString
from markdown import Markdown

register = template.Library()

# Anyone may write a description, so HTML in it is shown, not obeyed, and it has no addresses to
# send people to, or to load things from. Headings belong to the page.
LEFT_OUT_OF_BLOCKS = ("reference", "hashheader", "setextheader")
LEFT_OUT_OF_LINES = (
    "html",
    "link",
    "reference",
    "short_reference",
    "image_link",
    "image_reference",
    "short_image_ref",
    "autolink",
    "automail",
)


def reader() -> Markdown:
    """Return a Markdown that can be trusted with the words of strangers."""
    markdown = Markdown(output_format="html")
    markdown.preprocessors.deregister("html_block")
    for name in LEFT_OUT_OF_BLOCKS:
        markdown.parser.blockprocessors.deregister(name)
    for name in LEFT_OUT_OF_LINES:
        markdown.inlinePatterns.deregister(name)
    return markdown


@register.filter
def prose(text: str) -> SafeString:
    """Turn a description into HTML that is safe, because `reader` is strict."""
    return SafeString(reader().convert(text))
