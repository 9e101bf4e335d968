"""The list of models, as each vendor gives it: clients ask for it before they begin."""

from collections.abc import Mapping
from typing import Any, Final

_CREATED: Final = 1_750_000_000
_CREATED_AT: Final = "2025-06-15T00:00:00Z"
_DEFAULT: Final = "simulated-model"


def answer(path: str, headers: Mapping[str, str]) -> dict[str, Any] | None:
    """Return what a GET of `path` answers, None when it has nothing to do with models."""
    before, found, after = path.rpartition("/models")
    if not found or (after and not after.startswith("/")):
        return None
    model = after[1:] or _DEFAULT
    if "anthropic-version" in headers:
        one: dict[str, Any] = {
            "type": "model",
            "id": model,
            "display_name": model,
            "created_at": _CREATED_AT,
            "lifecycle": "active",
            "max_input_tokens": 200_000,
            "max_tokens": 64_000,
        }
        return one if after else {"data": [one], "has_more": False, "first_id": model, "last_id": model}
    if "v1beta" in before or "x-goog-api-key" in headers:
        one = {"name": f"models/{model}", "displayName": model, "supportedGenerationMethods": ["generateContent"]}
        return one if after else {"models": [one]}
    one = {"id": model, "object": "model", "created": _CREATED, "owned_by": "simulator"}
    return one if after else {"object": "list", "data": [one]}
