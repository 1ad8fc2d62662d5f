// oxlint-disable-next-line import/no-unassigned-import -- the X.509 library needs its side effect, before it is loaded
import 'reflect-metadata';
import { randomBytes, webcrypto, X509Certificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const dayMs = 86_400_000;

/** PEM texts: the certificate, and its private key as PKCS #8. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

export interface CertificateRequest {
  readonly commonName: string;
  readonly organizations?: readonly string[];
  /** Addresses and DNS names that the certificate is good for. */
  readonly addresses?: readonly string[];
  readonly names?: readonly string[];
  readonly usages: readonly ('server' | 'client')[];
  /** Default 365. */
  readonly validDays?: number;
}

/** A certificate is replaced when fewer days than this are left. */
export const renewBeforeDays = 30;

export async function createAuthority(commonName: string, validDays = 3650): Promise<KeyPair> {
  const keys = await generateKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    ...validity(validDays),
    name: [{ CN: [commonName] }],
    serialNumber: serialNumber(),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign | x509.KeyUsageFlags.digitalSignature, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: certificate.toString('pem'), key: await exportKey(keys.privateKey) };
}

export async function issueCertificate(authority: KeyPair, request: CertificateRequest): Promise<KeyPair> {
  const keys = await generateKeys();
  const issuer = new x509.X509Certificate(authority.certificate);
  const subject = [...(request.organizations ?? []).map((organization) => ({ O: [organization] })), { CN: [request.commonName] }];
  const alternatives = [
    ...(request.names ?? []).map((value) => ({ type: 'dns' as const, value })),
    ...(request.addresses ?? []).map((value) => ({ type: 'ip' as const, value })),
  ];
  const usages = { server: x509.ExtendedKeyUsage.serverAuth, client: x509.ExtendedKeyUsage.clientAuth };
  const certificate = await x509.X509CertificateGenerator.create({
    ...validity(request.validDays ?? 365),
    subject,
    issuer: issuer.subjectName,
    serialNumber: serialNumber(),
    publicKey: keys.publicKey,
    signingKey: await importKey(authority.key),
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension(request.usages.map((usage) => usages[usage])),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
      ...(alternatives.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(alternatives)]),
    ],
  });
  return { certificate: certificate.toString('pem'), key: await exportKey(keys.privateKey) };
}

/** A key pair for signing service account tokens: PEM texts of the public and the private key. */
export async function createSigningKeys(): Promise<{ readonly publicKey: string; readonly privateKey: string }> {
  const keys = await generateKeys();
  const spki = await webcrypto.subtle.exportKey('spki', keys.publicKey);
  return { publicKey: x509.PemConverter.encode(spki, 'PUBLIC KEY'), privateKey: await exportKey(keys.privateKey) };
}

/** Whether an existing certificate still does what the request asks for, signed by this authority. */
export function stillGood(pem: string, authorityPem: string, request: CertificateRequest, nowMs: number): boolean {
  try {
    const certificate = new X509Certificate(pem);
    const authority = new X509Certificate(authorityPem);
    const subject = [...(request.organizations ?? []).map((organization) => `O=${organization}`), `CN=${request.commonName}`];
    return certificate.verify(authority.publicKey)
      && Date.parse(certificate.validTo) - nowMs > renewBeforeDays * dayMs
      && certificate.subject.split('\n').sort().join() === subject.sort().join()
      && alternativesOf(certificate).join() === [...(request.names ?? []), ...(request.addresses ?? [])].sort().join();
  } catch {
    return false;
  }
}

function alternativesOf(certificate: X509Certificate): readonly string[] {
  const text = certificate.subjectAltName ?? '';
  return text.split(', ').filter((part) => part !== '').map((part) => part.replace(/^(DNS|IP Address):/, '')).sort();
}

function validity(days: number): { readonly notBefore: Date; readonly notAfter: Date } {
  // An hour back, for clocks that differ.
  return { notBefore: new Date(Date.now() - 3_600_000), notAfter: new Date(Date.now() + days * dayMs) };
}

function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0] ?? 0) & 0x7f | 0x40;
  return bytes.toString('hex');
}

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY');
}

function importKey(pem: string): Promise<webcrypto.CryptoKey> {
  return webcrypto.subtle.importKey('pkcs8', x509.PemConverter.decodeFirst(pem), algorithm, false, ['sign']);
}
