"""The JSON objects of the management endpoints: one class each, for the JSON and for its schema.

A field, its type and its description stand once, in the class. `of(row)` makes the object from a
row of the database; the handlers write it, and the OpenAPI document has its schema.
"""
