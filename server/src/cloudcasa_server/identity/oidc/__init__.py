"""Signing in with OpenID providers (ADR 0019): authorization code with PKCE, state and nonce. The only user of authlib and joserfc."""

from .admission import AdmissionRules
from .arrival import Arrivals
from .flow import Flows
from .provider import OpenIdProvider, Providers
from .routes import accept_with_provider, finish, start

__all__ = ["AdmissionRules", "Arrivals", "Flows", "OpenIdProvider", "Providers", "accept_with_provider", "finish", "start"]
