"""Playbill: what's on at our little theatre."""

VERSION = "v6"
VERSION_NAME = "Encore"
