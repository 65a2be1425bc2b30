// Everything the provider remembers, in memory. Entries expire by the movable clock.

const entries = new Map(); // "Model:id" -> { payload, expiresAt }

function live(key) {
  const entry = entries.get(key);
  if (entry && entry.expiresAt <= Date.now()) {
    entries.delete(key);
    return undefined;
  }
  return entry;
}

function* payloadsOf(model) {
  for (const key of [...entries.keys()]) {
    if (key.startsWith(`${model}:`)) {
      const entry = live(key);
      if (entry) yield [key, entry.payload];
    }
  }
}

export class Adapter {
  constructor(model) {
    this.model = model;
  }

  key(id) {
    return `${this.model}:${id}`;
  }

  async upsert(id, payload, expiresIn) {
    const expiresAt = typeof expiresIn === 'number' ? Date.now() + expiresIn * 1000 : Infinity;
    entries.set(this.key(id), { payload, expiresAt });
  }

  async find(id) {
    return live(this.key(id))?.payload;
  }

  async findByUid(uid) {
    for (const [, payload] of payloadsOf(this.model)) if (payload.uid === uid) return payload;
    return undefined;
  }

  async findByUserCode() {
    return undefined;
  }

  async consume(id) {
    const entry = live(this.key(id));
    if (entry) entry.payload.consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    entries.delete(this.key(id));
  }

  async revokeByGrantId(grantId) {
    for (const [key, payload] of payloadsOf(this.model)) if (payload.grantId === grantId) entries.delete(key);
  }
}

export function forgetEverything() {
  entries.clear();
}

export function countOf(model) {
  return [...payloadsOf(model)].length;
}

// What an administrator does who ends a user's access: the next refresh answers invalid_grant.
export function endGrantsOf(accountId) {
  let ended = 0;
  const grantIds = new Set();
  for (const [key, payload] of payloadsOf('Grant')) {
    if (payload.accountId === accountId) {
      grantIds.add(payload.jti);
      entries.delete(key);
      ended += 1;
    }
  }
  for (const model of ['RefreshToken', 'AccessToken', 'AuthorizationCode']) {
    for (const [key, payload] of payloadsOf(model)) if (grantIds.has(payload.grantId)) entries.delete(key);
  }
  return ended;
}
