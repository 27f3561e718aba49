/** Polyfills for the parts of JavaScript that the commands use and Node 20 lacks. The bundle of the commands begins with them. */

import 'core-js/actual/array/from-async.js';
import 'core-js/actual/iterator/index.js';
import 'core-js/actual/map/group-by.js';
import 'core-js/actual/object/group-by.js';
import 'core-js/actual/promise/with-resolvers.js';
import 'core-js/actual/set/index.js';
import 'core-js/actual/url/parse.js';

// Hides the SDK's warning that its next releases need Node 22: the SDK in this bundle does not change.
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true';
