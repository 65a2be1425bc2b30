// Logging in: any user name will do and becomes the subject; consent is always given.

import { loginPage } from './pages.mjs';

async function readForm(request) {
  let body = '';
  for await (const chunk of request) body += chunk;
  return new URLSearchParams(body);
}

// A grant per login, as at Auth0: reuse of one login's refresh token must not end another login.
async function grantEverything(provider, interaction) {
  const { params, session } = interaction;
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope ?? 'openid');
  for (const resource of [params.resource ?? params.audience ?? []].flat()) grant.addResourceScope(resource, params.scope ?? '');
  const { details } = interaction.prompt;
  if (details.missingOIDCClaims) grant.addOIDCClaims(details.missingOIDCClaims);
  return grant.save();
}

async function answer(provider, request, interaction) {
  if (request.method === 'POST') {
    const form = await readForm(request);
    if (form.get('action') === 'deny') {
      return { error: 'access_denied', error_description: 'User did not authorize the request' };
    }
    const accountId = form.get('username');
    return accountId ? { login: { accountId, amr: ['pwd'], remember: true } } : undefined;
  }
  if (interaction.prompt.name === 'consent') {
    return { consent: { grantId: await grantEverything(provider, interaction) } };
  }
  return undefined;
}

export function interactionRoutes(provider) {
  return async (ctx, next) => {
    if (!ctx.path.startsWith('/interaction/')) return next();
    const interaction = await provider.interactionDetails(ctx.req, ctx.res);
    const result = await answer(provider, ctx.req, interaction);
    if (result) {
      const returnTo = await provider.interactionResult(ctx.req, ctx.res, result, { mergeWithLastSubmission: !result.error });
      ctx.status = 303;
      ctx.redirect(returnTo);
    } else {
      ctx.type = 'html';
      ctx.body = loginPage(interaction);
    }
    return undefined;
  };
}

function withConsent(parameters) {
  const prompts = (parameters.prompt ?? '').split(' ').filter(Boolean);
  const scopes = (parameters.scope ?? '').split(' ');
  if (!scopes.includes('offline_access') || prompts.includes('none') || prompts.includes('consent')) return parameters;
  return { ...parameters, prompt: [...prompts, 'consent'].join(' ') };
}

// The provider gives refresh tokens only after prompt=consent; Auth0 does so without. Silent requests stay as they are.
export function consentForRefreshTokens() {
  return async (ctx, next) => {
    if (ctx.path === '/authorize' && ctx.method === 'GET' && typeof ctx.query.scope === 'string') {
      ctx.query = withConsent(ctx.query);
    } else if (ctx.path === '/oauth/par' && ctx.method === 'POST' && ctx.is('application/x-www-form-urlencoded')) {
      ctx.req.body = withConsent(Object.fromEntries(await readForm(ctx.req)));
    }
    return next();
  };
}

