"""Who signs the callers' tokens of a deployment on this machine: an OpenID issuer on loopback, with its key set."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from joserfc import jwt
from joserfc.jwk import RSAKey

AUDIENCE = "prorata"
_VALID = timedelta(hours=1)


def new_key() -> RSAKey:
    """A key of its own; all of them bear the same id, as a forger's would."""
    return RSAKey.generate_key(2048, {"kid": "local", "use": "sig", "alg": "RS256"})


class Issuer:
    """Serves its key set from when it is made until it is closed."""

    def __init__(self) -> None:
        self.key = new_key()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, args=(0.05,), name="issuer", daemon=True).start()

    def sign(self, now: datetime, key: RSAKey | None = None, **claims: Any) -> str:
        """A token for these claims, good for an hour from ``now``."""
        issued = int(now.timestamp())
        standard = {"iss": self.address, "aud": AUDIENCE, "iat": issued, "exp": issued + int(_VALID.total_seconds())}
        return jwt.encode({"alg": "RS256", "kid": "local"}, standard | claims, key or self.key)

    def close(self) -> None:
        """Serve no longer."""
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                documents = {
                    "/.well-known/openid-configuration": {
                        "issuer": issuer.address,
                        "jwks_uri": f"{issuer.address}/keys",
                    },
                    "/keys": {"keys": [issuer.key.as_dict(private=False)]},
                }
                content = json.dumps(documents.get(self.path, {})).encode()
                self.send_response(200 if self.path in documents else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        return Handler
