"""The record of usage: its way from a call to the database, and the queries that read it."""
