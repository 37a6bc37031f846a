// node seed-c/run-service.js BASE_URL TOKEN MESSAGE [TIME_LIMIT_MS]: the seed's React Native service, unchanged, asks
// once and logs what it is called back with.
//
// The package it imports, react-native-event-source, has the polyfill that it means, with `method`, `headers`, `body`,
// `onmessage` and `onerror`, but exports it as the default of EventSource.js only. Nothing but the name is added here.
// The polyfill gives up a connection after 50 seconds and asks again; TIME_LIMIT_MS makes it do so earlier.

'use strict';

const fs = require('node:fs');
const ts = require('typescript');
const page = require('../page.js');
const XMLHttpRequest = require('../xhr.js');

const POLYFILL_LIMIT_MS = 50_000;

/** Runs a module as React Native's bundler would, which leaves it sloppy: the polyfill's `this` needs that. */
function load(source, packages = {}) {
  const compilerOptions = { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 };
  const script = ts.transpileModule(source, { compilerOptions }).outputText.replace('"use strict";', '');
  const module = { exports: {} };
  new Function('module', 'exports', 'require', script)(module, module.exports, (name) => packages[name]);
  return module.exports;
}

const [baseUrl, token, message, limit = POLYFILL_LIMIT_MS] = process.argv.slice(2);

globalThis.XMLHttpRequest = XMLHttpRequest;
const setTimer = globalThis.setTimeout;
globalThis.setTimeout = (callback, wait) => {
  // Its time limit is not cleared when all is done, and must not keep this program.
  return wait === POLYFILL_LIMIT_MS ? setTimer(callback, Number(limit)).unref() : setTimer(callback, wait);
};

page.record();
const polyfill = load(fs.readFileSync(require.resolve('react-native-event-source/EventSource.js'), 'utf8'));
const service = `${page.printed('seed-c/service.ts')}\nmodule.exports = StudyGuruStreamingService;`;
const StudyGuruStreamingService = load(service, {
  'react-native-event-source': { EventSourcePolyfill: polyfill.default },
});
new StudyGuruStreamingService(baseUrl, token)
  .streamConversation(
    message,
    (text) => console.log('token', text),
    (data) => console.log('complete', data),
    (error) => console.log('failed', error),
  )
  .catch(page.fail);
