/** Gathers the params and the stage, and says what cannot work. The framework loads CommonJS only. */
module.exports = async ({ options, resolveVariable, resolveConfigurationProperty }) => {
  const { paramNames, paramsOf, warningsIn } = await import('./params.ts');

  const stage = await resolveVariable('sls:stage').catch(() => options.stage); // refused below, in a sentence
  const sections = await Promise.all(['default', stage].map((name) => resolveConfigurationProperty(['params', name])));
  const written = sections.flatMap((section) => Object.keys(section ?? {}));
  const typed = (options.param ?? []).map((param) => param.split('=', 1)[0]);

  const resolved = (name) => (paramNames.includes(name) ? resolveVariable(`param:${name}, null`) : undefined);
  const names = [...new Set([...paramNames, ...written, ...typed])];
  const params = Object.fromEntries(await Promise.all(names.map(async (name) => [name, await resolved(name)])));
  try {
    const checked = paramsOf(params, stage);
    const tags = Object.fromEntries(checked.settings.tags);
    return { params, stage, tags, warnings: warningsIn(checked), refusal: null };
  } catch (error) {
    // What is thrown here the framework wraps in sentences of its own: the plugin throws it.
    if (error.name !== 'InvalidSettings') throw error;
    return { params, stage, tags: {}, warnings: [], refusal: error.message };
  }
};
