"""Texts, addresses and templates of what a person sees."""
