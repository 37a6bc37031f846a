// XMLHttpRequest as React Native has it, as far as event source polyfills use it: `responseText` grows, and every piece
// of it is a `readystatechange`. The kept packages of that name for Node show the text at the end only.

'use strict';

const http = require('node:http');
const https = require('node:https');

class XMLHttpRequest {
  static UNSENT = 0;
  static OPENED = 1;
  static HEADERS_RECEIVED = 2;
  static LOADING = 3;
  static DONE = 4;

  readyState = XMLHttpRequest.UNSENT;
  status = 0;
  responseText = '';
  timeout = 0;
  onreadystatechange = null;
  onerror = null;

  #request = null;
  #method;
  #url;
  #headers = {};

  open(method, url) {
    this.#method = method;
    this.#url = new URL(url);
    this.#become(XMLHttpRequest.OPENED);
  }

  setRequestHeader(name, value) {
    this.#headers[name] = value;
  }

  send(body) {
    const { request } = this.#url.protocol === 'https:' ? https : http;
    this.#request = request(this.#url, { method: this.#method, headers: this.#headers, agent: false }, (response) => {
      this.status = response.statusCode;
      this.#become(XMLHttpRequest.HEADERS_RECEIVED);
      response.setEncoding('utf8');
      response.on('data', (text) => {
        this.responseText += text;
        this.#become(XMLHttpRequest.LOADING);
      });
      response.on('end', () => this.#become(XMLHttpRequest.DONE));
      response.on('error', () => this.#failed());
    });
    this.#request.on('error', () => this.#failed());
    this.#request.end(body);
  }

  /** Says that it is done, without a status, if there was anything to abort. */
  abort() {
    const running = this.#request && this.readyState !== XMLHttpRequest.DONE;
    const request = this.#request;
    this.#request = null;
    request?.destroy();
    this.status = 0;
    this.responseText = '';
    if (running) {
      this.#dispatch(XMLHttpRequest.DONE);
    }
    this.readyState = XMLHttpRequest.UNSENT;
  }

  #failed() {
    if (this.#request) {
      this.#request = null;
      this.status = 0;
      this.#dispatch(XMLHttpRequest.DONE);
      this.onerror?.call(this);
    }
  }

  /** What comes after an abort is not said. */
  #become(readyState) {
    if (this.#request || readyState === XMLHttpRequest.OPENED) {
      this.#dispatch(readyState);
    }
  }

  #dispatch(readyState) {
    this.readyState = readyState;
    this.onreadystatechange?.call(this);
  }
}

module.exports = XMLHttpRequest;
