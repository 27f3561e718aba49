/**
 * Lambda gives the function its credentials in the environment. The package has this in place of the SDK's chain of
 * providers, of which all others would only be loaded: see `alias` in serverless.yml.
 */
export { fromEnv as defaultProvider } from '@aws-sdk/credential-provider-env';
