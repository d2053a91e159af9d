"""Blind answerability: how well questions can be answered without their image."""
