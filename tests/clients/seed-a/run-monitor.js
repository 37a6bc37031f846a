// node seed-a/run-monitor.js BASE_URL EMAIL PASSWORD: the seed's browser monitor, unchanged, on a page that is signed in.

'use strict';

const page = require('../page.js');

const [baseUrl, email, password] = process.argv.slice(2);
page.open(baseUrl, email, password).then(() => page.run('seed-a/monitor.js'), page.fail);
