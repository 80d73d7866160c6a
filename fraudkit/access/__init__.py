"""Who may call a service: API keys, their limits, and the record of administrative changes."""

from fraudkit.access.api_key import SCOPES, ApiKey, Scope, digest_of, key_id_of, new_key
from fraudkit.access.audit import AuditRow, append_audit, read_audit
from fraudkit.access.key_changes import create_key, revoke_key
from fraudkit.access.key_file import KeyFile, read_keys
from fraudkit.access.token_bucket import TokenBucket

__all__ = [
    "SCOPES",
    "ApiKey",
    "AuditRow",
    "KeyFile",
    "Scope",
    "TokenBucket",
    "append_audit",
    "create_key",
    "digest_of",
    "key_id_of",
    "new_key",
    "read_audit",
    "read_keys",
    "revoke_key",
]
