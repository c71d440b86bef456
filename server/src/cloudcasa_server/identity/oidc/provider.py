"""One OpenID provider: its discovery document, its keys, the way there and the exchange of the code. Cached for an hour; keys that are
not known are asked for again, so a provider can exchange them at any time.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx2
import structlog
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client

from ...kit.clock import Clock
from ...kit.errors import NotFoundError, UnauthorizedError, UnavailableError
from ...kit.provider_settings import ProviderSettings
from .claims import Expected, Person, TokenError, completed, person_of, verify_id_token
from .flow import Flow
from .transport import TIMEOUT_SECONDS, GuardedTransport, is_known_place, trust_of

log = structlog.get_logger(__name__)

CACHE_SECONDS = 3_600.0
FRESH_SECONDS = 10.0
"""How soon keys may be asked for again, so that forged tokens do not make the provider busy."""
AWAY_SECONDS = 5.0
"""For how long a provider that could not be reached is not asked again, so that people who wait for it do not pile up."""
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class OpenIdProvider:
    """A provider that people sign in with."""

    def __init__(self, settings: ProviderSettings, *, redirect_uri: str, clock: Clock) -> None:
        """Remember the settings; nothing is asked yet."""
        self.settings = settings
        self._redirect_uri = redirect_uri
        self._clock = clock
        self._away_until = 0.0
        self._trust: ssl.SSLContext | None = None
        self._lock = asyncio.Lock()
        self._metadata: tuple[float, dict[str, Any]] | None = None
        self._keys: tuple[float, dict[str, Any]] | None = None

    async def way_there(self, flow: Flow) -> str:
        """Return the address at the provider that begins the login."""
        metadata = await self._discover()
        async with self._client(metadata) as client:
            url, _ = client.create_authorization_url(
                metadata["authorization_endpoint"], state=flow.state, nonce=flow.nonce, code_verifier=flow.verifier
            )
        return str(url)

    async def who_came_back(self, flow: Flow, code: str, *, issuer: str | None) -> Person:
        """Return the person for whom the provider gave the code. Raises UnauthorizedError, UnavailableError."""
        metadata = await self._discover()
        is_announced = metadata.get("authorization_response_iss_parameter_supported") is True
        if (issuer is None and is_announced) or issuer not in {None, self.settings.issuer}:
            raise self._refusal("the answer is not from this provider")
        async with self._client(metadata) as client:
            token = await self._exchange(client, metadata, flow, code)
            claims = await self._verified(token, flow)
            claims = await self._completed(client, metadata, claims, token)
        names = {"email_claim": self.settings.email_claim, "groups_claim": self.settings.groups_claim}
        return person_of(claims, issuer=self.settings.issuer, trust_email=self.settings.trust_email, **names)

    async def _exchange(self, client: AsyncOAuth2Client, metadata: Mapping[str, Any], flow: Flow, code: str) -> dict[str, Any]:
        try:
            with self._translated():
                token = await client.fetch_token(metadata["token_endpoint"], code=code, code_verifier=flow.verifier)
        except OAuthError as e:
            raise self._refusal(f"the code was not taken ({str(e.error)[:60]})") from e
        return dict(token)

    async def _verified(self, token: Mapping[str, Any], flow: Flow) -> dict[str, Any]:
        """Return the claims; ask for the keys once more when the token does not fit those that are known."""
        access_token = str(token.get("access_token") or "")
        expected = Expected(self.settings.issuer, self.settings.client_id, flow.nonce, self._clock.timestamp(), access_token)
        try:
            return verify_id_token(token.get("id_token"), await self._key_set(), expected)
        except TokenError as first:
            if self._keys is not None and self._clock.monotonic() - self._keys[0] < FRESH_SECONDS:
                raise self._refusal(str(first)) from first
        try:
            return verify_id_token(token.get("id_token"), await self._key_set(is_fresh=True), expected)
        except TokenError as e:
            raise self._refusal(str(e)) from e

    async def _completed(
        self, client: AsyncOAuth2Client, metadata: Mapping[str, Any], claims: dict[str, Any], token: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the claims, with those of the user info endpoint when address or groups are missing; of the same subject only."""
        url = metadata.get("userinfo_endpoint")
        wanted = {self.settings.email_claim, self.settings.groups_claim, "email_verified"}
        if wanted <= claims.keys() or not isinstance(url, str) or not is_known_place(url, self.settings):
            return claims
        headers = {"Authorization": f"Bearer {token.get('access_token')}"}
        with self._translated():
            answer = await client.request("GET", url, withhold_token=True, headers=headers)
            more = answer.json() if answer.is_success else {}
        return completed(claims, more, email_claim=self.settings.email_claim)

    async def _discover(self) -> dict[str, Any]:
        async with self._lock:
            if self._clock.monotonic() < self._away_until:
                raise self._unavailable()
            if self._metadata is None or self._clock.monotonic() - self._metadata[0] >= CACHE_SECONDS:
                self._metadata = (self._clock.monotonic(), await self._discovered())
            return self._metadata[1]

    async def _discovered(self) -> dict[str, Any]:
        try:
            found = await self._get_json(f"{self.settings.issuer.rstrip('/')}/.well-known/openid-configuration")
            self._check(found)
        except UnavailableError:
            self._away_until = self._clock.monotonic() + AWAY_SECONDS
            raise
        return found

    def _check(self, metadata: Mapping[str, Any]) -> None:
        """Refuse a discovery document of another issuer, and addresses that the operator did not mean."""
        if metadata.get("issuer") != self.settings.issuer:
            raise self._away(f'its discovery document is of the issuer "{str(metadata.get("issuer"))[:200]}"')
        for name in _ENDPOINTS:
            url = metadata.get(name)
            if not isinstance(url, str) or not is_known_place(url, self.settings):
                raise self._away(f'its {name} "{str(url)[:200]}" is not on the issuer\'s host, nor on one of endpoint_hosts')

    async def _key_set(self, *, is_fresh: bool = False) -> dict[str, Any]:
        metadata = await self._discover()
        async with self._lock:
            if is_fresh or self._keys is None or self._clock.monotonic() - self._keys[0] >= CACHE_SECONDS:
                self._keys = (self._clock.monotonic(), await self._get_json(metadata["jwks_uri"]))
            return self._keys[1]

    async def _get_json(self, url: str) -> dict[str, Any]:
        async with self._client({}) as client:
            with self._translated():
                answer = await client.request("GET", url, withhold_token=True, headers={"Accept": "application/json"})
                if not answer.is_success:
                    raise self._away(f"{url} answered {answer.status_code}")
                found = answer.json()
        if not isinstance(found, dict):
            raise self._away(f"{url} answered something that is no object")
        return found

    @asynccontextmanager
    async def _client(self, metadata: Mapping[str, Any]) -> AsyncIterator[AsyncOAuth2Client]:
        """Return a client for one login, whose every request goes through the guarded transport."""
        with self._translated():
            self._trust = self._trust or trust_of(self.settings)
            secret = self._secret()
            methods = metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
            method = "client_secret_basic" if "client_secret_basic" in methods else "client_secret_post"
            client = AsyncOAuth2Client(
                self.settings.client_id,
                secret,
                token_endpoint_auth_method=method if secret else "none",
                scope=" ".join(self.settings.scopes),
                redirect_uri=self._redirect_uri,
                code_challenge_method="S256",
                transport=GuardedTransport(self.settings, self._trust),
                timeout=TIMEOUT_SECONDS,
                trust_env=False,
                follow_redirects=False,
            )
        async with client:
            yield client

    def _secret(self) -> str | None:
        if self.settings.client_secret_file:
            return self.settings.client_secret_file.read_text("utf-8").strip()
        return self.settings.client_secret.get_secret_value() if self.settings.client_secret else None

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Say in our words what goes wrong on the way; certificates and names are the administrator's to see, in the log."""
        try:
            yield
        except (httpx2.HTTPError, ssl.SSLError, OSError, ValueError) as e:
            raise self._away(f"{type(e).__name__}: {str(e)[:300]}") from e

    def _refusal(self, reason: str) -> UnauthorizedError:
        log.warning("A login with a provider was refused", provider=self.settings.id, reason=reason)
        return UnauthorizedError(f'"{self.settings.name}" did not sign you in: {reason}. Begin again.')

    def _away(self, reason: str) -> UnavailableError:
        log.warning("An OpenID provider cannot be used", provider=self.settings.id, reason=reason)
        return self._unavailable()

    def _unavailable(self) -> UnavailableError:
        text = f'"{self.settings.name}" cannot be reached now. Try again, or sign in another way; the server\'s log has the reason.'
        return UnavailableError(text, headers={"Retry-After": "10"})


class Providers:
    """The providers of the settings, by id."""

    def __init__(self, settings: Sequence[ProviderSettings], *, public_url: str, clock: Clock) -> None:
        """Make one for each."""
        base = public_url.rstrip("/")
        self._by_id = {one.id: OpenIdProvider(one, redirect_uri=f"{base}/api/v1/auth/{one.id}/callback", clock=clock) for one in settings}

    def get(self, provider_id: str) -> OpenIdProvider:
        """Return a provider. Raises NotFoundError."""
        if provider_id not in self._by_id:
            raise NotFoundError(f'There is no OpenID provider "{provider_id[:40]}" here. GET /api/v1/auth/providers lists what there is.')
        return self._by_id[provider_id]
