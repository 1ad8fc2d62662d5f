import { createHash } from 'node:crypto';

/** Something that an image is made of. */
export interface SbomPart {
  readonly name: string;
  readonly version: string;
  /** Package URL (https://github.com/package-url/purl-spec). */
  readonly purl: string;
  /** SPDX expression, where it is known. */
  readonly license?: string;
  readonly sha256?: string;
}

/** A software bill of materials in SPDX 2.3's JSON: the image, and all that it contains. Same input, same text. */
export function spdxDocument(image: SbomPart, parts: readonly SbomPart[]): string {
  const packages = [image, ...parts].map((part) => ({ id: identifier(part), part }));
  const content = createHash('sha256').update(JSON.stringify(packages)).digest('hex');
  const document = {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name: `${image.name} ${image.version}`,
    documentNamespace: `https://yadokari.dev/sbom/${content}`,
    creationInfo: { created: '1970-01-01T00:00:00Z', creators: ['Tool: yadokari-images'] },
    packages: packages.map(({ id, part }) => ({
      SPDXID: id,
      name: part.name,
      versionInfo: part.version,
      downloadLocation: 'NOASSERTION',
      filesAnalyzed: false,
      licenseConcluded: 'NOASSERTION',
      licenseDeclared: part.license ?? 'NOASSERTION',
      copyrightText: 'NOASSERTION',
      ...(part.sha256 === undefined ? {} : { checksums: [{ algorithm: 'SHA256', checksumValue: part.sha256 }] }),
      externalRefs: [{ referenceCategory: 'PACKAGE-MANAGER', referenceType: 'purl', referenceLocator: part.purl }],
    })),
    relationships: packages.map(({ id }, index) => (index === 0
      ? { spdxElementId: 'SPDXRef-DOCUMENT', relationshipType: 'DESCRIBES', relatedSpdxElement: id }
      : { spdxElementId: packages[0]?.id, relationshipType: 'CONTAINS', relatedSpdxElement: id })),
  };
  return `${JSON.stringify(document, null, 1)}\n`;
}

/** Unique by the package URL; SPDX allows letters, digits, dots and dashes. */
function identifier({ purl }: SbomPart): string {
  return `SPDXRef-${purl.replace(/^pkg:/, '').replace(/\?.*/, '').replaceAll(/[^A-Za-z0-9.]+/g, '-')}`;
}
