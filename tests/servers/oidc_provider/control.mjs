// What tests may read and change from outside: counters, the clock, clients, a user's access.

import { advance, resetClock } from './clock.mjs';
import { clientMetadata } from './configuration.mjs';
import { Adapter, countOf, endGrantsOf, forgetEverything } from './store.mjs';

function newCounters() {
  return {
    token_requests: {}, // grant type -> { ok, failed }
    requests: {}, // path -> number
    refresh_tokens_reused: 0,
    grants_revoked: 0,
    backchannel_logouts: { ok: 0, failed: 0 },
  };
}

let counters = newCounters();

export function countEvents(provider) {
  provider.on('grant.revoked', () => { counters.grants_revoked += 1; });
  provider.on('grant.error', (ctx, error) => {
    if (error.error_detail === 'refresh token already used') counters.refresh_tokens_reused += 1;
  });
  provider.on('backchannel.success', () => { counters.backchannel_logouts.ok += 1; });
  provider.on('backchannel.error', () => { counters.backchannel_logouts.failed += 1; });
}

export function countRequests() {
  return async (ctx, next) => {
    await next();
    if (ctx.path.startsWith('/_control/')) return;
    counters.requests[ctx.path] = (counters.requests[ctx.path] ?? 0) + 1;
    const grantType = ctx.path === '/oauth/token' && ctx.oidc?.params?.grant_type;
    if (grantType) {
      counters.token_requests[grantType] ??= { ok: 0, failed: 0 };
      counters.token_requests[grantType][ctx.status === 200 ? 'ok' : 'failed'] += 1;
    }
  };
}

export async function registerClients(clients) {
  const store = new Adapter('Client');
  for (const client of clients) await store.upsert(client.client_id, clientMetadata(client));
}

const actions = {
  counts: () => ({ ...counters, refresh_tokens_stored: countOf('RefreshToken') }),
  reset: () => {
    counters = newCounters();
    resetClock();
    forgetEverything();
    return {};
  },
  advance: ({ seconds }) => ({ ahead: advance(seconds) }),
  clients: async ({ clients }) => {
    await registerClients(clients);
    return {};
  },
  revoke: ({ username }) => ({ ended: endGrantsOf(username) }),
};

export function controlRoutes() {
  return async (ctx, next) => {
    if (!ctx.path.startsWith('/_control/')) return next();
    const action = actions[ctx.path.slice('/_control/'.length)];
    if (!action || ctx.method !== 'POST') {
      ctx.status = 404;
      ctx.body = { error: 'no such action' };
      return undefined;
    }
    let body = '';
    for await (const chunk of ctx.req) body += chunk;
    ctx.body = await action(body ? JSON.parse(body) : {});
    return undefined;
  };
}
