/** Hands the params to deploy/template.ts and its answer to serverless.yml: the framework loads CommonJS only. */
module.exports = async ({ options, resolveVariable, resolveConfigurationProperty }) => {
  const { deploymentOf, paramNames } = await import('./template.ts');

  const stage = await resolveVariable('sls:stage');
  const sections = await Promise.all(['default', stage].map((name) => resolveConfigurationProperty(['params', name])));
  const written = sections.flatMap((section) => Object.keys(section ?? {}));
  const typed = (options.param ?? []).map((param) => param.split('=', 1)[0]);

  const resolved = (name) => (paramNames.includes(name) ? resolveVariable(`param:${name}, null`) : undefined);
  const names = [...new Set([...paramNames, ...written, ...typed])];
  const params = await Promise.all(names.map(async (name) => [name, await resolved(name)]));
  try {
    return deploymentOf(Object.fromEntries(params), {
      eventSource: await resolveVariable('self:custom.eventSource'),
      functionName: `${await resolveVariable('self:service')}-${stage}-drain`,
    });
  } catch (error) {
    // The framework prints the stack; a wrong param needs the sentence only.
    if (error.name === 'InvalidSettings') error.stack = error.message;
    throw error;
  }
};
