/** A server that Nova has made, as its copies need to know it. */
export interface CopiedServer {
  readonly id: string;
  /** Its one port, where it has one. */
  readonly port?: { readonly id: string; readonly mac: string; readonly address: string; readonly subnet: string };
}

/** What a copy has of its own. */
export interface ServerCopy {
  readonly id: string;
  readonly name: string;
  readonly host: string;
  readonly port: string;
  readonly mac: string;
  readonly address: string;
}

interface Rows {
  readonly table: string;
  /** Which rows `t` belong to the server. */
  readonly where: string;
  /** What is another in the copy `c`: SQL by columns. */
  readonly changed: Readonly<Record<string, string>>;
}

const COPIES = 'nova.yado_copies';

/** Makes copies of a server by copying its rows in all databases. `columns` are those of each table without such as databases fill in. */
export function copyStatements(server: CopiedServer, copies: readonly ServerCopy[], columns: ReadonlyMap<string, readonly string[]>): readonly string[] {
  const values = copies.map(({ id, name, host, port, mac, address }, index) => `(${index + 1},'${id}','${name}','${host}','${port}','${mac}','${address}')`);
  return [
    `CREATE TABLE ${COPIES} (n INT PRIMARY KEY, id CHAR(36), name VARCHAR(255), host VARCHAR(255), port CHAR(36), mac VARCHAR(32), address VARCHAR(64), attributes BIGINT) CHARACTER SET utf8mb3;`,
    `INSERT INTO ${COPIES} (n, id, name, host, port, mac, address) VALUES ${values.join(',')};`,
    `UPDATE ${COPIES} SET attributes = n + (SELECT MAX(id) FROM neutron.standardattributes);`,
    ...[...rowsOfServer(server), ...(server.port === undefined ? [] : rowsOfPort(server.port))].map((rows) => copyStatement(rows, columns.get(rows.table) ?? [])),
    `DROP TABLE ${COPIES};`,
  ];
}

function copyStatement({ table, where, changed }: Rows, columns: readonly string[]): string {
  const all = [...new Set([...columns, ...Object.keys(changed)])];
  return `INSERT INTO ${table} (${all.map((name) => `\`${name}\``).join(', ')}) SELECT ${all.map((name) => changed[name] ?? `t.\`${name}\``).join(', ')} FROM ${table} t JOIN ${COPIES} c WHERE ${where} ORDER BY c.n;`;
}

function rowsOfServer({ id, port }: CopiedServer): readonly Rows[] {
  /** Words of a text that are the server's become those of the copy. */
  const rewritten = (column: string) => [
    [`'${id}'`, 'c.id'], ...(port === undefined ? [] : [[`'${port.id}'`, 'c.port'], [`'${port.mac}'`, 'c.mac'], [`'"${port.address}"'`, `CONCAT('"', c.address, '"')`]]),
  ].reduce((text, [from, to]) => `REPLACE(${text}, ${from}, ${to})`, `t.\`${column}\``);
  const nova = (table: string, changed: Rows['changed'] = {}): Rows => ({ table: `nova.${table}`, where: `t.instance_uuid = '${id}'`, changed: { instance_uuid: 'c.id', ...changed } });
  return [
    { table: 'nova.instances', where: `t.uuid = '${id}'`, changed: { uuid: 'c.id', hostname: 'c.name', display_name: 'c.name', host: 'c.host', node: 'c.host', launched_on: 'c.host' } },
    nova('instance_extra'), nova('instance_metadata'), nova('instance_system_metadata'), nova('instance_actions'),
    nova('instance_info_caches', { network_info: rewritten('network_info') }), nova('block_device_mapping', { uuid: 'UUID()' }),
    nova('virtual_interfaces', { uuid: 'c.port', address: rewritten('address') }),
    { table: 'nova_api.instance_mappings', where: `t.instance_uuid = '${id}'`, changed: { instance_uuid: 'c.id' } },
    { table: 'nova_api.request_specs', where: `t.instance_uuid = '${id}'`, changed: { instance_uuid: 'c.id', spec: rewritten('spec') } },
    { table: 'placement.consumers', where: `t.uuid = '${id}'`, changed: { uuid: 'c.id' } },
    { table: 'placement.allocations', where: `t.consumer_id = '${id}'`, changed: { consumer_id: 'c.id', resource_provider_id: '(SELECT id FROM placement.resource_providers WHERE name = c.host)' } },
  ];
}

function rowsOfPort({ id, address, subnet }: NonNullable<CopiedServer['port']>): readonly Rows[] {
  const neutron = (table: string, changed: Rows['changed'] = {}): Rows => ({ table: `neutron.${table}`, where: `t.port_id = '${id}'`, changed: { port_id: 'c.port', ...changed } });
  return [
    { table: 'neutron.standardattributes', where: `t.id = (SELECT standard_attr_id FROM neutron.ports WHERE id = '${id}')`, changed: { id: 'c.attributes' } },
    { table: 'neutron.ports', where: `t.id = '${id}'`, changed: { id: 'c.port', mac_address: 'c.mac', device_id: 'c.id', standard_attr_id: 'c.attributes' } },
    neutron('ipallocations', { ip_address: 'c.address' }), neutron('ml2_port_bindings', { host: 'c.host' }), neutron('ml2_port_binding_levels', { host: 'c.host' }),
    neutron('securitygroupportbindings'), neutron('portsecuritybindings'),
    { table: 'neutron.ipamallocations', where: `t.ip_address = '${address}' AND t.ipam_subnet_id IN (SELECT id FROM neutron.ipamsubnets WHERE neutron_subnet_id = '${subnet}')`, changed: { ip_address: 'c.address' } },
  ];
}

/** Columns of all tables from the answer to COLUMNS: a table and a column a line. */
export function parseColumns(text: string): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const line of text.trim().split('\n')) {
    const [table = '', column = ''] = line.split('\t');
    found.set(table, [...(found.get(table) ?? []), column]);
  }
  return found;
}

export const COLUMNS = "SELECT CONCAT(table_schema, '.', table_name), column_name FROM information_schema.columns WHERE table_schema IN ('nova', 'nova_api', 'neutron', 'placement') AND extra NOT REGEXP 'auto_increment|GENERATED' ORDER BY ordinal_position;";
