// oxlint-disable-next-line import/no-unassigned-import -- the X.509 library needs its side effect, before it is loaded
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

/** What a certificate is asked for. */
export interface RequestedSubject {
  readonly commonName: string;
  readonly organizations: readonly string[];
  /** Names and addresses that a server certificate is for. */
  readonly names: readonly string[];
  readonly addresses: readonly string[];
}

/** A new key and the request for its certificate, as PEM texts. */
export interface CertificateRequest {
  readonly key: string;
  readonly request: string;
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/** Loading this module costs a tenth of a second and some megabytes: import it when it is needed. */
export async function createCertificateRequest(subject: RequestedSubject): Promise<CertificateRequest> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const alternatives: x509.JsonGeneralName[] = [
    ...subject.names.map((value) => ({ type: 'dns', value }) as const),
    ...subject.addresses.map((value) => ({ type: 'ip', value }) as const),
  ];
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: [...subject.organizations.map((organization) => ({ O: [organization] })), { CN: [subject.commonName] }],
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: alternatives.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(alternatives)],
  });
  const key = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
  return { key: x509.PemConverter.encode(key, 'PRIVATE KEY'), request: request.toString('pem') };
}

/** What a request asks for; undefined when it is no PKCS #10 request, or asks for more than is known here. */
export function subjectOf(pem: string): RequestedSubject | undefined {
  try {
    const request = new x509.Pkcs10CertificateRequest(pem);
    const alternatives = request.extensions.find((extension) => extension instanceof x509.SubjectAlternativeNameExtension)?.names.toJSON() ?? [];
    const names = alternatives.filter(({ type }) => type === 'dns').map(({ value }) => value);
    const addresses = alternatives.filter(({ type }) => type === 'ip').map(({ value }) => value);
    if (names.length + addresses.length !== alternatives.length) return undefined;
    return { commonName: request.subjectName.getField('CN')[0] ?? '', organizations: request.subjectName.getField('O'), names, addresses };
  } catch {
    return undefined;
  }
}
