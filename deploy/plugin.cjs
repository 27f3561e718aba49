/**
 * Refuses params that cannot work, a Region that no one chose, and a second deployment in place of an upgrade. Puts the resources of
 * deploy/template.ts into the template that the framework packages, and refuses it where it is larger than AWS allows, before
 * anything is uploaded. The framework adds the bucket and the place of the code.
 * The framework loads CommonJS only.
 */
module.exports = class {
  constructor(serverless, _options, { log }) {
    const check = () => {
      const { region, deployment } = serverless.service.custom;
      const { warnings, refusal } = deployment;
      if (refusal !== null) throw new serverless.classes.Error(refusal);
      // The framework itself falls back on us-east-1.
      if (!region && serverless.getProvider('aws').getRegion() === 'us-east-1') {
        throw new serverless.classes.Error('No AWS Region is set: set AWS_REGION, or use --region.');
      }
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
    /** Version 0.1.0 deployed stage dev by default: a deployment without --stage may be meant as its upgrade. */
    const refuseSecondDeployment = async () => {
      const { stage: typed, deployment } = serverless.service.custom;
      if (typed !== null || deployment.stage !== 'main') return;
      const there = await Promise.all(['ecs-drain-dev', 'ecs-drain-main'].map(isDeployed));
      if (!there[0] || there[1]) return;
      throw new serverless.classes.Error(
        'There is a stack ecs-drain-dev, and the default stage has become main: upgrade it with --stage dev, or use --stage main for a second deployment.',
      );
    };
    const isDeployed = async (StackName) => {
      const { DescribeStacksCommand } = require('@aws-sdk/client-cloudformation');
      const cloudFormation = await serverless.getProvider('aws').getCloudFormationClient();
      try {
        await cloudFormation.send(new DescribeStacksCommand({ StackName }));
        return true;
      } catch (error) {
        // There is none, or whoever deploys may look at no stack but their own.
        if (/^(ValidationError|AccessDenied)/.test(error.name)) return false;
        throw error;
      }
    };
    const refuse = () => {
      throw new serverless.classes.Error(
        '`serverless deploy function` would give the function the settings of the framework: use `serverless deploy`.',
      );
    };
    this.hooks = {
      initialize: check,
      'after:aws:package:finalize:mergeCustomProviderResources': finish,
      'before:deploy:deploy': refuseSecondDeployment,
      'before:deploy:function:initialize': refuse,
    };
  }
};
