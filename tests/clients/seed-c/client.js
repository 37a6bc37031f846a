class StudyGuruStreamingClient {
  constructor(baseUrl, token) {
    this.baseUrl = baseUrl;
    this.token = token;
  }

  async streamConversation(message, interactionId = null) {
    const url = `${this.baseUrl}/api/stream/stream-conversation`;

    const response = await fetch(url, {
      method: "POST",
      headers: {
        Authorization: `Bearer ${this.token}`,
        "Content-Type": "application/json",
        Accept: "text/event-stream",
      },
      body: JSON.stringify({
        message,
        interaction_id: interactionId,
      }),
    });

    if (!response.ok) {
      throw new Error(`HTTP error! status: ${response.status}`);
    }

    const reader = response.body.getReader();
    const decoder = new TextDecoder();

    while (true) {
      const { done, value } = await reader.read();

      if (done) break;

      const chunk = decoder.decode(value);
      const lines = chunk.split("\n");

      for (const line of lines) {
        if (line.startsWith("data: ")) {
          const data = JSON.parse(line.slice(6));

          switch (data.type) {
            case "metadata":
              console.log("Metadata:", data);
              break;
            case "token":
              // Append token to UI
              this.appendToUI(data.content);
              break;
            case "complete":
              console.log("Complete:", data);
              break;
            case "error":
              console.error("Error:", data.error);
              break;
          }
        }
      }
    }
  }

  appendToUI(content) {
    // Implement UI update logic
    const chatContainer = document.getElementById("chat-container");
    const lastMessage = chatContainer.lastElementChild;
    if (lastMessage && lastMessage.classList.contains("ai-message")) {
      lastMessage.textContent += content;
    } else {
      const newMessage = document.createElement("div");
      newMessage.className = "ai-message";
      newMessage.textContent = content;
      chatContainer.appendChild(newMessage);
    }
  }
}

// Usage
const client = new StudyGuruStreamingClient(
  "http://localhost:8000",
  "your-jwt-token"
);
client.streamConversation("Hello, can you help me with math?");
