/**
 * Refuses params that cannot work. Puts the resources of deploy/template.ts into the template that the framework packages, and
 * refuses it where it is larger
 * than AWS allows, before anything is uploaded. The framework adds the bucket and the place of the code.
 * The framework loads CommonJS only.
 */
module.exports = class {
  constructor(serverless, _options, { log }) {
    const check = () => {
      const { warnings, refusal } = serverless.service.custom.deployment;
      if (refusal !== null) throw new serverless.classes.Error(refusal);
      for (const warning of warnings) log.warning(warning);
    };
    const finish = async () => {
      const [{ packagedTemplate }, { limitsExceeded }] = await Promise.all([
        import('./template.ts'),
        import('./limits.ts'),
      ]);
      const { service, classes } = serverless;
      const { params, stage } = service.custom.deployment;
      const template = packagedTemplate(params, stage, service.provider.compiledCloudFormationTemplate);
      service.provider.compiledCloudFormationTemplate = template;
      const aws = serverless.getProvider('aws');
      const place = { stackName: aws.naming.getStackName(), region: aws.getRegion() };
      const exceeded = limitsExceeded(template, place);
      if (exceeded.length > 0) throw new classes.Error(exceeded.join('\n'));
    };
    const refuse = () => {
      throw new serverless.classes.Error(
        '`serverless deploy function` would give the function the settings of the framework: use `serverless deploy`.',
      );
    };
    this.hooks = {
      initialize: check,
      'after:aws:package:finalize:mergeCustomProviderResources': finish,
      'before:deploy:function:initialize': refuse,
    };
  }
};
