"""The rules of the conformance kit, one module for each thing that they are about."""
