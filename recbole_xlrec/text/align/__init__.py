"""Alignment: maps on top of frozen vectors, fitted on parallel text, that bring languages together."""
