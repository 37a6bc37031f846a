// node ai-sdk/chat.mjs PACKAGE SCENE BASE_URL TOKEN CHAT_ID MESSAGE...: a chat of the AI SDK (`ai`, or `ai-6`: the
// version before it), as `useChat` is one without React, on its DefaultChatTransport with nothing set but address and
// token. Logs one JSON value per line: the chat after each act, and what its `onFinish` was told.

const [sdk, scene, baseUrl, token, id, ...texts] = process.argv.slice(2);
const { AbstractChat, DefaultChatTransport } = await import(sdk);
const api = `${baseUrl}/api/chat`;
const headers = { Authorization: `Bearer ${token}` };
const log = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

/** What `useChat` keeps in React's state. `changed` is called with the messages at every change. */
class State {
  status = 'ready';
  error = undefined;
  changed = () => {};
  #messages;

  constructor(messages) {
    this.#messages = messages;
  }

  get messages() {
    return this.#messages;
  }

  set messages(messages) {
    this.#messages = messages;
    this.changed(messages);
  }

  pushMessage = (message) => (this.messages = [...this.messages, message]);
  popMessage = () => (this.messages = this.messages.slice(0, -1));
  replaceMessage = (index, message) => (this.messages = this.messages.with(index, structuredClone(message)));
  snapshot = (value) => structuredClone(value);
}

class Chat extends AbstractChat {
  constructor(messages = []) {
    const onFinish = ({ isAbort, isDisconnect, isError, finishReason }) => {
      log({ finished: { isAbort, isDisconnect, isError, finishReason } });
    };
    const transport = new DefaultChatTransport({ api, headers });
    super({ id, transport, state: new State(messages), onFinish });
  }

  /** Waits until something of the answer is shown. */
  speaks() {
    return new Promise((resolve) => {
      this.state.changed = (messages) => {
        const last = messages.at(-1);
        if (last?.role === 'assistant' && last.parts.some((part) => part.text)) {
          resolve();
        }
      };
    });
  }

  show() {
    log({ status: this.status, error: this.error?.message, messages: this.messages });
  }
}

/** What a stop button does, as the SDK's documents have it, but for leaving the stream too. */
async function pressStop(message) {
  const body = JSON.stringify({ assistantMessage: message });
  const request = { method: 'POST', headers: { ...headers, 'Content-Type': 'application/json' }, body };
  const response = await fetch(`${api}/${encodeURIComponent(id)}/stop`, request);
  log({ stop: response.status, answer: await response.json() });
}

const scenes = {
  /** Asks one text after the other. */
  async ask() {
    const chat = new Chat();
    for (const text of texts) {
      await chat.sendMessage({ text });
      chat.show();
    }
  },

  /** Asks, and lets itself be given another answer. */
  async regenerate() {
    const chat = new Chat();
    await chat.sendMessage({ text: texts[0] });
    chat.show();
    await chat.regenerate();
    chat.show();
  },

  /** Presses stop in the middle of the answer, and reads on until it ends. */
  async stop() {
    const chat = new Chat();
    const [speaks, answered] = [chat.speaks(), chat.sendMessage({ text: texts[0] })];
    await speaks;
    await pressStop(chat.lastMessage);
    await answered;
    chat.show();
  },

  /** Leaves in the middle of the answer, and is loaded again with the history of that time: the question. */
  async reload() {
    const left = new Chat();
    const [speaks, answered] = [left.speaks(), left.sendMessage({ text: texts[0] })];
    await speaks;
    await left.stop();
    await answered;
    left.show();
    const chat = new Chat(left.messages.slice(0, 1));
    await chat.resumeStream();
    chat.show();
    // Nothing runs any more.
    await chat.resumeStream();
    chat.show();
  },

  /** A page that is opened before anything was asked looks for a running answer all the same. */
  async open() {
    const chat = new Chat();
    await chat.resumeStream();
    chat.show();
  },
};

await scenes[scene]();
