"""Tokens as the local issuer signs them, and as API Gateway's JWT authorizer would check them."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

ISSUER = "https://local.invalid/"
AUDIENCE = "prorata"
_ALGORITHM = "HS256"
_KEY_FILE = Path(".local/token-key")


def key() -> OctKey:
    """The key of this folder's local run, made when it is first asked for."""
    if not _KEY_FILE.exists():
        _KEY_FILE.parent.mkdir(exist_ok=True)
        _KEY_FILE.touch(mode=0o600)
        _KEY_FILE.write_text(secrets.token_hex(32))
    return OctKey.import_key(_KEY_FILE.read_text())


def sign(claims: dict[str, Any], signed_with: OctKey) -> str:
    """A token for these claims; it does not expire, its issuer is this machine."""
    header = {"alg": _ALGORITHM}
    return jwt.encode(header, {"iss": ISSUER, "aud": AUDIENCE, **claims}, signed_with)


def read(authorization: str | None, signed_with: OctKey) -> dict[str, Any] | None:
    """The claims of an ``Authorization`` header; ``None`` if it holds no token of ours."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    try:
        claims = jwt.decode(token.strip(), signed_with, algorithms=[_ALGORITHM]).claims
    except (JoseError, ValueError):
        return None
    return dict(claims) if (claims.get("iss"), claims.get("aud")) == (ISSUER, AUDIENCE) else None
