"""Which schemas there are, and the type of an official package that each comes from."""

from __future__ import annotations

REQUESTS = {
    "audio.speech": "audio.speech_create_params:SpeechCreateParams",
    "audio.transcriptions": "audio.transcription_create_params:TranscriptionCreateParams",
    "audio.translations": "audio.translation_create_params:TranslationCreateParams",
    "batches": "batch_create_params:BatchCreateParams",
    "chat.completions": "chat.completion_create_params:CompletionCreateParams",
    "completions": "completion_create_params:CompletionCreateParams",
    "embeddings": "embedding_create_params:EmbeddingCreateParams",
    "files": "file_create_params:FileCreateParams",
    "fine_tuning.jobs": "fine_tuning.job_create_params:JobCreateParams",
    "images.edits": "image_edit_params:ImageEditParams",
    "images.generations": "image_generate_params:ImageGenerateParams",
    "images.variations": "image_create_variation_params:ImageCreateVariationParams",
    "moderations": "moderation_create_params:ModerationCreateParams",
    "realtime": "realtime.realtime_session_create_request_param:RealtimeSessionCreateRequestParam",
    "realtime.client_secrets": "realtime.client_secret_create_params:ClientSecretCreateParams",
    "responses": "responses.response_create_params:ResponseCreateParams",
    "responses.input_tokens": "responses.input_token_count_params:InputTokenCountParams",
    "responses.compact": "responses.response_compact_params:ResponseCompactParams",
    "uploads": "upload_create_params:UploadCreateParams",
    "vector_stores": "vector_store_create_params:VectorStoreCreateParams",
}
"""What clients of OpenAI's API send: `chat.completions` gives `chat.completions.request`."""

ANSWERS = {
    "audio.transcriptions.event": "audio:TranscriptionStreamEvent",
    "audio.transcriptions.response": "audio:TranscriptionCreateResponse",
    "audio.translations.response": "audio:TranslationCreateResponse",
    "batches.object": ":Batch",
    "chat.completions.chunk": "chat:ChatCompletionChunk",
    "chat.completions.response": "chat:ChatCompletion",
    "completions.chunk": ":Completion",
    "completions.response": ":Completion",
    "embeddings.response": ":CreateEmbeddingResponse",
    "files.deleted": ":FileDeleted",
    "files.object": ":FileObject",
    "fine_tuning.jobs.object": "fine_tuning:FineTuningJob",
    "images.edits.event": ":ImageEditStreamEvent",
    "images.edits.response": ":ImagesResponse",
    "images.event": ":ImageGenStreamEvent",
    "images.generations.response": ":ImagesResponse",
    "images.response": ":ImagesResponse",
    "images.variations.response": ":ImagesResponse",
    "models.deleted": ":ModelDeleted",
    "models.model": ":Model",
    "moderations.response": ":ModerationCreateResponse",
    "realtime.client_secrets.response": "realtime:ClientSecretCreateResponse",
    "realtime.response": "realtime:RealtimeSessionCreateResponse",
    "responses.compact.response": "responses:CompactedResponse",
    "responses.input_tokens.response": "responses:InputTokenCountResponse",
    "responses.event": "responses:ResponseStreamEvent",
    "responses.response": "responses:Response",
    "uploads.object": ":Upload",
    "vector_stores.object": ":VectorStore",
}
"""What they get."""

ANTHROPIC = {
    "messages.count_tokens.request": "message_count_tokens_params:MessageCountTokensParams",
    "messages.count_tokens.response": ":MessageTokensCount",
    "messages.event": ":RawMessageStreamEvent",
    "messages.request": "message_create_params:MessageCreateParams",
    "messages.response": ":Message",
    "models.info": ":ModelInfo",
}
"""What clients of Anthropic's API send and get."""

PACKAGES = ("openai", "anthropic")
"""Where the types come from."""


def sdk_types() -> dict[str, str]:
    """The type behind each schema, as `module:name`."""
    openai = {f"{endpoint}.request": type_ for endpoint, type_ in REQUESTS.items()} | ANSWERS
    below = {"openai": openai, "anthropic": ANTHROPIC}
    found = {
        schema: f"{package}.types.{type_}".replace(".:", ":")
        for package in PACKAGES
        for schema, type_ in below[package].items()
    }
    return dict(sorted(found.items()))
