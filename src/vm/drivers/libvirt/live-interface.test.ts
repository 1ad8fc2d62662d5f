import assert from 'node:assert/strict';
import { it } from 'node:test';
import { interfaceWithLink } from './live-interface.ts';

const xml = `<domain><devices>
<interface type='ethernet'><mac address='02:00:00:00:00:01'/><target dev='a'/></interface>
<interface type='ethernet'>
  <mac address='02:00:00:00:00:0b'/>
  <target dev='b'/>
  <link state='down'/>
</interface>
</devices></domain>`;

it('changes nothing of an interface but its link', () => {
  assert.equal(interfaceWithLink(xml, '02:00:00:00:00:01', false), "<interface type='ethernet'><mac address='02:00:00:00:00:01'/><target dev='a'/><link state='down'/></interface>");
  assert.equal(interfaceWithLink(xml, '02:00:00:00:00:0B', true)?.replaceAll(/\s*\n\s*/g, ''), "<interface type='ethernet'><mac address='02:00:00:00:00:0b'/><target dev='b'/><link state='up'/></interface>");
});

it('finds no interface that is not there', () => {
  assert.equal(interfaceWithLink(xml, '02:00:00:00:00:02', true), undefined);
});
