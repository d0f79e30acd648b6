"""Playbill: what's on at our little theatre."""

VERSION = "v2"
VERSION_NAME = "Second Stage"
