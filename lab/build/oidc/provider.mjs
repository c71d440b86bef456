// An OpenID provider for tests: oidc-provider with its development pages, where any password is right. Configured by one JSON object
// in OIDC_PROVIDER: {issuer, clients, accounts: {login: claims}, jwks, ttl, tls: {key, cert}}. Prints "listening" when it does.
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { readFileSync } from 'node:fs';
import Provider from 'oidc-provider';

const config = JSON.parse(process.env.OIDC_PROVIDER);
const provider = new Provider(config.issuer, {
  clients: config.clients,
  jwks: config.jwks,
  ttl: config.ttl,
  cookies: { keys: ['for tests only'] },
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'given_name', 'family_name', 'groups'] },
  conformIdTokenClaims: !config.claimsInToken,
  findAccount: (ctx, login) => ({
    accountId: login,
    claims: () => ({ sub: login, ...config.accounts[login] }),
  }),
});
const { hostname, port } = new URL(config.issuer);
const server = config.tls
  ? createSecureServer({ key: readFileSync(config.tls.key), cert: readFileSync(config.tls.cert) }, provider.callback())
  : createServer(provider.callback());
server.listen(Number(port), hostname, () => console.log('listening'));
