// Maps our few options to oidc-provider's configuration, with Auth0's paths and habits.

import { generateKeyPairSync, randomBytes } from 'node:crypto';

import { loggedOutPage, logoutPage, sendPage } from './pages.mjs';
import { Adapter } from './store.mjs';

const AUTH0_PARAMETERS = ['audience', 'organization', 'invitation', 'connection', 'screen_hint'];

const LOOPBACK = new Set(['127.0.0.1', 'localhost', '[::1]']);

export function newSigningKeys() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const kid = randomBytes(8).toString('hex');
  return { keys: [{ ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256', kid }] };
}

export function clientMetadata(client) {
  return {
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'client_secret_post',
    id_token_signed_response_alg: 'RS256',
    ...(client.backchannel_logout_uri ? { backchannel_logout_session_required: true } : {}),
    ...client,
  };
}

function claimsOf(sub, users) {
  const name = sub.includes('|') ? sub.slice(sub.indexOf('|') + 1) : sub;
  return {
    sub,
    name,
    nickname: name,
    email: name.includes('@') ? name : `${name.replace(/[^\w.+-]/g, '.')}@example.com`,
    email_verified: true,
    ...users[sub],
  };
}

export function buildConfiguration(options) {
  const {
    signingKeys = newSigningKeys(),
    users = {},
    apiScopes = ['read:appointments', 'write:appointments'],
    accessTokenLifetime = 3600,
    idTokenLifetime = 36000,
    refreshTokenLifetime = 2592000,
    rotateRefreshTokens = true,
    dpopNonceRequired = false,
    parRequired = false,
    pkceRequired = false,
  } = options;

  return {
    adapter: Adapter,
    jwks: signingKeys,
    clockTolerance: 0,
    cookies: { keys: [randomBytes(16).toString('hex')] },
    routes: {
      authorization: '/authorize',
      token: '/oauth/token',
      userinfo: '/userinfo',
      jwks: '/.well-known/jwks.json',
      end_session: '/oidc/logout',
      revocation: '/oauth/revoke',
      pushed_authorization_request: '/oauth/par',
    },
    scopes: ['openid', 'offline_access'],
    claims: {
      openid: ['sub'],
      profile: ['name', 'nickname', 'given_name', 'family_name', 'picture', 'updated_at'],
      email: ['email', 'email_verified'],
    },
    conformIdTokenClaims: false, // Auth0 puts profile and e-mail into the ID token
    extraParams: AUTH0_PARAMETERS,
    findAccount: (ctx, sub) => ({ accountId: sub, claims: () => claimsOf(sub, users) }),
    responseTypes: ['code', 'code id_token', 'id_token'],
    pkce: { required: () => pkceRequired },
    rotateRefreshToken: rotateRefreshTokens,
    ttl: {
      AccessToken: accessTokenLifetime,
      AuthorizationCode: 60,
      Grant: refreshTokenLifetime,
      IdToken: idTokenLifetime,
      Interaction: 600,
      RefreshToken: refreshTokenLifetime,
      Session: 86400,
    },
    interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
    enabledJWA: { dPoPSigningAlgValues: ['ES256', 'EdDSA'] },
    features: {
      devInteractions: { enabled: false },
      userinfo: { enabled: true },
      revocation: { enabled: true },
      backchannelLogout: { enabled: true },
      claimsParameter: { enabled: true },
      pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: parRequired },
      requestObjects: { enabled: true },
      dPoP: { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => dpopNonceRequired },
      rpInitiatedLogout: { enabled: true, logoutSource: logoutPage, postLogoutSuccessSource: loggedOutPage },
      resourceIndicators: {
        enabled: true,
        // Auth0's `audience` is not a standard parameter: it becomes the resource indicator.
        defaultResource: (ctx, client, oneOf) => oneOf?.[0] ?? ctx.oidc.params.audience,
        useGrantedResource: () => true,
        getResourceServerInfo: (ctx, audience) => ({
          audience,
          scope: apiScopes.join(' '),
          accessTokenFormat: 'jwt',
          accessTokenTTL: accessTokenLifetime,
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
    // The provider refuses to call addresses on loopback, where the relying parties of the tests live.
    fetch: (url, { dispatcher, ...request }) => {
      const guarded = LOOPBACK.has(new URL(url).hostname) ? request : { ...request, dispatcher };
      return globalThis.fetch(url, guarded);
    },
    renderError: (ctx, out) => sendPage(ctx, out.error, [out.error, out.error_description]),
  };
}
