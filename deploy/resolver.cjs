/** Gathers the params and the stage, and refuses what cannot work. The framework loads CommonJS only. */
module.exports = async ({ options, resolveVariable, resolveConfigurationProperty }) => {
  const { paramNames, paramsOf } = await import('./params.ts');

  const stage = await resolveVariable('sls:stage');
  const sections = await Promise.all(['default', stage].map((name) => resolveConfigurationProperty(['params', name])));
  const written = sections.flatMap((section) => Object.keys(section ?? {}));
  const typed = (options.param ?? []).map((param) => param.split('=', 1)[0]);

  const resolved = (name) => (paramNames.includes(name) ? resolveVariable(`param:${name}, null`) : undefined);
  const names = [...new Set([...paramNames, ...written, ...typed])];
  const params = Object.fromEntries(await Promise.all(names.map(async (name) => [name, await resolved(name)])));
  try {
    const { settings } = paramsOf(params, stage);
    return { params, stage, tags: Object.fromEntries(settings.tags) };
  } catch (error) {
    // The framework prints the stack trace, but a wrong param needs only the sentence.
    if (error.name === 'InvalidSettings') error.stack = error.message;
    throw error;
  }
};
