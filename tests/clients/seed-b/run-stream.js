// node seed-b/run-stream.js BASE_URL EMAIL PASSWORD LEAD_ID PHONE_NUMBER ORGANIZATION_ID: the seed's stream client,
// unchanged. Around it is what its page has: the selected lead, the organization, and the functions that show things,
// which here log what they are called with.

'use strict';

const vm = require('node:vm');
const page = require('../page.js');

const [baseUrl, email, password, id, phoneNumber, organizationId] = process.argv.slice(2);
for (const name of ['setConversationHistory', 'addMessage', 'setCallActive', 'setHumanControlActive']) {
  globalThis[name] = (value) => console.log(name, value);
}
globalThis.selectedLead = { id, phoneNumber };
globalThis.organizationId = organizationId;

page
  .open(baseUrl, email, password)
  .then(() => {
    page.run('seed-b/stream.js');
    // What the page does when a lead is selected.
    vm.runInThisContext('setupEventSource()');
  })
  .catch(page.fail);
