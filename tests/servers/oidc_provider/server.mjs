// A certified OpenID provider on loopback, dressed like Auth0. Options come as JSON in OIDC_PROVIDER_OPTIONS;
// "ready PORT" on standard output says that it listens. It ends when its standard input closes.

import './clock.mjs';

import { createServer } from 'node:http';

const { default: Provider } = await import('oidc-provider');
const { buildConfiguration } = await import('./configuration.mjs');
const { consentForRefreshTokens, interactionRoutes } = await import('./interactions.mjs');
const { controlRoutes, countEvents, countRequests, registerClients } = await import('./control.mjs');

const { port = 0, clients = [], ...options } = JSON.parse(process.env.OIDC_PROVIDER_OPTIONS ?? '{}');

const server = createServer();
await new Promise((resolve, reject) => {
  server.once('error', reject);
  server.listen(port, '127.0.0.1', resolve);
});

const { port: boundPort } = server.address();
const provider = new Provider(`http://127.0.0.1:${boundPort}/`, buildConfiguration(options));
provider.on('server_error', (ctx, error) => { process.stderr.write(`${error.stack}\n`); });
countEvents(provider);
await registerClients(clients);

provider.use(countRequests());
provider.use(controlRoutes());
provider.use(consentForRefreshTokens());
provider.use(interactionRoutes(provider));
server.on('request', provider.callback());

process.stdin.on('end', () => process.exit(0)).resume();
process.stdout.write(`ready ${boundPort}\n`);
