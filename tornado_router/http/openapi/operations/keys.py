"""`/api-keys`, and the key that is in use."""

from __future__ import annotations

from tornado_router.endpoints import EMBEDDINGS
from tornado_router.http.objects.current_key import KeyInUseResponse
from tornado_router.http.objects.keys import (
    ApiKey,
    ApiKeyChanges,
    ApiKeyList,
    ApiKeyWithSecret,
    NewApiKey,
    Rotation,
)
from tornado_router.http.openapi.operations.base import PAGE, USER_ID, Operation, Operations, json

OPERATIONS: Operations = {
    "current_key": {
        "get": Operation(
            summary="Get the API key that is sent",
            description="What is left of its budget, its limits and its end, without the secret: "
            "for the holder of a key, who cannot log in.",
            content=json(KeyInUseResponse),
        )
    },
    "keys": {
        "get": Operation(
            summary="List API keys",
            query={**PAGE, "user_id": USER_ID},
            content=json(ApiKeyList),
            errors=(404,),
        ),
        "post": Operation(
            summary="Create an API key",
            description="The response is the only one that shows the key.",
            body=NewApiKey,
            examples={
                "A key": {"name": "laptop"},
                "With a budget": {
                    "name": "chatbot",
                    "budget": 25,
                    "budget_period": "month",
                    "rpm": 60,
                },
                "For some models": {
                    "name": "search",
                    "models": ["text-embedding-*"],
                    "endpoints": [EMBEDDINGS.name],
                    "expires_at": 1924992000,
                },
            },
            content=json(ApiKeyWithSecret),
            status=201,
            errors=(403, 409),
        ),
    },
    "key": {
        "get": Operation(summary="Get an API key", content=json(ApiKey)),
        "patch": Operation(
            summary="Change an API key",
            description="Fields that are left out stay as they are; null removes a limit.",
            body=ApiKeyChanges,
            examples={
                "Limits": {"rpm": 120, "budget": None},
                "Disable": {"is_active": False},
            },
            content=json(ApiKey),
            errors=(403,),
        ),
        "delete": Operation(summary="Revoke an API key permanently", status=204),
    },
    "key.rotate": {
        "post": Operation(
            summary="Rotate an API key's secret",
            description="The previous secret works for another `grace_seconds`.",
            body=Rotation,
            body_required=False,
            examples={"With an hour's grace": {"grace_seconds": 3600}},
            content=json(ApiKeyWithSecret),
        )
    },
}
