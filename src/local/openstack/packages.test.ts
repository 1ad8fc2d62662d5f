import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openStackClientPackage, openStackPackages, servicePackages } from './packages.ts';

describe('the packages of OpenStack', () => {
  it('say what each is for, and by what one sees that it is there', () => {
    for (const { name, purpose, provides } of [...openStackPackages, openStackClientPackage]) assert.ok(purpose.length > 3 && provides.length > 0, name);
  });

  it('are installed only where that starts nothing: services are unpacked', () => {
    const installed = openStackPackages.map(({ name }) => name);
    assert.deepEqual(servicePackages.filter((name) => installed.includes(name)), []);
    // Their installation makes users and starts what it brings.
    assert.deepEqual(installed.filter((name) => /^(nova|neutron|cinder|glance|keystone|placement)-|^(mariadb|rabbitmq)-server$/.test(name)), []);
  });
});
