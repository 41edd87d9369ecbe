"""Builders and checks that several test files share."""
