/** What the commands use of JavaScript and Node 20 does not have. The bundle of the commands begins with it. */

import 'core-js/actual/array/from-async.js';
import 'core-js/actual/iterator/index.js';
import 'core-js/actual/map/group-by.js';
import 'core-js/actual/object/group-by.js';
import 'core-js/actual/promise/with-resolvers.js';
import 'core-js/actual/set/index.js';
import 'core-js/actual/url/parse.js';

// The SDK's next releases need Node 22, which nobody who runs this bundle can act on: its SDK does not change.
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true';
