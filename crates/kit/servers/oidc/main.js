// A real OpenID provider for tests: `oidc-provider` with accounts, pages and keys as the test says.
//
//   node main.js CONFIG    CONFIG is JSON: {certificate, key, clients, accounts, claims, inIdToken, rotateRefreshTokens}
//
// It prints `issuer https://localhost:<port>` when it serves. What a test changes it posts as JSON to /control/<command>.
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';

import Provider from 'oidc-provider';

const config = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const accounts = config.accounts;

// All that the provider knows of time comes from here; another clock is one number away.
const real = Date.now;
let skew = 0;
Date.now = () => real() + skew * 1000;

const newKey = () => ({
  ...generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' }),
  use: 'sig',
  alg: 'RS256',
  kid: randomUUID(),
});
let keys = [newKey()];
const cookieKey = randomUUID();
let issuer;
let provider;

function start() {
  provider = new Provider(issuer, {
    clients: config.clients,
    jwks: { keys },
    claims: { profile: ['name', 'preferred_username'], email: ['email', 'email_verified'], ...config.claims },
    conformIdTokenClaims: !config.inIdToken,
    cookies: { keys: [cookieKey] },
    features: {
      backchannelLogout: { enabled: true },
      devInteractions: { enabled: false },
      rpInitiatedLogout: { enabled: true },
    },
    findAccount: (_, id) => (accounts[id] ? { accountId: id, claims: async () => ({ sub: id, ...accounts[id] }) } : undefined),
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    issueRefreshToken: async (_, client, code) => client.grantTypeAllowed('refresh_token') && code.scopes.has('offline_access'),
    pkce: { methods: ['S256'], required: () => true },
    rotateRefreshToken: Boolean(config.rotateRefreshTokens),
    ttl: { AccessToken: 600, AuthorizationCode: 60, Grant: 86400, IdToken: 600, Interaction: 600, RefreshToken: 86400, Session: 86400 },
  });
  provider.on('server_error', (_, error) => console.error(error));
}

const escaped = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

function page(response, title, form) {
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' });
  response.end(`<!doctype html><html lang="en"><title>${title}</title><h1>${title}</h1>${form}</html>`);
}

async function body(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

// The password of every account is its name.
async function interaction(request, response, uid) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(request, response);
  const action = `/interaction/${escaped(uid)}`;
  if (request.method !== 'POST') {
    return prompt.name === 'login'
      ? page(response, 'Sign in', `<form method="post" action="${action}"><label>User <input name="login" autofocus></label>`
        + '<label>Password <input name="password" type="password"></label><button type="submit">Sign in</button></form>')
      : page(response, 'Allow', `<form method="post" action="${action}"><p>${escaped(params.client_id)} wants to know who you are.</p>`
        + '<button type="submit">Continue</button></form>');
  }
  const form = new URLSearchParams(await body(request));
  if (prompt.name === 'login') {
    const login = form.get('login');
    const accountId = Object.keys(accounts).find((id) => id === login || accounts[id].preferred_username === login);
    const result = accountId && form.get('password') === login
      ? { login: { accountId } }
      : { error: 'access_denied', error_description: 'wrong user name or password' };
    return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  }
  const grant = grantId
    ? await provider.Grant.find(grantId)
    : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  if (prompt.details.missingOIDCScope) grant.addOIDCScope(prompt.details.missingOIDCScope.join(' '));
  if (prompt.details.missingOIDCClaims) grant.addOIDCClaims(prompt.details.missingOIDCClaims);
  const result = { consent: { grantId: await grant.save() } };
  return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
}

const commands = {
  // New keys; the old ones are published no more, or still with `keep`.
  rotate({ keep }) {
    keys = keep ? [newKey(), ...keys] : [newKey()];
    start();
  },
  skew({ seconds }) {
    skew = seconds;
  },
  // An account as it is from now on; gone without claims.
  account({ id, claims }) {
    if (claims) accounts[id] = claims;
    else delete accounts[id];
  },
};

async function handle(request, response) {
  const { pathname } = new URL(request.url, issuer);
  const [, first, second] = pathname.split('/');
  if (first === 'control') {
    commands[second](JSON.parse((await body(request)) || '{}'));
    response.writeHead(204).end();
  } else if (first === 'interaction') {
    await interaction(request, response, second);
  } else {
    provider.callback()(request, response);
  }
}

const server = createServer({ cert: config.certificate, key: config.key }, (request, response) => {
  handle(request, response).catch((error) => {
    console.error(error);
    if (!response.headersSent) response.writeHead(500);
    response.end();
  });
});
server.listen(0, '127.0.0.1', () => {
  issuer = `https://localhost:${server.address().port}`;
  start();
  console.log(`issuer ${issuer}`);
});
