"""What vendors mean by an error, beyond its status: one table of their codes and words.

A status alone misleads: 400 is an overlong prompt, an empty account or a bad key, 429 a limit
that passes or a bill that does not. Codes are compared in lower case.

A message may quote the request, so a client can have a vendor say any words. So words never count
against a target, as a code does; and those that speak of the operator have to begin the message.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from tornado_router.errors import ProviderError

_LOOKED_AT = 1000
"""Of a message, so many characters are looked at."""


class Meaning(Enum):
    """What is the matter."""

    NO_CREDIT = "the operator's account cannot pay"
    BAD_KEY = "the operator's key is refused"
    NO_REGION = "the vendor does not serve the router's region"
    NO_MODEL = "the vendor has no such model for this account"
    TOO_LONG = "the prompt exceeds the model's context"
    TOO_LARGE = "the request exceeds what this target takes at all"
    FILTERED = "the vendor's filter refuses the content"
    UNABLE = "the model cannot do what the request asks for"
    MISMADE = "the model made what its vendor does not pass on"


@dataclass(frozen=True, slots=True)
class _Sign:
    """How one meaning is known.

    Attributes:
        meaning: what it means.
        codes: values of `code` or `type`, wherever they come.
        words: what the message says.
        statuses: those that may come with the words; empty for any.
    """

    meaning: Meaning
    codes: frozenset[str]
    words: re.Pattern[str]
    statuses: frozenset[int] = frozenset()

    def says(self, status: int, words: str) -> bool:
        """Whether the words of an error mean this."""
        if self.statuses and status not in self.statuses:
            return False
        if self.meaning is Meaning.TOO_LONG and _PASSING.search(words):
            return False
        return self.words.search(words) is not None


def _words(*forms: str) -> re.Pattern[str]:
    return re.compile("|".join(forms), re.IGNORECASE)


_NONE = re.compile(r"(?!)")

PAYMENT_REQUIRED = 402
REFUSED = frozenset((401, 403))
"""Statuses by which a vendor refuses a key, unless it says that something else is the matter."""

_REFUSALS = frozenset((400, 403, 404, 413, 422))
"""Statuses by which vendors refuse a request."""

_SIGNS = (
    _Sign(
        Meaning.NO_CREDIT,
        frozenset(
            (
                # https://help.openai.com/en/articles/6614457, and the many that copy it
                "insufficient_quota",
                "credit_balance_exhausted",
                "organization_spend_limit_exceeded",
                "project_spend_limit_exceeded",
                "organization_usage_limit_exceeded",
                "billing_not_active",
                "billing_hard_limit_reached",
                # https://platform.claude.com/docs/en/api/errors
                "billing_error",
                "enforced_spend_limit_reached",
                # https://help.aliyun.com/en/model-studio/error-code
                "arrearage",
                "allocationquota.freetieronly",
                # https://platform.kimi.com/docs/api/errors
                "exceeded_current_quota_error",
                # https://docs.z.ai/api-reference/api-code: in arrears
                "1113",
                # https://ai.baidu.com/ai-doc/AppBuilder/4m8sgh88y
                "billing_insufficient_balance",
                # https://docs.zenmux.ai/guide/advanced/error-codes.html
                "insufficient_credit",
                "reject_no_credit",
                "insufficient_credits",
                "insufficient_balance",
            )
        ),
        _words(
            r"^your credit balance is too low",  # Anthropic, 400
            r"^you have reached your specified (?:workspace )?api usage limits",  # Anthropic, 400
            r"^your (?:newly created )?team\b.{0,60}"  # xAI, 403 or 429
            r"\b(?:used all available credits|doesn't have any credits)",
            r"^access denied, please make sure your account is in good standing",  # Alibaba, 400
            # DeepSeek, 402 elsewhere; MiniMax's 1008 behind a 200; gateways
            r"^(?:error: )?(?:credit )?insufficient (?:account )?(?:balance|credits|funds)\b",
            r"^your account\b.{0,60}\bsuspended\b.{0,40}\binsufficient balance",  # Moonshot, 429
            r"^key limit exceeded",  # OpenRouter, 403: the limit of the operator's key
            r"^credit limit exceeded",  # Together
            r"^you have no credits remaining",
        ),
    ),
    _Sign(
        Meaning.BAD_KEY,
        frozenset(
            (
                "invalid_api_key",
                "incorrect_api_key_error",
                "invalid_authentication_error",
                "invalidapikey",
                "api_key_invalid",
                "authentication_error",
            )
        ),
        _words(
            r"^incorrect api key provided",  # xAI, 400
            r"^api key (?:not valid|expired|not found)",  # Google's OpenAI-shaped API, 400
            r"^(?:invalid|no) (?:api key|auth credentials)",
        ),
        frozenset((400, 401, 403, 502)),
    ),
    _Sign(
        Meaning.NO_REGION,
        # https://platform.openai.com/docs/guides/error-codes
        frozenset(("unsupported_country_region_territory",)),
        _words(
            r"^country, region, or territory not supported",
            # https://ai.google.dev/gemini-api/docs/troubleshooting, 400 FAILED_PRECONDITION
            r"^user location is not supported",
            r"^gemini api free tier is not available in your country",
        ),
        _REFUSALS,
    ),
    _Sign(
        Meaning.TOO_LARGE,
        frozenset(("request_too_large",)),
        # https://console.groq.com/docs/errors (413) and OpenAI (429): one request is beyond the
        # tokens per minute of the account, so no wait makes it fit.
        _words(r"^request too large for "),
        frozenset((400, 413, 429)),
    ),
    _Sign(
        Meaning.TOO_LONG,
        frozenset(
            (
                "context_length_exceeded",
                # https://github.com/ggml-org/llama.cpp/blob/master/tools/server
                "exceed_context_size_error",
                "model_context_window_exceeded",  # Z.ai
                "tokens_too_long",  # Baidu
                "1261",  # Z.ai: the prompt is too long
            )
        ),
        # Collected in https://github.com/earendil-works/pi/issues/129 and in
        # packages/ai/src/utils/overflow.ts there, by asking each vendor.
        _words(
            r"prompt is too long",  # Anthropic, Fireworks
            r"exceed context limit: \d",  # Anthropic: input length and `max_tokens` together
            r"input is too long for",  # Amazon Bedrock
            r"exceeds the context window",  # OpenAI's Responses
            r"maximum context length (?:is|of) [\d,]+",  # OpenAI, vLLM, OpenRouter, DeepSeek
            r"maximum context length \([\d,]+",
            r"longer than the (?:maximum model|model'?s context) length",  # vLLM; SGLang, Together
            r"context length is only \d+ tokens",  # vLLM
            r"input token count.{0,40}exceeds the maximum",  # Google
            r"too large for model with \d+ maximum context length",  # Mistral
            r"maximum prompt length is \d+",  # xAI
            r"prompt too long; exceeded (?:max )?context length",  # Ollama
            r"input length exceeds (?:the )?context length",  # Ollama's embeddings
            r"exceeds the available context size",  # llama.cpp
            r"greater than the context length",  # LM Studio
            r"reduce the length of the messages",  # Groq, OpenAI
            r"exceeded model token limit",  # Moonshot
            r"input token length too long",  # Moonshot
            r"context window exceeds limit",  # MiniMax
            r"exceeds the maximum allowed input length of [\d,]+ tokens",  # Poolside
            r"range of input length should be",  # Alibaba
            r"tokens in request more than max tokens allowed",
            r"`?inputs`? tokens \+ `?max_new_tokens`? must be",  # Hugging Face's TGI, Together
            r"too many tokens: (?:size|total)",  # Cohere
            r"total tokens exceeds the model's max of",  # Cohere
        ),
        frozenset((400, 413, 422, 500, 502)),
    ),
    _Sign(
        Meaning.FILTERED,
        frozenset(
            (
                # https://learn.microsoft.com/azure/ai-foundry/openai/concepts/content-filter
                "content_filter",
                "responsibleaipolicyviolation",
                "content_policy_violation",
                "image_content_policy_violation",
                "moderation_blocked",
                "datainspectionfailed",  # Alibaba
                "data_inspection_failed",
                "content_moderation",
                "safety_check_failed",  # ZenMux
                "1301",  # Z.ai
            )
        ),
        _words(
            r"the response was filtered due to the prompt",  # Azure
            r"output blocked by content filtering policy",  # Anthropic
            r"requires moderation\b.{0,60}\bflagged",  # OpenRouter, 403
            r"content exists risk",  # DeepSeek
            r"rejected because it was considered high risk",  # Moonshot
            r"data may contain inappropriate content",  # Alibaba
            r"content violates usage guidelines",  # xAI, 403
        ),
        _REFUSALS | {502},
    ),
    _Sign(
        Meaning.NO_MODEL,
        frozenset(
            (
                "model_not_found",
                "modelnotfound",
                "model_decommissioned",  # Groq, 400
                "deploymentnotfound",  # Azure
                "1211",  # Z.ai
            )
        ),
        _words(
            r"^\S{1,200} is not a valid model id",  # OpenRouter, 400
            r"^model not exist",  # DeepSeek, 400
            r"^(?:the )?models?:?/? ?\S{1,200} (?:is )?(?:not found|does not exist|not exist)",
            r"^model: \S{1,200}$",  # Anthropic, 404
            r"^invalid model: ",  # Mistral, 400
        ),
        _REFUSALS,
    ),
    _Sign(
        Meaning.UNABLE,
        # https://platform.openai.com/docs/guides/error-codes
        frozenset(("unsupported_parameter", "unsupported_value")),
        _words(
            # OpenAI: "'max_tokens' is not supported with this model"; xAI: "on this model"
            r"\bnot supported (?:by|for|in|on|with) (?:this|the) model\b",
            # Ollama and Groq: "does not support tools"; Mistral: "... image input"
            r"\bdoes not support (?:the )?(?:tools?|tool calling|function calling|images?|vision|"
            r"audio|files?|response format|structured outputs?|json mode|logprobs|streaming)\b",
            r"^no endpoints found that support",  # OpenRouter
            r"\bis not a multimodal model",  # vLLM
        ),
        _REFUSALS | {502},
    ),
    _Sign(
        Meaning.MISMADE,
        # https://console.groq.com/docs/tool-use, https://console.groq.com/docs/structured-outputs
        frozenset(("tool_use_failed", "json_validate_failed", "output_parse_failed")),
        _NONE,
    ),
)
"""In the order in which they are looked for; all codes come before any words."""

_PASSING = _words(r"rate limit", r"too many requests", r"per minute")
"""Words that tell a limit from a prompt that is too long, such as Amazon's "Too many tokens"."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A meaning, and how it is known.

    Attributes:
        meaning: what the vendor means.
        by_code: whether its code or status says so, and not its words alone.
    """

    meaning: Meaning
    by_code: bool


def meaning_of(error: ProviderError) -> Reading | None:
    """What a vendor means by an error; None if its status says it all."""
    if error.status == PAYMENT_REQUIRED:
        # OpenRouter's "in-flight budget" passes, and says when:
        # https://openrouter.ai/docs/api/reference/limits
        return (
            None if error.headers.get("Retry-After") else Reading(Meaning.NO_CREDIT, by_code=True)
        )
    names = {name.lower() for name in (error.code, error.type) if isinstance(name, str)}
    for sign in _SIGNS:
        if names & sign.codes:
            return Reading(sign.meaning, by_code=True)
    words = (error.words or error.message)[:_LOOKED_AT]
    for sign in _SIGNS:
        if sign.says(error.status, words):
            return Reading(sign.meaning, by_code=False)
    if error.status in REFUSED:
        return Reading(Meaning.BAD_KEY, by_code=True)
    return None
