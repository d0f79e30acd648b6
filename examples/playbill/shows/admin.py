"""The office behind the stage."""

from django.contrib import admin

from .models import Show


@admin.register(Show)
class ShowAdmin(admin.ModelAdmin):
    """Shows, in the admin."""

    list_display = ("title", "date")
    search_fields = ("title", "description")
    date_hierarchy = "date"
