import type { CloudCredentials, DomainReference, NamedReference } from '../clouds.ts';
import { Secret } from '../secret.ts';
import { Wire } from '../wire.ts';
import { catalogOf, type Catalog } from './catalog.ts';

/** What a token is good for; the token itself is a secret. */
export interface Token {
  readonly secret: Secret;
  /** By our own clock. */
  readonly expiresAtMs: number;
  /** From then on it is renewed. */
  readonly renewAtMs: number;
  readonly userId: string;
  readonly userName: string;
  readonly projectId: string;
  readonly projectName: string;
  readonly roles: readonly string[];
  readonly catalog: Catalog;
}

const RENEW_BEFORE_MS = 300_000;

/** How Keystone is asked for a token. */
export type Authentication = { readonly method: 'POST'; readonly body: object } | { readonly method: 'GET'; readonly headers: Readonly<Record<string, string>> };

export function authenticationOf(credentials: CloudCredentials): Authentication {
  if (credentials.kind !== 'token' || credentials.project !== undefined) return { method: 'POST', body: bodyOf(credentials) };
  // A token that is made of another without naming a project is of the user's default project, or of none.
  const token = credentials.token.reveal();
  return { method: 'GET', headers: { 'x-auth-token': token, 'x-subject-token': token } };
}

function bodyOf(credentials: CloudCredentials): object {
  switch (credentials.kind) {
    case 'password':
      return { auth: { identity: { methods: ['password'], password: { user: { ...referenceOf(credentials.user), password: credentials.password.reveal() } } }, scope: { project: referenceOf(credentials.project) } } };
    case 'applicationCredential': {
      const { credential } = credentials;
      const who = 'id' in credential ? credential : { name: credential.name, user: referenceOf(credential.user) };
      // It is of one project, and Keystone refuses a scope.
      return { auth: { identity: { methods: ['application_credential'], application_credential: { ...who, secret: credentials.secret.reveal() } } } };
    }
    case 'token':
      return { auth: { identity: { methods: ['token'], token: { id: credentials.token.reveal() } }, ...(credentials.project === undefined ? {} : { scope: { project: referenceOf(credentials.project) } }) } };
  }
}

function referenceOf(reference: NamedReference): { readonly id: string } | { readonly name: string; readonly domain: DomainReference } {
  return 'id' in reference ? { id: reference.id } : { name: reference.name, domain: reference.domain };
}

/** Secrets of credentials, to be kept out of what is shown. */
export function secretsOf(credentials: CloudCredentials): readonly string[] {
  switch (credentials.kind) {
    case 'password': return [credentials.password.reveal()];
    case 'applicationCredential': return [credentials.secret.reveal()];
    case 'token': return [credentials.token.reveal()];
  }
}

/** `dateMs` is the time by Keystone's clock, `nowMs` by ours: they may differ by hours. Undefined where the token is of no project. */
export function tokenOf(body: unknown, secret: string, dateMs: number, nowMs: number): Token | undefined {
  const token = new Wire('identity', 'the answer', body).object('token');
  const project = token.objectIf('project');
  if (project === undefined) return undefined;
  const livesMs = Math.max(0, token.timeMs('expires_at') - dateMs);
  const user = token.object('user');
  return Object.freeze({
    secret: new Secret(secret),
    expiresAtMs: nowMs + livesMs,
    // Of a short life a fifth is left for the renewal.
    renewAtMs: nowMs + livesMs - Math.min(RENEW_BEFORE_MS, livesMs / 5),
    userId: user.text('id'),
    userName: user.text('name'),
    projectId: project.text('id'),
    projectName: project.text('name'),
    roles: token.each('roles', (role) => role.text('name')),
    catalog: catalogOf(token),
  });
}
