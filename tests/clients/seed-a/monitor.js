const conversationId = 'conv_919325590143_20251003_115804';
const token = 'your_jwt_token';

const eventSource = new EventSource(
  `/api/conversation/${conversationId}/stream`
);

eventSource.addEventListener('initial', (event) => {
  const data = JSON.parse(event.data);
  console.log('Initial conversation:', data);
});

eventSource.addEventListener('new_messages', (event) => {
  const data = JSON.parse(event.data);
  console.log('New messages:', data.messages);
});

eventSource.addEventListener('ended', () => {
  console.log('Conversation ended');
  eventSource.close();
});
