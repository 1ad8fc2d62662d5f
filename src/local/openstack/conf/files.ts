import { SHARE } from '../place.ts';
import { cinderConf } from './cinder.ts';
import type { ConfSource } from './common.ts';
import { glanceConf } from './glance.ts';
import { iniText } from './ini.ts';
import { keystoneConf } from './keystone.ts';
import { neutronConf } from './neutron.ts';
import { novaConf } from './nova.ts';
import { placementConf } from './placement.ts';

/** The files of the folder `etc` by their names. */
export function confFiles(source: ConfSource): Readonly<Record<string, string>> {
  return {
    'keystone.conf': iniText(keystoneConf(source)),
    'glance-api.conf': iniText(glanceConf(source)),
    'placement.conf': iniText(placementConf(source)),
    'neutron.conf': iniText(neutronConf(source)),
    'cinder.conf': iniText(cinderConf(source)),
    'nova.conf': iniText(novaConf(source)),
    'shares': `${SHARE}\n`,
  };
}
