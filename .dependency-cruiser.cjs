const SHIPPED =
  'node_modules/(@aws-lambda-powertools/(logger|metrics)|@aws-sdk/client-(auto-scaling|ecs|eventbridge|scheduler|sqs)|@aws-sdk/credential-provider-env|@middy/core|@smithy/core|valibot)/';

/** The architecture, as rules: domain <- adapters <- handlers; src knows nothing of what surrounds it; cli knows src, and what plan rehearses. */
module.exports = {
  forbidden: [
    {
      name: 'domain-imports-nothing-from-outside',
      comment: 'Time, I/O and libraries reach the domain through its ports.',
      severity: 'error',
      from: { path: '^src/domain' },
      to: { pathNot: '^src/domain' },
    },
    {
      name: 'adapters-know-only-the-domain',
      severity: 'error',
      from: { path: '^src/adapters' },
      to: { path: '^src/(?!domain|adapters)' },
    },
    {
      name: 'the-service-does-not-know-what-surrounds-it',
      severity: 'error',
      from: { path: '^src' },
      to: { path: '^(terminal|cli|sandbox|test|bench|deploy|cdk)' },
    },
    {
      name: 'the-commands-know-the-service-and-its-rehearsals',
      comment:
        'They look at AWS, or at a Region that looks like it from outside; plan rehearses what a snapshot describes (decision 25).',
      severity: 'error',
      from: { path: '^cli' },
      to: { path: '^(sandbox/(?!plan/)|test|bench|deploy)' },
    },
    {
      name: 'a-rehearsal-knows-no-command',
      severity: 'error',
      from: { path: '^sandbox' },
      to: { path: '^cli' },
    },
    {
      name: 'the-terminal-knows-no-command',
      comment: 'What the commands and the rehearsals have in common knows neither.',
      severity: 'error',
      from: { path: '^terminal' },
      to: { path: '^(src|cli|sandbox|test|bench|deploy|build)' },
    },
    {
      name: 'the-region-knows-no-product',
      comment: 'It is a model of AWS: what is rehearsed on it stands around it.',
      severity: 'error',
      from: { path: '^sandbox/region/' },
      to: { path: '^(src|terminal|cli|deploy|bench|test|sandbox/(?!region/))' },
    },
    {
      name: 'only-the-shipped-packages-in-src',
      comment: 'What src imports is in the bundle of the function: a package more is a decision.',
      severity: 'error',
      from: { path: '^src' },
      to: { path: 'node_modules/', pathNot: SHIPPED, dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'the-construct-is-a-form-of-the-definition',
      comment: 'What is deployed is defined in deploy/, once for every way to deploy (decision 27).',
      severity: 'error',
      from: { path: '^cdk/(?!test)' },
      to: { path: '^(cli|sandbox|bench|build)' },
    },
    {
      name: 'the-definition-knows-no-construct',
      severity: 'error',
      from: { path: '^deploy' },
      to: { path: '^(cdk|cli|sandbox|bench|build)' },
    },
    {
      name: 'the-sandbox-is-not-a-test',
      severity: 'error',
      from: { path: '^(sandbox|bench|deploy|build|cdk/(?!test))' },
      to: { path: '^test' },
    },
    {
      name: 'experiments-know-no-world',
      comment: "A fact about AWS is observed through AWS's own clients, wherever they lead.",
      severity: 'error',
      from: { path: '^sandbox/facts/experiments' },
      to: { path: '^(src|cli|sandbox|test|bench|deploy)/', pathNot: '^sandbox/facts/(experiment\\.ts|experiments/)' },
    },
    {
      name: 'only-listed-packages',
      comment: 'A package that is there only because another brought it may be gone tomorrow.',
      severity: 'error',
      from: {},
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
    },
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'nothing-unresolved',
      comment: 'The CDK is 190 MB, which npm run test:cdk installs.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, pathNot: '^(aws-cdk-lib|constructs)' },
    },
  ],
  options: {
    parser: 'swc', // TypeScript 7 has no JavaScript compiler API for the cruiser to call
    doNotFollow: { path: 'node_modules' },
    combinedDependencies: true, // a folder of tests may have a package.json of its own, beside the root's
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
    moduleSystems: ['es6', 'cjs'],
    detectJSDocImports: false,
  },
};
