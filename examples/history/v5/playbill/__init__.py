"""Playbill: what's on at our little theatre."""

VERSION = "v5"
VERSION_NAME = "Lights Out"
