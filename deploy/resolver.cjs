/** Passes the params to deploy/template.ts and the result to serverless.yml. The framework loads CommonJS only. */
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
    // The framework prints the stack trace, but a wrong param needs only the sentence.
    if (error.name === 'InvalidSettings') error.stack = error.message;
    throw error;
  }
};
