"""Requests that go to a vendor as they are: who may send them, whose things they name, and back."""
