// What a browser gives a page on Switchboard's own origin, for the seeds' scripts under Node: relative URLs, the session
// cookie of a sign-in, and EventSource. What the scripts log comes out as one JSON array per line.

'use strict';

const fs = require('node:fs');
const path = require('node:path');
const vm = require('node:vm');
const { EventSource: StandardEventSource } = require('eventsource');

/** Signs in as a browser does and returns the `Cookie` header it would send from then on. */
async function signIn(baseUrl, email, password) {
  const response = await fetch(new URL('/login', baseUrl), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email, password }),
  });
  if (!response.ok) {
    throw new Error(`POST /login answered ${response.status}`);
  }
  const cookies = response.headers.getSetCookie();
  const session = cookies.find((cookie) => cookie.startsWith('switchboard_session='));
  if (!session || !/; *HttpOnly/i.test(session)) {
    throw new Error('POST /login set no HttpOnly cookie switchboard_session');
  }
  return cookies.map((cookie) => cookie.split(';', 1)[0]).join('; ');
}

/** Makes the globals of a page that is signed in. The page has no token: the cookie is all it sends. */
async function open(baseUrl, email, password) {
  const cookie = await signIn(baseUrl, email, password);
  globalThis.EventSource = class EventSource extends StandardEventSource {
    constructor(url) {
      super(new URL(url, baseUrl), {
        fetch: (target, init) => fetch(target, { ...init, headers: { ...init.headers, cookie } }),
      });
    }
  };
  record();
}

/** Makes what scripts log come out as one JSON array per line. */
function record() {
  const line = (...values) => process.stdout.write(`${JSON.stringify(values)}\n`);
  console.log = line;
  console.error = (...values) => line('error', ...values);
}

/** The text of a printed file, with what it prints in place of an address or a token replaced by the real one. */
function printed(file, real = {}) {
  return Object.entries(real).reduce((text, [example, value]) => {
    const parts = text.split(example);
    if (parts.length !== 2) {
      throw new Error(`${file} is not as the seed prints it: ${example}`);
    }
    return parts.join(value);
  }, fs.readFileSync(path.join(__dirname, file), 'utf8'));
}

/** Runs a script as a `<script>` of the page: its `const`s are seen by later scripts. */
function run(file, real) {
  vm.runInThisContext(printed(file, real), { filename: path.join(__dirname, file) });
}

/** Ends the program with what went wrong. */
function fail(error) {
  process.stderr.write(`${error.stack ?? error}\n`);
  process.exitCode = 1;
}

module.exports = { open, record, printed, run, fail };
