"""Playbill: what's on at our little theatre."""

VERSION = "v3"
VERSION_NAME = "Fine Print"
