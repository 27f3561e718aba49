/**
 * Puts the options on the packaged template, and refuses it where it is larger than AWS allows, before anything is uploaded.
 * The framework loads CommonJS only.
 */
module.exports = class {
  constructor(serverless) {
    const finish = async () => {
      const [{ withOptions }, { limitsExceeded }] = await Promise.all([import('./options.ts'), import('./limits.ts')]);
      const { service, classes } = serverless;
      const aws = serverless.getProvider('aws');
      const template = withOptions(
        service.provider.compiledCloudFormationTemplate,
        service.custom.deployment.resourceOptions,
      );
      service.provider.compiledCloudFormationTemplate = template;
      const place = { stackName: aws.naming.getStackName(), region: aws.getRegion() };
      const exceeded = limitsExceeded(template, place);
      if (exceeded.length > 0) throw new classes.Error(exceeded.join('\n'));
    };
    this.hooks = { 'after:aws:package:finalize:mergeCustomProviderResources': finish };
  }
};
