// The layers: bin → cli, operator, agent, local → vm, container, storage, network, openstack → kube → api → schema → base.
const domains = '(vm|container|storage|network|openstack)';
const only = (name: string, from: string, allowed: readonly string[], comment: string) => ({
  name,
  comment,
  severity: 'error',
  from: { path: `^src/${from}/`, pathNot: '[.]test[.]ts$' },
  to: { path: '^(src|test|tools)/', pathNot: `^src/(${[from, ...allowed].join('|')})/` },
});

export const forbidden = [
  only('base-stands-alone', 'base', [], 'base knows nothing else'),
  only('schema-below-api', 'schema', ['base'], 'schema knows base'),
  only('api-is-data', 'api', ['schema', 'base'], 'api knows schema and base'),
  only('kube-below-domains', 'kube', ['api', 'schema', 'base'], 'kube knows no domain'),
  ...['vm', 'container', 'storage', 'network', 'openstack'].map((domain) =>
    only(`${domain}-knows-no-other-domain`, domain, ['kube', 'api', 'schema', 'base'], 'domains never import each other')),
  only('operator', 'operator', [domains, 'kube', 'api', 'schema', 'base'], 'the operator uses the domains'),
  only('agent', 'agent', [domains, 'kube', 'api', 'schema', 'base'], 'the agent uses the domains'),
  only('simulation', 'simulation', ['agent', domains, 'kube', 'api', 'schema', 'base'], 'simulated nodes run the agent'),
  only('local', 'local', [domains, 'kube', 'api', 'schema', 'base'], 'the local cluster starts processes, it does not import them'),
  only('cli', 'cli', ['local', domains, 'kube', 'api', 'schema', 'base'], 'the command line'),
  { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
  { name: 'no-missing', severity: 'error', from: {}, to: { couldNotResolve: true } },
  { name: 'no-dev-dependencies', severity: 'error', from: { path: '^src', pathNot: '[.]test[.]ts$' }, to: { dependencyTypes: ['npm-dev'] } },
];

export const options = {
  doNotFollow: { path: 'node_modules' },
  tsPreCompilationDeps: true,
  enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'types'], extensions: ['.ts', '.js', '.json'] },
};
