"""Playbill: what's on at our little theatre."""

VERSION = "v1"
VERSION_NAME = "First Night"
