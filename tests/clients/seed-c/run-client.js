// node seed-c/run-client.js BASE_URL TOKEN: the seed's JavaScript client, unchanged, with its example address and token
// replaced. Around it is the little of a document that it shows the answer in: what stands in a message is logged when
// it changes.

'use strict';

const page = require('../page.js');

/** An element, as far as the script knows elements. */
class Element {
  #text = '';
  #children = [];
  classList = { contains: (name) => this.className === name };

  get lastElementChild() {
    return this.#children.at(-1) ?? null;
  }

  get textContent() {
    return this.#text;
  }

  set textContent(text) {
    this.#text = text;
    console.log('shown', text);
  }

  appendChild(child) {
    this.#children.push(child);
  }
}

const [baseUrl, token] = process.argv.slice(2);
const container = new Element();
globalThis.document = {
  getElementById: (id) => (id === 'chat-container' ? container : null),
  createElement: () => new Element(),
};
page.record();
page.run('seed-c/client.js', { 'http://localhost:8000': baseUrl, 'your-jwt-token': token });
