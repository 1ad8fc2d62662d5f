/**
 * The element of a running domain's interface with its link up or down, as libvirt takes it for an update: all else must
 * be as it is. Undefined when the domain has no interface of this MAC address.
 */
export function interfaceWithLink(domainXml: string, macAddress: string, up: boolean): string | undefined {
  const all = domainXml.match(/<interface [^>]*>[\s\S]*?<\/interface>/g) ?? [];
  const found = all.find((element) => element.toLowerCase().includes(`<mac address='${macAddress.toLowerCase()}'/>`));
  return found?.replace(/\s*<link [^>]*\/>/, '').replace('</interface>', `<link state='${up ? 'up' : 'down'}'/></interface>`);
}
