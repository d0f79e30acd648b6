"""Playbill: what's on at our little theatre."""

VERSION = "v4"
VERSION_NAME = "The Understudy"
